// SPDX-License-Identifier: Apache-2.0
// The bytes come out only where InsecureSecretAccess is spelled out.
#include "jwekms/secret.hpp"

std::uint8_t first(const jwekms::Cek& cek) {
#ifdef JWEKMS_EXPECT_OK
  return cek.bytes(jwekms::InsecureSecretAccess::token())[0];
#else
  return cek.bytes()[0];
#endif
}

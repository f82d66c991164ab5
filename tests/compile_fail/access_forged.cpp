// SPDX-License-Identifier: Apache-2.0
// The access token cannot be had by leaving its name out: {} makes none.
#include "jwekms/secret.hpp"

std::uint8_t first(const jwekms::Cek& cek) {
#ifdef JWEKMS_EXPECT_OK
  return cek.bytes(jwekms::InsecureSecretAccess::token())[0];
#else
  return cek.bytes({})[0];
#endif
}

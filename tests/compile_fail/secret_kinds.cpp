// SPDX-License-Identifier: Apache-2.0
// A key-encryption key is no CEK.
#include "jwekms/secret.hpp"

std::size_t use(const jwekms::Cek& cek) { return cek.size(); }

std::size_t use_both([[maybe_unused]] const jwekms::Cek& cek,
                     [[maybe_unused]] const jwekms::Kek& kek) {
#ifdef JWEKMS_EXPECT_OK
  return use(cek);
#else
  return use(kek);
#endif
}

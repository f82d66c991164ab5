// SPDX-License-Identifier: Apache-2.0
// Nor can they be ordered, and so they cannot be the keys of a map.
#include "jwekms/secret.hpp"

bool before(const jwekms::Cek& a, const jwekms::Cek& b) {
#ifdef JWEKMS_EXPECT_OK
  return a.size() < b.size();
#else
  return a < b;
#endif
}

// SPDX-License-Identifier: Apache-2.0
// Assignment is a copy too.
#include <utility>

#include "jwekms/secret.hpp"

void replace(jwekms::Cek& old, jwekms::Cek& fresh) {
#ifdef JWEKMS_EXPECT_OK
  old = std::move(fresh);
#else
  old = fresh;
#endif
}

// SPDX-License-Identifier: Apache-2.0
// A Kms is moved, not copied: it holds keys.
#include <utility>

#include "jwekms/kms.hpp"

jwekms::Kms hand_over(jwekms::Kms& kms) {
#ifdef JWEKMS_EXPECT_OK
  return std::move(kms);
#else
  return kms;
#endif
}

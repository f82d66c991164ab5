// SPDX-License-Identifier: Apache-2.0
// A Result cannot be dropped unseen.
#pragma GCC diagnostic error "-Wunused-result"
#include "jwekms/key_uid.hpp"

void use(std::string_view text) {
#ifdef JWEKMS_EXPECT_OK
  (void)jwekms::parse_key_uid(text);
#else
  jwekms::parse_key_uid(text);
#endif
}

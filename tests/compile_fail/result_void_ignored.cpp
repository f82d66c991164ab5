// SPDX-License-Identifier: Apache-2.0
// Nor can one that holds nothing but success or failure.
#pragma GCC diagnostic error "-Wunused-result"
#include "jwekms/jose_header.hpp"

void use(const jwekms::JoseHeader& header) {
#ifdef JWEKMS_EXPECT_OK
  (void)jwekms::check_header(header, jwekms::Policy{});
#else
  jwekms::check_header(header, jwekms::Policy{});
#endif
}

// SPDX-License-Identifier: Apache-2.0
// A Result is not its value: somebody must have asked whether there is one.
#include "jwekms/result.hpp"

int read(const jwekms::Result<int>& result) {
#ifdef JWEKMS_EXPECT_OK
  return result ? *result : 0;
#else
  return result;
#endif
}

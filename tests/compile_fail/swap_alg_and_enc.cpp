// SPDX-License-Identifier: Apache-2.0
// An alg cannot stand where an enc belongs.
#include "jwekms/algorithms.hpp"

bool has_gcm(const jwekms::EncSet& encs) {
#ifdef JWEKMS_EXPECT_OK
  return encs.contains(jwekms::Enc::A128GCM);
#else
  return encs.contains(jwekms::Alg::A128GCMKW);
#endif
}

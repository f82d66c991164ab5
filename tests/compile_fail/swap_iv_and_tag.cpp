// SPDX-License-Identifier: Apache-2.0
// An IV cannot stand where a tag belongs, although both are spans of bytes.
#include "jwekms/provider.hpp"

jwekms::SealedContent seal(jwekms::Iv iv, jwekms::AuthTag tag) {
#ifdef JWEKMS_EXPECT_OK
  return {iv, {}, {}, tag};
#else
  return {tag, {}, {}, iv};
#endif
}

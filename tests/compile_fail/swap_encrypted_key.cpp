// SPDX-License-Identifier: Apache-2.0
// An encrypted key is not just any bytes.
#include "jwekms/provider.hpp"

jwekms::WrappedCek wrap(const jwekms::AlgRow& alg, const jwekms::EncRow& enc,
                        const jwekms::JoseHeader& header,
                        [[maybe_unused]] jwekms::EncryptedKey encrypted_key,
                        [[maybe_unused]] jwekms::Iv iv) {
#ifdef JWEKMS_EXPECT_OK
  return {alg, enc, header, encrypted_key};
#else
  return {alg, enc, header, iv};
#endif
}

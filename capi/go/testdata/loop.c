// SPDX-License-Identifier: Apache-2.0
// The same call in C, for the benchmark. Needs no library: Go passes the function.
#include "../../jwekms.h"

typedef jwekms_status decrypt_function(const jwekms_ctx*, const char*, size_t,
                                       const jwekms_decrypt_options*, uint8_t*, size_t*,
                                       jwekms_error*);

jwekms_status decrypt_loop(decrypt_function* decrypt, const jwekms_ctx* ctx, const char* token,
                           size_t token_len, uint8_t* out, size_t size, size_t times) {
  jwekms_error error = JWEKMS_ERROR_INIT;
  jwekms_status status = JWEKMS_OK;
  for (size_t i = 0; i < times && status == JWEKMS_OK; i++) {
    size_t out_len = size;
    status = decrypt(ctx, token, token_len, NULL, out, &out_len, &error);
  }
  return status;
}

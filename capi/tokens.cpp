// SPDX-License-Identifier: Apache-2.0
#include "convert.hpp"
#include "handles.hpp"
#include "jwekms.h"

using namespace jwekms;
using namespace jwekms::capi;

jwekms_status jwekms_decrypt(const jwekms_ctx* ctx, const char* token, size_t token_len,
                             const jwekms_decrypt_options* options, uint8_t* out, size_t* out_len,
                             jwekms_error* error) {
  return guarded(error, [&] {
    Output plaintext{out, out_len};
    const Kms& kms = kms_of(ctx);
    const std::string_view jwe = text(token, token_len);
    const DecryptOptions how = decrypt_options(options);
    return plaintext.fill([&] { return kms.decrypt_bound(jwe); },
                          [&](auto space) { return kms.decrypt(jwe, space, how); });
  });
}

jwekms_status jwekms_encrypt(const jwekms_ctx* ctx, const uint8_t* plaintext, size_t plaintext_len,
                             const jwekms_encrypt_options* options, char* out, size_t* out_len,
                             jwekms_error* error) {
  return guarded(error, [&] {
    Output token{out, out_len};
    const Kms& kms = kms_of(ctx);
    const auto message = bytes(plaintext, plaintext_len);
    const EncryptOptions how = encrypt_options(options);
    return token.fill([&] { return Result{kms.encrypt_bound(message.size(), how)}; },
                      [&](auto space) { return kms.encrypt(message, space, how); });
  });
}

jwekms_status jwekms_reencrypt(const jwekms_ctx* ctx, const char* token, size_t token_len,
                               const jwekms_decrypt_options* from, const jwekms_encrypt_options* to,
                               char* out, size_t* out_len, jwekms_error* error) {
  return guarded(error, [&] {
    Output new_token{out, out_len};
    const Kms& kms = kms_of(ctx);
    const std::string_view jwe = text(token, token_len);
    const DecryptOptions how_from = decrypt_options(from);
    const EncryptOptions how_to = encrypt_options(to);
    return new_token.fill([&] { return kms.reencrypt_bound(jwe, how_to); },
                          [&](auto space) { return kms.reencrypt(jwe, space, how_from, how_to); });
  });
}

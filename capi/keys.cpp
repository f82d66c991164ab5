// SPDX-License-Identifier: Apache-2.0
#include "convert.hpp"
#include "handles.hpp"
#include "jwekms.h"

using namespace jwekms;
using namespace jwekms::capi;

jwekms_status jwekms_create_key(const jwekms_ctx* ctx, const jwekms_create_key_options* options,
                                jwekms_key_info** info, jwekms_error* error) {
  return guarded(error, [&] {
    const NewHandle out{info};
    const Kms& kms = kms_of(ctx);
    const CreateKey request = create_key(options);
    return give_info(out, [&] { return kms.create_key(request); });
  });
}

jwekms_status jwekms_import_key(const jwekms_ctx* ctx, const uint8_t* data, size_t data_len,
                                const jwekms_import_key_options* options, jwekms_key_info** info,
                                jwekms_error* error) {
  return guarded(error, [&] {
    const NewHandle out{info};
    const Kms& kms = kms_of(ctx);
    ImportKey request = import_key(options);
    request.data = bytes(data, data_len);
    return give_info(out, [&] { return kms.import_key(request); });
  });
}

jwekms_status jwekms_unwrap_key(const jwekms_ctx* ctx, const char* token, size_t token_len,
                                const jwekms_unwrap_key_options* options, jwekms_key_info** info,
                                jwekms_error* error) {
  return guarded(error, [&] {
    const NewHandle out{info};
    const Kms& kms = kms_of(ctx);
    const std::string_view jwe = text(token, token_len);
    const UnwrapKey request = unwrap_key(options);
    return give_info(out, [&] { return kms.unwrap_key(jwe, request.keep, request.from); });
  });
}

jwekms_status jwekms_describe_key(const jwekms_ctx* ctx, const char* kid, size_t kid_len,
                                  jwekms_key_info** info, jwekms_error* error) {
  return guarded(error, [&] {
    const NewHandle out{info};
    const Kms& kms = kms_of(ctx);
    const std::string_view name = text(kid, kid_len);
    return give_info(out, [&] { return kms.describe_key(name); });
  });
}

jwekms_status jwekms_set_key_state(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                                   int32_t state, jwekms_key_info** info, jwekms_error* error) {
  return guarded(error, [&] {
    const NewHandle out{info};
    const Kms& kms = kms_of(ctx);
    const std::string_view name = text(uid, uid_len);
    const KeyState to = key_state(state);
    return give_info(out, [&] { return kms.set_key_state(name, to); });
  });
}

jwekms_status jwekms_add_alias(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                               const char* alias, size_t alias_len, jwekms_error* error) {
  return guarded(error,
                 [&] { return kms_of(ctx).add_alias(text(uid, uid_len), text(alias, alias_len)); });
}

jwekms_status jwekms_remove_alias(const jwekms_ctx* ctx, const char* alias, size_t alias_len,
                                  jwekms_error* error) {
  return guarded(error, [&] { return kms_of(ctx).remove_alias(text(alias, alias_len)); });
}

jwekms_status jwekms_public_jwk(const jwekms_ctx* ctx, const char* kid, size_t kid_len, char* out,
                                size_t* out_len, jwekms_error* error) {
  return guarded(error, [&]() -> Result<void> {
    Output jwk{out, out_len};
    const Result<std::string> made = kms_of(ctx).public_jwk(text(kid, kid_len));
    if (!made) return made.error();
    return jwk.copy(*made);
  });
}

jwekms_status jwekms_public_jwks(const jwekms_ctx* ctx, char* out, size_t* out_len,
                                 jwekms_error* error) {
  return guarded(error, [&]() -> Result<void> {
    Output jwks{out, out_len};
    const Result<std::string> made = kms_of(ctx).public_jwks();
    if (!made) return made.error();
    return jwks.copy(*made);
  });
}

jwekms_status jwekms_list_keys(const jwekms_ctx* ctx, const jwekms_list_keys_options* options,
                               jwekms_key_list** list, jwekms_error* error) {
  return guarded(error, [&]() -> Result<void> {
    const NewHandle out{list};
    if (!out.is_wanted()) bad_argument("list is NULL");
    const Kms& kms = kms_of(ctx);
    const ListKeysOf request = list_keys(options);
    Result<KeyPage> page = kms.list_keys(request.page, request.prefix);
    if (!page) return page.error();
    out.give(std::make_unique<jwekms_key_list>(jwekms_key_list{*std::move(page)}));
    return {};
  });
}

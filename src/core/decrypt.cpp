// SPDX-License-Identifier: Apache-2.0
#include "core/inflate.hpp"
#include "core/key_use.hpp"
#include "core/operations.hpp"
#include "core/token.hpp"
#include "crypto/secret_buffer.hpp"

namespace jwekms {

namespace {

using core::Call;
using core::Operation;
using core::Token;

/// Opens the content with the CEK, wherever that is.
[[nodiscard]] Result<std::size_t> open_content(const Key& key, const WrappedCek& wrapped,
                                               const SealedContent& sealed,
                                               std::span<std::uint8_t> out) {
  if (wrapped.alg.mode == KeyManagement::direct) {
    const Result<std::shared_ptr<const ContentKey>> cek = key.content_key(wrapped.enc);
    if (!cek) return cek.error();
    return (*cek)->decrypt(sealed, out);
  }
  const Result<std::unique_ptr<ContentKey>> cek = key.unwrap(wrapped);
  if (!cek) return cek.error();
  return (*cek)->decrypt(sealed, out);
}

/// RFC 7516 §5.2 steps 18 and 19, with the compressed plaintext in locked memory between.
[[nodiscard]] Result<std::size_t> open_compressed(const Key& key, const WrappedCek& wrapped,
                                                  const SealedContent& sealed,
                                                  std::span<std::uint8_t> out, std::size_t bound) {
  crypto::SecretBuffer compressed(base64url::decoded_size(sealed.ciphertext_b64.size()) +
                                  Token::tag_room);
  const auto bytes = compressed.bytes(InsecureSecretAccess::token());
  const Result<std::size_t> opened = open_content(key, wrapped, sealed, bytes);
  if (!opened) return opened;
  return core::inflate_raw(bytes.first(*opened), out.first(bound));
}

[[nodiscard]] Result<std::size_t> decrypt_token(Call& call, Token& token,
                                                std::span<std::uint8_t> out,
                                                const DecryptOptions& options,
                                                const std::function<Result<void>()>& also) {
  const Policy& policy = call.kms().policy;
  const std::size_t bound = token.plaintext_bound(policy.limits);
  if (out.size() < bound) return Error{Errc::buffer_too_small, 0, "the output buffer is small"};
  if (Result<void> selected = token.select(call, options, Operation::decrypt); !selected)
    return selected.error();
  const Result<WrappedCek> wrapped = token.wrapped_cek();
  if (!wrapped) return wrapped.error();
  const Result<SealedContent> sealed = token.sealed_content();
  if (!sealed) return sealed.error();
  if (Result<void> serves = core::check_use(token.key().info(), Operation::decrypt, wrapped->alg,
                                            wrapped->enc, policy);
      !serves)
    return serves.error();
  if (also)
    if (Result<void> holds = also(); !holds) return holds.error();
  if (token.header().has_zip) return open_compressed(token.key(), *wrapped, *sealed, out, bound);
  return open_content(token.key(), *wrapped, *sealed, out);
}

/// A UID of the provider that is to keep an unwrapped CEK; empty: the database.
/// Errors: bad_request.
[[nodiscard]] Result<std::string_view> place_of(const Key& parent, const KeepCek& keep) {
  if (!keep.store_in_hsm) return std::string_view(keep.uid);
  const Result<KeyUid> uid = parse_key_uid(keep.uid.empty() ? parent.info().uid : keep.uid);
  if (!uid) return uid.error();
  if (!uid->in_hsm) return Error{Errc::bad_request, 0, "this CEK cannot be kept in an HSM"};
  return uid->text;
}

[[nodiscard]] Result<KeyInfo> unwrap_and_keep(Call& call, Token& token, const KeepCek& keep,
                                              const DecryptOptions& options) {
  if (Result<void> selected = token.select(call, options, Operation::unwrap); !selected)
    return selected.error();
  // Unwrapping takes the RSA algorithms alone.
  if (token.header().alg->mode != KeyManagement::rsa_oaep)
    return Error{Errc::unsupported_algorithm, 0, "alg wraps no CEK with RSA"};
  const Result<WrappedCek> wrapped = token.wrapped_cek();
  if (!wrapped) return wrapped.error();
  const Key& parent = token.key();
  if (Result<void> serves = core::check_use(parent.info(), Operation::unwrap, wrapped->alg,
                                            wrapped->enc, call.kms().policy);
      !serves)
    return serves.error();
  const Result<std::string_view> place = place_of(parent, keep);
  if (!place) return place.error();
  const Result<KeyInfo> kept =
      call.kms().gate.add(call, *place, keep, [&](KeyProvider& provider, const KeepCek& owned) {
        return provider.import_wrapped(parent, *wrapped, owned);
      });
  if (kept) call.note_other(kept->uid);
  return kept;
}

/// Whether a failure may hide that the token is malformed.
[[nodiscard]] bool hides_malformation(Errc code) noexcept {
  return code != Errc::bad_request && code != Errc::too_large && code != Errc::buffer_too_small;
}

}  // namespace

Result<std::size_t> core::plaintext_bound(std::string_view text, const Policy& policy) {
  Token token;
  if (Result<void> parsed = token.parse(text, policy); !parsed) return parsed.error();
  return token.plaintext_bound(policy.limits);
}

Result<std::size_t> Kms::decrypt_bound(std::string_view text) const {
  const Result<std::size_t> plaintext = core::plaintext_bound(text, context_->policy);
  if (!plaintext) return plaintext;
  return *plaintext + Token::tag_room;
}

Result<std::size_t> core::decrypt(Call& call, std::string_view text, std::span<std::uint8_t> out,
                                  const DecryptOptions& options,
                                  const std::function<Result<void>()>& also) {
  Token token;
  if (Result<void> parsed = token.parse(text, call.kms().policy); !parsed) {
    secure_wipe(out.data(), out.size());
    return parsed.error();
  }
  Result<std::size_t> result = decrypt_token(call, token, out, options, also);
  if (result) return result;
  secure_wipe(out.data(), out.size());
  if (hides_malformation(result.error().code) && !token.is_base64url())
    return detail::malformed("a part of the token is not base64url");
  return result;
}

Result<std::size_t> Kms::decrypt(std::string_view text, std::span<std::uint8_t> out,
                                 const DecryptOptions& options) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "decrypt", options.key);
  return call.run([&] { return core::decrypt(call, text, out, options); });
}

Result<KeyInfo> Kms::unwrap_key(std::string_view text, const KeepCek& keep,
                                const DecryptOptions& options) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "unwrap_key", options.key);
  return call.run([&]() -> Result<KeyInfo> {
    Token token;
    if (Result<void> parsed = token.parse(text, context_->policy); !parsed) return parsed.error();
    Result<KeyInfo> result = unwrap_and_keep(call, token, keep, options);
    if (!result && hides_malformation(result.error().code) && !token.is_base64url())
      return detail::malformed("a part of the token is not base64url");
    return result;
  });
}

}  // namespace jwekms

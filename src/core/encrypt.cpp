// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstring>
#include <string>

#include "core/json_tree.hpp"
#include "core/key_use.hpp"
#include "core/operations.hpp"
#include "core/token.hpp"
#include "crypto/rsa_key.hpp"
#include "crypto/secret_buffer.hpp"
#include "jwekms/base64url.hpp"

namespace jwekms {

namespace {

using core::Call;
using core::Operation;

constexpr std::size_t max_header_chars = 6 * max_uid_bytes + 128;  // every byte of kid as \u00XX
constexpr std::size_t max_encrypted_key_bytes = crypto::rsa_max_bits / 8;

constexpr Error output_is_small{Errc::buffer_too_small, 0, "the output buffer is small"};

/// Writes ASCII into a buffer whose size was checked against the bound beforehand.
class Writer {
 public:
  explicit Writer(std::span<char> out) noexcept : out_(out) {}
  void text(std::string_view s) noexcept {
    std::memcpy(out_.data() + at_, s.data(), s.size());
    at_ += s.size();
  }
  void base64url(std::span<const std::uint8_t> bytes) noexcept {
    base64url::encode(bytes, skip(base64url::encoded_size(bytes.size())).data());
  }
  /// Leaves room to be filled later.
  [[nodiscard]] std::span<char> skip(std::size_t chars) noexcept {
    const std::span<char> room = out_.subspan(at_, chars);
    at_ += chars;
    return room;
  }
  [[nodiscard]] std::size_t size() const noexcept { return at_; }

 private:
  std::span<char> out_;
  std::size_t at_ = 0;
};

/// The protected header, base64url. Errors: bad_request (a kid that is not UTF-8).
[[nodiscard]] Result<std::string> make_header(const EncryptOptions& options) {
  // Else it would be another name.
  if (!core::is_utf8(options.key)) return detail::malformed("the key's name cannot stand in JSON");
  const core::Json tree = core::new_object();
  core::add_text(tree.get(), "alg", row(options.alg).name);
  core::add_text(tree.get(), "enc", row(options.enc).name);
  core::add_text(tree.get(), "kid", options.key);
  const core::JsonText json = core::printed(tree);
  const std::string_view text(json.get());
  std::string header(base64url::encoded_size(text.size()), '\0');
  base64url::encode({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                    header.data());
  return header;
}

/// A CEK for one token, and how it stands in it.
struct TokenCek {
  std::vector<std::uint8_t> encrypted_key;
  std::shared_ptr<const ContentKey> content_key;
};

[[nodiscard]] Result<TokenCek> cek_for(const Key& key, const AlgRow& alg, const EncRow& enc) {
  if (alg.mode == KeyManagement::direct) {
    Result<std::shared_ptr<const ContentKey>> cek = key.content_key(enc);
    if (!cek) return cek.error();
    return TokenCek{{}, *std::move(cek)};
  }
  Result<NewCek> fresh = key.wrap(alg, enc);
  if (!fresh) return fresh.error();
  if (fresh->encrypted_key.empty() || fresh->encrypted_key.size() > max_encrypted_key_bytes)
    return Error{Errc::internal_error, 0, "the key provider wrapped to an impossible size"};
  return TokenCek{std::move(fresh->encrypted_key), std::move(fresh->content_key)};
}

/// RFC 7516 §7.1 or §7.2.2: writes the token and encrypts straight into it.
[[nodiscard]] Result<std::size_t> write_token(const EncryptOptions& options, const EncRow& enc,
                                              std::string_view header, const TokenCek& cek,
                                              std::span<const std::uint8_t> plaintext,
                                              std::span<char> out) {
  const bool compact = options.serialization == Serialization::compact;
  std::string aad_b64;
  Aad aad{header, std::nullopt};
  if (options.aad) {
    aad_b64.resize(base64url::encoded_size(options.aad->size()));
    base64url::encode(*options.aad, aad_b64.data());
    aad.aad_b64 = aad_b64;
  }
  Writer w(out);
  if (!compact) w.text("{\"protected\":\"");
  w.text(header);
  if (compact) w.text(".");
  // RFC 7516 §7.2.1: an empty encrypted_key is absent.
  if (!compact && !cek.encrypted_key.empty()) w.text("\",\"encrypted_key\":\"");
  w.base64url(cek.encrypted_key);
  if (!compact && options.aad) {
    w.text("\",\"aad\":\"");
    w.text(aad_b64);
  }
  w.text(compact ? "." : "\",\"iv\":\"");
  const std::span<char> iv_room = w.skip(base64url::encoded_size(enc.iv_bytes));
  w.text(compact ? "." : "\",\"ciphertext\":\"");
  const std::span<char> content_room = w.skip(base64url::encoded_size(plaintext.size()));
  w.text(compact ? "." : "\",\"tag\":\"");

  std::array<std::uint8_t, max_iv_bytes> iv;
  std::array<std::uint8_t, max_tag_bytes> tag;
  const SealInto into{content_room, std::span(iv).first(enc.iv_bytes),
                      std::span(tag).first(enc.tag_bytes)};
  if (Result<void> sealed = cek.content_key->encrypt(aad, plaintext, into); !sealed)
    return sealed.error();
  base64url::encode(into.iv, iv_room.data());
  w.base64url(into.tag);
  if (!compact) w.text("\"}");
  return w.size();
}

[[nodiscard]] Result<void> check_options(const EncryptOptions& options, const Policy& policy) {
  const AlgRow& alg = row(options.alg);
  const EncRow& enc = row(options.enc);
  if (alg.support != Support::implemented || !policy.algs.contains(alg.id) ||
      enc.support != Support::implemented || !policy.encs.contains(enc.id))
    return Error{Errc::unsupported_algorithm, 0, "alg or enc is not allowed"};
  if (options.serialization == Serialization::general)
    return Error{Errc::bad_request, 0, "tokens are made compact or flattened"};
  if (options.aad && options.serialization == Serialization::compact)
    return Error{Errc::bad_request, 0, "a compact token has no aad"};
  if (options.aad && options.aad->empty())
    return Error{Errc::bad_request, 0, "an empty aad is left out"};
  return {};
}

[[nodiscard]] std::size_t bound_of(std::size_t plaintext_size_in_bytes,
                                   const EncryptOptions& options) noexcept {
  constexpr std::size_t json_text = 128;
  constexpr std::size_t fixed =
      base64url::encoded_size(max_header_chars) + base64url::encoded_size(max_encrypted_key_bytes) +
      base64url::encoded_size(max_iv_bytes) + base64url::encoded_size(max_tag_bytes) + json_text;
  const std::size_t aad = options.aad ? base64url::encoded_size(options.aad->size()) : 0;
  return fixed + aad + base64url::encoded_size(plaintext_size_in_bytes);
}

}  // namespace

std::size_t Kms::encrypt_bound(std::size_t plaintext_size_in_bytes,
                               const EncryptOptions& options) const noexcept {
  return bound_of(plaintext_size_in_bytes, options);
}

Result<core::Addressee> core::find_addressee(Call& call, const EncryptOptions& options) {
  auto key = call.kms().gate.key(call, options.key, Operation::encrypt);
  if (!key) return key.error();
  Result<std::string> header = make_header(options);
  if (!header) return header.error();
  if (Result<void> serves = check_use((*key)->info(), Operation::encrypt, row(options.alg),
                                      row(options.enc), call.kms().policy);
      !serves)
    return serves.error();
  return Addressee{*std::move(key), *std::move(header)};
}

Result<std::size_t> core::encrypt_to(const Addressee& addressee,
                                     std::span<const std::uint8_t> plaintext, std::span<char> out,
                                     const EncryptOptions& options) {
  const EncRow& enc = row(options.enc);
  const Result<TokenCek> cek = cek_for(*addressee.key, row(options.alg), enc);
  if (!cek) return cek.error();
  return write_token(options, enc, addressee.header, *cek, plaintext, out);
}

Result<std::size_t> Kms::encrypt(std::span<const std::uint8_t> plaintext, std::span<char> out,
                                 const EncryptOptions& options) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "encrypt", options.key);
  return call.run([&]() -> Result<std::size_t> {
    if (Result<void> checked = check_options(options, policy()); !checked) return checked.error();
    if (out.size() < bound_of(plaintext.size(), options)) return output_is_small;
    const Result<core::Addressee> addressee = core::find_addressee(call, options);
    if (!addressee) return addressee.error();
    return core::encrypt_to(*addressee, plaintext, out, options);
  });
}

Result<std::size_t> Kms::reencrypt_bound(std::string_view token,
                                         const EncryptOptions& options) const {
  const Result<std::size_t> plaintext = core::plaintext_bound(token, policy());
  if (!plaintext) return plaintext;
  return encrypt_bound(*plaintext, options);
}

Result<std::size_t> Kms::reencrypt(std::string_view token, std::span<char> out,
                                   const DecryptOptions& from, const EncryptOptions& to) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "reencrypt", from.key);
  call.note_other(to.key);
  return call.run([&]() -> Result<std::size_t> {
    const Result<std::size_t> bound = core::plaintext_bound(token, policy());
    if (!bound) return bound;
    if (Result<void> checked = check_options(to, policy()); !checked) return checked.error();
    if (out.size() < encrypt_bound(*bound, to)) return output_is_small;
    crypto::SecretBuffer plaintext(*bound + core::Token::tag_room);
    const auto bytes = plaintext.bytes(InsecureSecretAccess::token());
    std::optional<core::Addressee> addressee;
    // Nothing is decrypted for somebody who may not have it encrypted again.
    const Result<std::size_t> size = core::decrypt(call, token, bytes, from, [&]() -> Result<void> {
      call.note_no_more();
      Result<core::Addressee> found = core::find_addressee(call, to);
      if (!found) return found.error();
      addressee = *std::move(found);
      return {};
    });
    if (!size) return size;
    return core::encrypt_to(*addressee, bytes.first(*size), out, to);
  });
}

}  // namespace jwekms

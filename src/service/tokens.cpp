// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <vector>

#include "jwekms/base64url.hpp"
#include "jwekms/jose_header.hpp"
#include "jwekms/jwe.hpp"
#include "service/body.hpp"
#include "service/call.hpp"
#include "service/reply.hpp"

// Tokens go to the core as the body that they came in: what is no part of a JWE it leaves alone.

namespace jwekms::service {

namespace {

[[nodiscard]] std::span<std::uint8_t> as_bytes(std::span<char> chars) noexcept {
  return {reinterpret_cast<std::uint8_t*>(chars.data()), chars.size()};
}

/// Encodes bytes where they stand, at the end of the room of their own text: with no second copy of
/// a plaintext. The text has a third of their number as a lead, and gains a third on them, so it
/// never overwrites what is yet to be read.
void encode_within(std::span<const std::uint8_t> bytes, char* text) noexcept {
  std::array<std::uint8_t, 768> chunk;  // a multiple of 3
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), chunk.size()));
    std::ranges::copy(part, chunk.begin());
    base64url::encode(std::span(chunk).first(part.size()), text);
    text += base64url::encoded_size(part.size());
    bytes = bytes.subspan(part.size());
  }
  secure_wipe(chunk.data(), chunk.size());
}

/// The `kid` of a protected header. The core reads it by the same rules: when it has accepted the
/// token, this is the key that it used.
[[nodiscard]] std::string header_kid(std::string_view protected_b64, const Policy& policy) {
  HeaderBuffer buffer;
  const Result<std::optional<json::Value>> header =
      decode_protected_header(protected_b64, buffer, policy.limits);
  if (!header || !*header) return {};
  const std::optional<json::Value> kid = (*header)->find("kid");
  if (!kid || kid->kind() != json::Kind::string) return {};
  const json::String text = kid->as_string();
  return text.resolved_size() <= max_uid_bytes ? resolved(text) : std::string();
}

struct Names {
  const AlgRow* alg = nullptr;
  const EncRow* enc = nullptr;
};

/// `alg` and `enc` of a body. Errors: those of the body, unsupported_algorithm.
[[nodiscard]] Result<Names> algorithms(Body& body) {
  const std::string alg = body.required_text("alg", "alg is missing"),
                    enc = body.required_text("enc", "enc is missing");
  if (const Result<void> read = body.error(); !read) return read.error();
  const Names names{find_alg(alg), find_enc(enc)};
  if (names.alg == nullptr || names.enc == nullptr)
    return Error{Errc::unsupported_algorithm, 0, "alg or enc is unknown"};
  return names;
}

/// @param what  static text. Errors: bad_request.
[[nodiscard]] Result<std::vector<std::uint8_t>> decode(std::string_view b64, const char* what) {
  std::vector<std::uint8_t> bytes(base64url::decoded_size(b64.size()));
  if (!base64url::decode(b64, bytes.data())) return Error{Errc::bad_request, 0, what};
  return bytes;
}

/// A token that the core made, as the API shows it: every member but `aad` is there, in the order
/// of openapi.json.
[[nodiscard]] Result<Answer> show_token(std::string_view token, const Policy& policy) {
  const Result<JweView> view = parse_jwe(token, policy.limits);
  if (!view) return view.error();
  const bool has_aad = view->aad_b64.has_value();
  return Answer{concat({R"({"protected":")", view->protected_b64, R"(","encrypted_key":")",
                        view->recipient.encrypted_key_b64, R"(","iv":")", view->iv_b64,
                        R"(","ciphertext":")", view->ciphertext_b64, R"(","tag":")", view->tag_b64,
                        has_aad ? R"(","aad":")" : "", view->aad_b64.value_or(""), R"("})"})};
}

}  // namespace

Result<Answer> decrypt(Call& call) {
  Body body(call.body, call.kms.policy().limits,
            {"protected", "encrypted_key", "iv", "ciphertext", "tag", "aad"});
  const std::string_view header = body.required_plain("protected", "protected is missing");
  if (const Result<void> read = body.error(); !read) return read.error();
  call.kid = header_kid(header, call.kms.policy());

  const Result<std::size_t> bound = call.kms.decrypt_bound(call.body);
  if (!bound) return bound.error();
  const std::string before = R"({"kid":)" + quoted(call.kid) + R"(,"data":")";
  constexpr std::string_view after = "\"}";
  ServiceBody text(before.size() + base64url::encoded_size(*bound) + after.size());
  std::ranges::copy(before, text.chars().begin());
  const std::span<char> room = text.chars().subspan(before.size(), base64url::encoded_size(*bound));
  const std::span<std::uint8_t> plaintext = as_bytes(room.last(*bound));
  const Result<std::size_t> size = call.kms.decrypt(call.body, plaintext);
  if (!size) return size.error();
  encode_within(plaintext.first(*size), room.data());
  const std::size_t data_size = base64url::encoded_size(*size);
  std::ranges::copy(after, text.chars().subspan(before.size() + data_size).begin());
  text.truncate(before.size() + data_size + after.size());
  return Answer{std::move(text)};
}

Result<Answer> encrypt(Call& call) {
  Body body(call.body, call.kms.policy().limits, {"kid", "alg", "enc", "data", "aad"});
  const std::string kid = body.required_text("kid", "kid is missing");
  const std::string_view data = body.required_plain("data", "data is missing");
  const std::optional<std::string_view> aad_b64 = body.plain("aad");
  if (kid.size() <= max_uid_bytes) call.kid = kid;
  const Result<Names> names = algorithms(body);
  if (!names) return names.error();

  const Result<std::vector<std::uint8_t>> aad =
      decode(aad_b64.value_or(""), "aad is not base64url");
  if (!aad) return aad.error();
  ServiceBody plaintext(base64url::decoded_size(data.size()));
  const std::span<std::uint8_t> bytes = as_bytes(plaintext.chars());
  if (!base64url::decode(data, bytes.data()))
    return Error{Errc::bad_request, 0, "data is not base64url"};

  EncryptOptions options{.key = kid,
                         .alg = names->alg->id,
                         .enc = names->enc->id,
                         .serialization = Serialization::flattened};
  if (aad_b64) options.aad = *aad;
  std::string token(call.kms.encrypt_bound(bytes.size(), options), '\0');
  const Result<std::size_t> size = call.kms.encrypt(bytes, token, options);
  if (!size) return size.error();
  return show_token(std::string_view(token).substr(0, *size), call.kms.policy());
}

Result<Answer> reencrypt(Call& call) {
  Body body(call.body, call.kms.policy().limits,
            {"protected", "encrypted_key", "iv", "ciphertext", "tag", "aad", "kid", "alg", "enc"});
  const std::string_view header = body.required_plain("protected", "protected is missing");
  const std::string kid = body.required_text("kid", "kid is missing");
  const std::optional<std::string_view> aad_b64 = body.plain("aad");
  call.kid = header_kid(header, call.kms.policy());
  const Result<Names> names = algorithms(body);
  if (!names) return names.error();

  // The new token vouches for the same `aad` as the old one.
  const Result<std::vector<std::uint8_t>> aad =
      decode(aad_b64.value_or(""), "aad is not base64url");
  if (!aad) return aad.error();
  EncryptOptions to{.key = kid,
                    .alg = names->alg->id,
                    .enc = names->enc->id,
                    .serialization = Serialization::flattened};
  if (!aad->empty()) to.aad = *aad;
  const Result<std::size_t> bound = call.kms.reencrypt_bound(call.body, to);
  if (!bound) return bound.error();
  std::string token(*bound, '\0');
  const Result<std::size_t> size = call.kms.reencrypt(call.body, token, {}, to);
  if (!size) return size.error();
  return show_token(std::string_view(token).substr(0, *size), call.kms.policy());
}

Result<Answer> unwrap_key(Call& call) {
  Body body(call.body, call.kms.policy().limits,
            {"protected", "encrypted_key", "store_in_hsm", "kid", "label", "aliases"});
  const std::string_view header = body.required_plain("protected", "protected is missing");
  (void)body.required_plain("encrypted_key", "encrypted_key is missing");
  const std::string kid = body.text("kid"), label = body.text("label");
  KeepCek keep{.uid = kid,
               .store_in_hsm = body.boolean("store_in_hsm").value_or(false),
               .aliases = body.texts("aliases")};
  if (const Result<void> read = body.error(); !read) return read.error();
  call.kid = header_kid(header, call.kms.policy());

  if (!label.empty()) {
    if (!kid.empty()) return Error{Errc::bad_request, 0, "kid and label exclude each other"};
    Result<std::string> uid = beside(call.kid, label);
    if (!uid) return uid.error();
    keep.uid = *std::move(uid);
  }
  const Result<KeyInfo> kept = call.kms.unwrap_key(call.body, keep);
  if (!kept) return kept.error();
  const std::string_view enc = kept->enc ? row(*kept->enc).name : std::string_view{};
  return Answer{concat({R"({"kid":)", quoted(kept->uid), R"(,"kty":"oct","alg":")", enc,
                        R"(","key_ops":["encrypt","decrypt"]})"})};
}

}  // namespace jwekms::service

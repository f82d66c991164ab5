// SPDX-License-Identifier: Apache-2.0
#include "core/token.hpp"

#include <algorithm>

#include "jwekms/base64url.hpp"
#include "jwekms/key_uid.hpp"

namespace jwekms::core {

namespace {

constexpr Error not_found{Errc::not_found, 0, "no such key"};

/// Decodes a short part into `out`. Errors: bad_request.
template <std::size_t N>
[[nodiscard]] Result<std::span<const std::uint8_t>> decode_part(std::string_view text,
                                                                std::array<std::uint8_t, N>& out,
                                                                const char* complaint) noexcept {
  const std::size_t size = base64url::decoded_size(text.size());
  if (size > out.size() || !base64url::decode(text, out.data()))
    return Error{Errc::bad_request, 0, complaint};
  return std::span<const std::uint8_t>{out.data(), size};
}

[[nodiscard]] bool decodes(std::string_view text) noexcept {
  std::array<std::uint8_t, 3072> scratch;
  constexpr std::size_t chars = scratch.size() / 3 * 4;
  do {
    const std::string_view part = text.substr(0, chars);
    if (!base64url::decode(part, scratch.data())) return false;
    text.remove_prefix(part.size());
  } while (!text.empty());
  return true;
}

}  // namespace

Result<void> Token::parse(std::string_view text, const Policy& policy) noexcept {
  Result<JweView> view = parse_jwe(text, policy.limits);
  if (!view) return view.error();
  view_ = *view;
  const Result<std::optional<json::Value>> header =
      decode_protected_header(view_.protected_b64, header_text_, policy.limits);
  if (!header) return header.error();
  protected_header_ = *header;
  // True of every recipient or of none, so it does not wait for one to be selected.
  if (!detail::disjoint(protected_header_, view_.unprotected))
    return detail::malformed("a header parameter stands in two headers");
  has_zip_ = policy.allow_zip && protected_header_ && protected_header_->find("zip");
  return {};
}

Result<void> Token::select(Call& call, const DecryptOptions& options, Operation operation) {
  return view_.recipients ? select_among(call, options, operation)
                          : select_only(call, options, operation);
}

Result<void> Token::select_only(Call& call, const DecryptOptions& options, Operation operation) {
  const Policy& policy = call.kms().policy;
  recipient_ = view_.recipient;
  const Result<JoseHeader> header = read_header(view_, protected_header_, recipient_, policy);
  if (!header) return header.error();
  header_ = *header;
  const std::string_view kid = options.key.empty() ? header_.kid.view() : options.key;
  call.note_kid(kid);
  // Policy comes before any look-up, so that a refused algorithm says nothing about keys.
  if (Result<void> allowed = check_header(header_, policy); !allowed) return allowed;
  if (kid.empty()) return detail::malformed("kid is missing and the caller names no key");
  Result<std::shared_ptr<const Key>> key = call.kms().gate.key(call, kid, operation);
  if (!key) return key.error();
  key_ = *std::move(key);
  return {};
}

bool Token::is_name_of_key(std::string_view kid) const {
  const KeyInfo& info = key_->info();
  return kid == info.uid || std::ranges::find(info.aliases, kid) != info.aliases.end() ||
         (info.type == KeyType::rsa && pair_of_public_half(kid) == info.uid);
}

/// RFC 7516 §5.2: the first recipient whose `kid` we hold, and the caller may use. Others' headers
/// may be of any sort; a fault in one counts only when no recipient is ours.
Result<void> Token::select_among(Call& call, const DecryptOptions& options, Operation operation) {
  const Policy& policy = call.kms().policy;
  const Gate& gate = call.kms().gate;
  Error problem = not_found;
  if (!options.key.empty()) {
    call.note_kid(options.key);
    Result<std::shared_ptr<const Key>> named = gate.key(call, options.key, operation);
    if (!named) return named.error();
    key_ = *std::move(named);
  }

  bool selected = false;
  for_each_recipient(view_, [&](const Recipient& recipient) {
    const Result<JoseHeader> header = read_header(view_, protected_header_, recipient, policy);
    const std::string_view kid = header ? header->kid.view() : std::string_view{};
    if (!header) {
      problem = header.error();
    } else if (header->alg && header->alg->support == Support::never) {
      problem = check_header(*header, policy).error();  // and no key is looked up for it
    } else if (kid.empty()) {
      problem = detail::malformed("kid is missing");
    } else if (key_) {
      selected = kid == options.key || is_name_of_key(kid);
    } else {
      Result<std::shared_ptr<const Key>> key = gate.key(call, kid, operation);
      selected = bool{key};
      if (key || key.error().code != Errc::not_found) call.note_kid(kid);
      if (key) {
        key_ = *std::move(key);
      } else if (key.error().code == Errc::bad_request || key.error().code == Errc::forbidden) {
        problem = key.error();  // a kid that cannot be one of ours, or a key of somebody else
      } else if (key.error().code != Errc::not_found) {
        problem = key.error();
        return false;  // cannot tell whether it is ours: an outage is not a missing key
      }
    }
    if (selected) {
      recipient_ = recipient;
      header_ = *header;
    }
    return !selected;
  });
  if (!selected) return problem;
  return check_header(header_, policy);
}

Result<WrappedCek> Token::wrapped_cek() noexcept {
  const auto bytes = decode_part(recipient_.encrypted_key_b64, encrypted_key_,
                                 "encrypted_key is not base64url or too long");
  if (!bytes) return bytes.error();
  const bool direct = header_.alg->mode == KeyManagement::direct;
  if (direct != bytes->empty())
    return detail::malformed(direct ? "encrypted_key with dir" : "encrypted_key is empty");
  return WrappedCek{*header_.alg, *header_.enc, header_, EncryptedKey{*bytes}};
}

Result<SealedContent> Token::sealed_content() noexcept {
  if (!view_.has_content) return detail::malformed("iv, ciphertext or tag is missing");
  const auto iv = decode_part(view_.iv_b64, iv_, "iv is not base64url or of the wrong length");
  const auto tag = decode_part(view_.tag_b64, tag_, "tag is not base64url or of the wrong length");
  if (!iv) return iv.error();
  if (!tag) return tag.error();
  if (iv->size() != header_.enc->iv_bytes) return detail::malformed("iv of the wrong length");
  if (tag->size() != header_.enc->tag_bytes) return detail::malformed("tag of the wrong length");
  if (view_.aad_b64 && !decodes(*view_.aad_b64)) return detail::malformed("aad is not base64url");
  return SealedContent{{*iv}, {view_.protected_b64, view_.aad_b64}, view_.ciphertext_b64, {*tag}};
}

bool Token::is_base64url() const noexcept {
  bool good = decodes(view_.iv_b64) && decodes(view_.tag_b64) && decodes(view_.ciphertext_b64) &&
              (!view_.aad_b64 || decodes(*view_.aad_b64));
  for_each_recipient(view_, [&](const Recipient& recipient) {
    good = good && decodes(recipient.encrypted_key_b64);
    return good;
  });
  return good;
}

std::size_t Token::plaintext_bound(const Limits& limits) const noexcept {
  const std::size_t ciphertext = base64url::decoded_size(view_.ciphertext_b64.size());
  if (!has_zip_) return ciphertext;
  if (ciphertext > limits.max_inflated_bytes / limits.max_inflated_ratio)
    return limits.max_inflated_bytes;
  return ciphertext * limits.max_inflated_ratio;
}

}  // namespace jwekms::core

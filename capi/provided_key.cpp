// SPDX-License-Identifier: Apache-2.0
#include "provided_key.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "core/public_jwk.hpp"
#include "core/unwrapping_key.hpp"
#include "crypto/base64url_vector.hpp"
#include "crypto/secret_buffer.hpp"
#include "jwekms/base64url.hpp"

namespace jwekms::capi {

namespace {

constexpr Error not_offered{Errc::unsupported_algorithm, 0,
                            "the key provider does not offer the operation"};
constexpr Error failed{Errc::decryption_failed, 0, "decryption failed"};

constexpr std::size_t cek_room = 2048;  // as jwekms_provider.h says
constexpr std::size_t encrypted_key_room = 2048;
constexpr std::size_t jwk_room = 16384;

/// A size that no callback says: it has said none, whatever its status.
constexpr std::size_t not_said = std::size_t{1} << 63;

/// A CEK as a callback is told of it.
[[nodiscard]] jwekms_provided_cek describe(const AlgRow& alg, const EncRow& enc,
                                           std::string_view kid = {},
                                           std::span<const std::uint8_t> encrypted_key = {}) {
  return {sizeof(jwekms_provided_cek),
          enc.cek_bytes,
          alg.name.data(),
          alg.name.size(),
          enc.name.data(),
          enc.name.size(),
          kid.data(),
          kid.size(),
          encrypted_key.data(),
          encrypted_key.size()};
}

[[nodiscard]] jwekms_provided_cek describe(const WrappedCek& wrapped) {
  return describe(wrapped.alg, wrapped.enc, wrapped.header.kid.view(), wrapped.encrypted_key.bytes);
}

[[nodiscard]] std::string join(const Aad& aad) {
  std::string joined(aad.protected_b64);
  if (aad.aad_b64) joined.append(".").append(*aad.aad_b64);
  return joined;
}

[[nodiscard]] const std::uint8_t* bytes_of(const std::string& text) noexcept {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

/// A CEK that stays with the provider: the key itself, or what its `encrypted_key` holds.
class StayingContentKey final : public ContentKey {
 public:
  StayingContentKey(std::shared_ptr<const crypto::Library> library,
                    std::shared_ptr<const KeyHandle> handle, const AlgRow& alg, const EncRow& enc,
                    std::string_view kid = {}, std::span<const std::uint8_t> encrypted_key = {})
      : library_(std::move(library)),
        handle_(std::move(handle)),
        alg_(alg),
        enc_(enc),
        kid_(kid),
        encrypted_key_(encrypted_key.begin(), encrypted_key.end()) {}

  Result<std::size_t> decrypt(const SealedContent& sealed,
                              std::span<std::uint8_t> out) const override {
    const std::size_t size = base64url::decoded_size(sealed.ciphertext_b64.size());
    if (out.size() < size) return Error{Errc::buffer_too_small, 0, "the output buffer is small"};
    const std::span<std::uint8_t> plaintext = out.first(size);
    const Result<void> opened = open(sealed, plaintext);
    if (opened) return size;
    secure_wipe(plaintext.data(), plaintext.size());
    return opened.error();
  }

  Result<void> encrypt(const Aad& aad, std::span<const std::uint8_t> plaintext,
                       const SealInto& into) const override {
    if (handle_->calls().encrypt == nullptr) return not_offered;
    if (const Result<void> drawn = library_->random(into.iv); !drawn) return drawn;
    if (const Result<void> drawn = library_->random(into.tag); !drawn) return drawn;
    const std::vector<std::uint8_t> untouched(into.tag.begin(), into.tag.end());
    const std::string joined = join(aad);
    std::vector<std::uint8_t> ciphertext(plaintext.size());
    const jwekms_sealing sealing{sizeof(jwekms_sealing), 0,
                                 plaintext.data(),       plaintext.size(),
                                 bytes_of(joined),       joined.size(),
                                 into.iv.data(),         into.iv.size(),
                                 ciphertext.data(),      ciphertext.size(),
                                 into.tag.data(),        into.tag.size()};
    const jwekms_provided_cek cek = describe(alg_, enc_, kid_, encrypted_key_);
    Result<void> sealed =
        outcome_of(handle_->calls().encrypt(handle_->data(), handle_->key(), &cek, &sealing));
    // Done in name alone: a token of zeros would go out, and the content be lost.
    if (sealed && std::ranges::equal(into.tag, untouched)) sealed = impossible_answer;
    if (!sealed) {
      // What is encrypted in place is the plaintext still.
      secure_wipe(ciphertext.data(), ciphertext.size());
      return sealed;
    }
    base64url::encode(ciphertext, into.ciphertext_b64.data());
    return {};
  }

 private:
  [[nodiscard]] Result<void> open(const SealedContent& sealed,
                                  std::span<std::uint8_t> plaintext) const {
    if (handle_->calls().decrypt == nullptr) return not_offered;
    const std::string joined = join(sealed.aad);
    std::vector<std::uint8_t> ciphertext(plaintext.size());
    if (!crypto::decode_base64url(sealed.ciphertext_b64, ciphertext.data()))
      return Error{Errc::bad_request, 0, "the ciphertext is not base64url"};
    const jwekms_sealed_content content{sizeof(jwekms_sealed_content),
                                        0,
                                        sealed.iv.bytes.data(),
                                        sealed.iv.bytes.size(),
                                        bytes_of(joined),
                                        joined.size(),
                                        ciphertext.data(),
                                        ciphertext.size(),
                                        sealed.tag.bytes.data(),
                                        sealed.tag.bytes.size()};
    const jwekms_provided_cek cek = describe(alg_, enc_, kid_, encrypted_key_);
    std::size_t written = not_said;
    const jwekms_status status = handle_->calls().decrypt(handle_->data(), handle_->key(), &cek,
                                                          &content, plaintext.data(), &written);
    if (blames_token(status)) return failed;
    if (const Result<void> opened = outcome_of(status); !opened) return opened;
    if (written != plaintext.size()) return impossible_answer;
    return {};
  }

  const std::shared_ptr<const crypto::Library> library_;
  const std::shared_ptr<const KeyHandle> handle_;
  const AlgRow& alg_;
  const EncRow& enc_;
  const std::string kid_;
  const std::vector<std::uint8_t> encrypted_key_;
};

/// @param cek  null: the provider draws one.
[[nodiscard]] Result<std::vector<std::uint8_t>> call_wrap(const KeyHandle& handle,
                                                          const KeyInfo& info, const AlgRow& alg,
                                                          const EncRow& enc,
                                                          const std::uint8_t* cek) {
  const jwekms_provided_cek wanted = describe(alg, enc);
  std::vector<std::uint8_t> encrypted_key(encrypted_key_room);
  std::size_t size = 0;
  const Result<void> wrapped = outcome_of(
      handle.calls().wrap(handle.data(), handle.key(), &wanted, cek, encrypted_key.data(), &size));
  if (!wrapped) return wrapped.error();
  // RFC 8017 §7.1.1: as long as the modulus.
  if (size != (info.bits + 7) / 8) return impossible_answer;
  encrypted_key.resize(size);
  return encrypted_key;
}

using PublicHalf = std::shared_ptr<const crypto::RsaPublicKey>;

[[nodiscard]] Result<PublicHalf> public_half(const std::shared_ptr<const crypto::Library>& library,
                                             const KeyHandle& handle, const KeyInfo& info) {
  if (handle.calls().public_jwk == nullptr)
    return Error{Errc::bad_request, 0, "the key provider shows no public keys"};
  // Wiped: it is public only if the provider has made no mistake.
  crypto::SecretBuffer jwk(jwk_room);
  auto* text = reinterpret_cast<char*>(jwk.bytes(InsecureSecretAccess::token()).data());
  std::size_t size = 0;
  const Result<void> given =
      outcome_of(handle.calls().public_jwk(handle.data(), handle.key(), text, &size));
  if (!given) return given.error();
  if (size > jwk_room) return impossible_answer;
  Result<PublicHalf> half = core::read_public_jwk(library, {text, size});
  if (!half || (*half)->bits() != info.bits) return impossible_answer;
  return half;
}

[[nodiscard]] Result<std::string> write_jwk(const KeyInfo& info, const Result<PublicHalf>& half) {
  if (!half) return half.error();
  return core::write_public_jwk(info, (*half)->n(), (*half)->e());
}

/// An RSA key that gives CEKs to the library.
class GivingRsaKey final : public core::UnwrappingKey {
 public:
  GivingRsaKey(std::shared_ptr<const crypto::Library> library, KeyInfo info,
               std::shared_ptr<const KeyHandle> handle)
      : UnwrappingKey(std::move(library), std::move(info)), handle_(std::move(handle)) {}

  Result<std::string> public_jwk() const override {
    return write_jwk(info(), public_half(library(), *handle_, info()));
  }

 private:
  Result<void> open(const WrappedCek& wrapped, crypto::OaepOpened& opened) const override {
    static_assert(sizeof opened.bytes == cek_room);
    if (handle_->calls().unwrap == nullptr) return not_offered;
    opened.bytes.fill(0);
    opened.used = cek_room;
    const jwekms_provided_cek cek = describe(wrapped);
    std::size_t size = 0;
    const jwekms_status status =
        handle_->calls().unwrap(handle_->data(), handle_->key(), &cek, opened.bytes.data(), &size);
    opened.size = static_cast<std::uint32_t>(std::min(size, cek_room));
    opened.good = crypto::equal_mask(static_cast<std::uint32_t>(status), JWEKMS_OK);
    if (blames_token(status)) return {};
    return outcome_of(status);
  }

  Result<std::vector<std::uint8_t>> wrap_cek(const AlgRow& alg, const EncRow& enc,
                                             const Cek& cek) const override {
    if (handle_->calls().wrap != nullptr)
      return call_wrap(*handle_, info(), alg, enc, cek.bytes(InsecureSecretAccess::token()).data());
    if (handle_->calls().public_jwk == nullptr) return not_offered;
    const Result<PublicHalf> half = public_half(library(), *handle_, info());
    if (!half) return half.error();
    return (*half)->wrap(alg, cek);
  }

  const std::shared_ptr<const KeyHandle> handle_;
};

/// An RSA key whose CEKs stay with the provider.
class KeepingRsaKey final : public Key {
 public:
  KeepingRsaKey(std::shared_ptr<const crypto::Library> library, KeyInfo info,
                std::shared_ptr<const KeyHandle> handle)
      : library_(std::move(library)), info_(std::move(info)), handle_(std::move(handle)) {}

  const KeyInfo& info() const noexcept override { return info_; }

  Result<std::unique_ptr<ContentKey>> unwrap(const WrappedCek& wrapped) const override {
    return staying(wrapped.alg, wrapped.enc, wrapped.header.kid.view(),
                   wrapped.encrypted_key.bytes);
  }

  Result<Cek> unwrap_to_keep(const WrappedCek&, InsecureSecretAccess) const override {
    return Error{Errc::forbidden, 0, "this key's CEKs do not leave the key provider"};
  }

  Result<NewCek> wrap(const AlgRow& alg, const EncRow& enc) const override {
    if (handle_->calls().wrap == nullptr) return not_offered;
    Result<std::vector<std::uint8_t>> encrypted_key = call_wrap(*handle_, info_, alg, enc, nullptr);
    if (!encrypted_key) return encrypted_key.error();
    std::unique_ptr<ContentKey> content_key = staying(alg, enc, {}, *encrypted_key);
    return NewCek{*std::move(encrypted_key), std::move(content_key)};
  }

  Result<std::string> public_jwk() const override {
    return write_jwk(info_, public_half(library_, *handle_, info_));
  }

 private:
  [[nodiscard]] std::unique_ptr<ContentKey> staying(
      const AlgRow& alg, const EncRow& enc, std::string_view kid,
      std::span<const std::uint8_t> encrypted_key) const {
    return std::make_unique<StayingContentKey>(library_, handle_, alg, enc, kid, encrypted_key);
  }

  const std::shared_ptr<const crypto::Library> library_;
  const KeyInfo info_;
  const std::shared_ptr<const KeyHandle> handle_;
};

class ProvidedOctKey final : public Key {
 public:
  ProvidedOctKey(std::shared_ptr<const crypto::Library> library, KeyInfo info,
                 std::shared_ptr<const KeyHandle> handle)
      : library_(std::move(library)), info_(std::move(info)), handle_(std::move(handle)) {}

  const KeyInfo& info() const noexcept override { return info_; }
  Result<std::shared_ptr<const ContentKey>> content_key(const EncRow& enc) const override {
    return std::shared_ptr<const ContentKey>(
        std::make_shared<StayingContentKey>(library_, handle_, row(Alg::dir), enc));
  }

 private:
  const std::shared_ptr<const crypto::Library> library_;
  const KeyInfo info_;
  const std::shared_ptr<const KeyHandle> handle_;
};

}  // namespace

std::shared_ptr<const Key> make_provided_key(std::shared_ptr<const crypto::Library> library,
                                             KeyInfo info, bool cek_stays,
                                             std::shared_ptr<const KeyHandle> handle) {
  if (info.type == KeyType::oct)
    return std::make_shared<ProvidedOctKey>(std::move(library), std::move(info), std::move(handle));
  if (cek_stays)
    return std::make_shared<KeepingRsaKey>(std::move(library), std::move(info), std::move(handle));
  return std::make_shared<GivingRsaKey>(std::move(library), std::move(info), std::move(handle));
}

}  // namespace jwekms::capi

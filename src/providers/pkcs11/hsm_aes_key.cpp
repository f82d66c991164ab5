// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "jwekms/base64url.hpp"
#include "providers/pkcs11/gcm_ops.hpp"
#include "providers/pkcs11/hsm_keys.hpp"

namespace jwekms::pkcs11 {

namespace {

constexpr Error cannot{Errc::unsupported_algorithm, 0, "the HSM does not do AES-GCM with this key"};
constexpr Error failed{Errc::decryption_failed, 0, "decryption failed"};

/// An AES key in a token as a CEK (`dir`).
class TokenContentKey final : public ContentKey {
 public:
  TokenContentKey(std::shared_ptr<const crypto::Library> library, std::shared_ptr<TokenSlot> slot,
                  const KeyObject& object, std::shared_ptr<crypto::EncryptionBudget> budget)
      : library_(std::move(library)),
        slot_(std::move(slot)),
        key_(object, slot_->opens_files() ? WorkingKey::look : WorkingKey::Trial(try_key)),
        budget_(std::move(budget)) {}

  Result<std::size_t> decrypt(const SealedContent& sealed,
                              std::span<std::uint8_t> out) const override {
    GcmMessage message(sealed, out, slot_->scratch());
    if (!message.fits()) return Error{Errc::buffer_too_small, 0, "the output buffer is small"};
    const Result<Outcome> outcome = slot_->run([&](const Session& session) -> Result<Step> {
      CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
      const Result<Step> located = key_.locate(*slot_, session, key);
      if (!located || located->rv != CKR_OK) return located;
      if (const Result<void> decoded = message.decode(); !decoded) return decoded.error();
      return gcm_decrypt(session, key, message, Phase::setup);
    });
    if (!outcome) return outcome.error();
    if (outcome->refused) return refuse();
    if (!outcome->ok()) return failed;
    return message.deliver();
  }

  Result<void> encrypt(const Aad& aad, std::span<const std::uint8_t> plaintext,
                       const SealInto& into) const override {
    if (const Result<void> taken = budget_->take(); !taken) return taken;
    const std::string joined = join(aad);
    // An operation that is repeated draws another IV.
    std::vector<std::uint8_t> sealed(plaintext.size() + gcm_tag_size);
    const Result<Outcome> outcome = slot_->run([&](const Session& session) -> Result<Step> {
      CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
      const Result<Step> located = key_.locate(*slot_, session, key);
      if (!located || located->rv != CKR_OK) return located;
      if (const Result<void> drawn = library_->random(into.iv); !drawn) return drawn.error();
      return gcm_encrypt(session, key, into.iv, joined, plaintext, sealed);
    });
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return refuse();
    base64url::encode(std::span(sealed).first(plaintext.size()), into.ciphertext_b64.data());
    std::copy_n(sealed.end() - gcm_tag_size, gcm_tag_size, into.tag.begin());
    return {};
  }

 private:
  [[nodiscard]] Error refuse() const {
    key_.forget();
    return cannot;
  }

  /// Decrypts nothing under a wrong tag.
  [[nodiscard]] static Step try_key(const Session& session, CK_OBJECT_HANDLE key) {
    constexpr std::uint8_t iv[12] = {};
    std::uint8_t nothing[gcm_tag_size] = {};
    return gcm_decrypt(session, key, iv, "aad", nothing, nothing, Phase::setup);
  }

  const std::shared_ptr<const crypto::Library> library_;
  const std::shared_ptr<TokenSlot> slot_;
  const WorkingKey key_;
  const std::shared_ptr<crypto::EncryptionBudget> budget_;
};

class HsmAesKey final : public HsmKey {
 public:
  HsmAesKey(KeyInfo info, std::shared_ptr<const TokenContentKey> content_key)
      : info_(std::move(info)), content_key_(std::move(content_key)) {}

  const KeyInfo& info() const noexcept override { return info_; }
  Result<std::shared_ptr<const ContentKey>> content_key(const EncRow& enc) const override {
    if (info_.enc && *info_.enc != enc.id)
      return Error{Errc::crypto_failure, 0, "the key is bound to another enc"};
    if (enc.hash != Hash::none || info_.bits != enc.cek_bytes * 8U)
      return Error{Errc::crypto_failure, 0, "the key's size does not fit enc"};
    return std::shared_ptr<const ContentKey>(content_key_);
  }

 private:
  const KeyInfo info_;
  const std::shared_ptr<const TokenContentKey> content_key_;
};

}  // namespace

std::shared_ptr<const HsmKey> make_aes_key(std::shared_ptr<const crypto::Library> library,
                                           KeyInfo info, std::shared_ptr<TokenSlot> slot,
                                           const KeyObject& object,
                                           std::shared_ptr<crypto::EncryptionBudget> budget) {
  return std::make_shared<HsmAesKey>(
      std::move(info), std::make_shared<TokenContentKey>(std::move(library), std::move(slot),
                                                         object, std::move(budget)));
}

}  // namespace jwekms::pkcs11

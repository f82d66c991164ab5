// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "crypto/aes_gcm.hpp"
#include "jwekms/provider.hpp"
#include "providers/pkcs11/scratch_pool.hpp"
#include "providers/pkcs11/token_slot.hpp"

// AES-GCM in a token: 96-bit IV, 128-bit tag, always with AAD (RFC 7518 §5.3), in one part.

namespace jwekms::pkcs11 {

inline constexpr std::size_t gcm_tag_size = crypto::gcm_tag_bytes;

/// The AAD in one piece.
[[nodiscard]] std::string join(const Aad& aad);

/// Content on its way through a token. Some tokens want room for a tag behind the plaintext: where
/// the caller's buffer has that, the plaintext goes straight into it; else it is decrypted in place
/// (PKCS#11 allows it), copied, and wiped here.
class GcmMessage {
 public:
  /// @param out  receives the plaintext, in deliver() at the latest; wiped if it does not come to
  /// that. All must outlive this.
  GcmMessage(const SealedContent& sealed, std::span<std::uint8_t> out, ScratchPool& pool);
  GcmMessage(const GcmMessage&) = delete;
  GcmMessage& operator=(const GcmMessage&) = delete;
  ~GcmMessage() {
    if (in_place()) secure_wipe(sealed_bytes_.data(), sealed_bytes_.size());
    if (!delivered_) secure_wipe(out_.data(), out_.size());
    pool_.give_back(std::move(large_));
  }

  /// Makes ciphertext and tag ready. To be done before each attempt, which may overwrite them.
  /// Errors: bad_request (the ciphertext is not base64url).
  [[nodiscard]] Result<void> decode() noexcept;

  [[nodiscard]] std::span<const std::uint8_t> iv() const noexcept { return sealed_.iv.bytes; }
  [[nodiscard]] std::string_view aad() const noexcept {
    return joined_.empty() ? sealed_.aad.protected_b64 : joined_;
  }
  /// Ciphertext and tag.
  [[nodiscard]] std::span<const std::uint8_t> sealed_bytes() const noexcept {
    return sealed_bytes_;
  }
  /// Where the token is to write: as large as sealed_bytes().
  [[nodiscard]] std::span<std::uint8_t> opened() noexcept {
    return in_place() ? sealed_bytes_ : out_.first(sealed_bytes_.size());
  }
  [[nodiscard]] bool fits() const noexcept { return out_.size() >= plaintext_size(); }
  /// After gcm_decrypt() without a fault: sees to it that the plaintext is in `out`.
  /// @return its size.
  [[nodiscard]] std::size_t deliver() noexcept;

 private:
  [[nodiscard]] std::size_t plaintext_size() const noexcept {
    return sealed_bytes_.size() - gcm_tag_size;
  }
  [[nodiscard]] bool in_place() const noexcept { return out_.size() < sealed_bytes_.size(); }

  const SealedContent& sealed_;
  std::string joined_;  ///< The AAD, where there is more of it than the protected header.
  std::array<std::uint8_t, 4096> small_;
  ScratchPool& pool_;
  crypto::SecretBuffer large_;
  std::span<std::uint8_t> sealed_bytes_;
  const std::span<std::uint8_t> out_;
  bool delivered_ = false;
};

/// @param sealed  ciphertext and tag.
/// @param opened  as large, or `sealed` itself; becomes the plaintext, and gcm_tag_size bytes of no
/// meaning.
/// @param phase   of C_DecryptInit: content where the key itself came from a JWE.
[[nodiscard]] Step gcm_decrypt(const Session& session, CK_OBJECT_HANDLE key,
                               std::span<const std::uint8_t> iv, std::string_view aad,
                               std::span<const std::uint8_t> sealed, std::span<std::uint8_t> opened,
                               Phase phase) noexcept;

/// @param message  decoded.
[[nodiscard]] inline Step gcm_decrypt(const Session& session, CK_OBJECT_HANDLE key,
                                      GcmMessage& message, Phase phase) noexcept {
  return gcm_decrypt(session, key, message.iv(), message.aad(), message.sealed_bytes(),
                     message.opened(), phase);
}

/// @param sealed  plaintext size + gcm_tag_size; receives ciphertext and tag.
[[nodiscard]] Step gcm_encrypt(const Session& session, CK_OBJECT_HANDLE key,
                               std::span<const std::uint8_t> iv, std::string_view aad,
                               std::span<const std::uint8_t> plaintext,
                               std::span<std::uint8_t> sealed) noexcept;

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "jwekms/provider.hpp"
#include "providers/pkcs11/scratch_pool.hpp"
#include "providers/pkcs11/token_slot.hpp"

// AES-GCM in a token: 96-bit IV, 128-bit tag, always with AAD (RFC 7518 §5.3), in one part.

namespace jwekms::pkcs11 {

inline constexpr std::size_t gcm_tag_size = 16;

/// The AAD in one piece.
[[nodiscard]] std::string join(const Aad& aad);

/// Content to decrypt in place (PKCS#11 allows it), so that its plaintext is in one buffer alone,
/// with the room of a tag behind it that some tokens want. Wiped when it dies.
class GcmMessage {
 public:
  /// @param sealed, pool  must outlive this.
  GcmMessage(const SealedContent& sealed, ScratchPool& pool);
  GcmMessage(const GcmMessage&) = delete;
  GcmMessage& operator=(const GcmMessage&) = delete;
  ~GcmMessage() {
    secure_wipe(buffer_.data(), buffer_.size());
    pool_.give_back(std::move(large_));
  }

  /// Puts ciphertext and tag into the buffer. To be done before each attempt, which overwrites
  /// them. Errors: bad_request (the ciphertext is not base64url).
  [[nodiscard]] Result<void> decode() noexcept;

  [[nodiscard]] std::span<const std::uint8_t> iv() const noexcept { return sealed_.iv.bytes; }
  [[nodiscard]] std::string_view aad() const noexcept {
    return joined_.empty() ? sealed_.aad.protected_b64 : joined_;
  }
  [[nodiscard]] std::span<std::uint8_t> buffer() noexcept { return buffer_; }
  [[nodiscard]] std::size_t plaintext_size() const noexcept {
    return buffer_.size() - gcm_tag_size;
  }
  /// After gcm_decrypt() without a fault. @param out  has room for it.
  void copy_plaintext(std::span<std::uint8_t> out) const noexcept;

 private:
  const SealedContent& sealed_;
  std::string joined_;  ///< The AAD, where there is more of it than the protected header.
  std::array<std::uint8_t, 4096> small_;
  ScratchPool& pool_;
  crypto::SecretBuffer large_;
  std::span<std::uint8_t> buffer_;
};

/// @param buffer  ciphertext and tag; becomes the plaintext, and gcm_tag_size bytes of no meaning.
/// @param phase   of C_DecryptInit: content where the key itself came from a JWE.
[[nodiscard]] Step gcm_decrypt(const Session& session, CK_OBJECT_HANDLE key,
                               std::span<const std::uint8_t> iv, std::string_view aad,
                               std::span<std::uint8_t> buffer, Phase phase) noexcept;

/// @param message  decoded.
[[nodiscard]] inline Step gcm_decrypt(const Session& session, CK_OBJECT_HANDLE key,
                                      GcmMessage& message, Phase phase) noexcept {
  return gcm_decrypt(session, key, message.iv(), message.aad(), message.buffer(), phase);
}

/// @param sealed  plaintext size + gcm_tag_size; receives ciphertext and tag.
[[nodiscard]] Step gcm_encrypt(const Session& session, CK_OBJECT_HANDLE key,
                               std::span<const std::uint8_t> iv, std::string_view aad,
                               std::span<const std::uint8_t> plaintext,
                               std::span<std::uint8_t> sealed) noexcept;

}  // namespace jwekms::pkcs11

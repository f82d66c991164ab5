// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/secret_buffer.hpp"
#include "jwekms/provider.hpp"
#include "providers/pkcs11/token_slot.hpp"

// AES-GCM in a token: 96-bit IV, 128-bit tag, always with AAD (RFC 7518 §5.3), in one part.

namespace jwekms::pkcs11 {

inline constexpr std::size_t gcm_tag_size = 16;

/// The AAD in one piece.
[[nodiscard]] std::string join(const Aad& aad);

/// What a token gives to decrypt: decoded once, before any key is touched.
struct GcmMessage {
  std::span<const std::uint8_t> iv;
  std::string aad;
  std::vector<std::uint8_t> ciphertext_and_tag;

  /// Errors: bad_request (the ciphertext is not base64url).
  [[nodiscard]] static Result<GcmMessage> read(const SealedContent& sealed);
  [[nodiscard]] std::size_t plaintext_size() const noexcept {
    return ciphertext_and_tag.size() - gcm_tag_size;
  }
};

/// @param plaintext  at least as large as ciphertext and tag; some tokens want that much room.
/// @param written    plaintext bytes.
/// @param phase      of C_DecryptInit: content where the key itself came from a JWE.
[[nodiscard]] Step gcm_decrypt(const Session& session, CK_OBJECT_HANDLE key,
                               const GcmMessage& message, std::span<std::uint8_t> plaintext,
                               std::size_t& written, Phase phase) noexcept;

/// @param sealed  plaintext size + gcm_tag_size; receives ciphertext and tag.
[[nodiscard]] Step gcm_encrypt(const Session& session, CK_OBJECT_HANDLE key,
                               std::span<const std::uint8_t> iv, std::string_view aad,
                               std::span<const std::uint8_t> plaintext,
                               std::span<std::uint8_t> sealed) noexcept;

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "crypto/library.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/secret.hpp"

namespace jwekms::crypto {

inline constexpr std::size_t gcm_iv_bytes = 12;
inline constexpr std::size_t gcm_tag_bytes = 16;

/// AES-256-GCM over whole buffers, for records at rest. `out` has the size of `plaintext`.
/// Errors: internal_error. Thread-safe.
[[nodiscard]] Result<void> seal(const Library& library, const Kek& kek,
                                std::span<const std::uint8_t, gcm_iv_bytes> iv,
                                std::span<const std::uint8_t> aad,
                                std::span<const std::uint8_t> plaintext,
                                std::span<std::uint8_t> out,
                                std::span<std::uint8_t, gcm_tag_bytes> tag);

/// The reverse of seal(). Errors: decryption_failed (`out` is wiped), internal_error.
[[nodiscard]] Result<void> unseal(const Library& library, const Kek& kek,
                                  std::span<const std::uint8_t, gcm_iv_bytes> iv,
                                  std::span<const std::uint8_t> aad,
                                  std::span<const std::uint8_t> ciphertext,
                                  std::span<const std::uint8_t, gcm_tag_bytes> tag,
                                  std::span<std::uint8_t> out);

/// Meters the encryptions under a kept key: random 96-bit IVs allow 2^32 (NIST SP 800-38D §8.3).
class EncryptionBudget {
 public:
  virtual ~EncryptionBudget() = default;
  /// Takes one encryption. Errors: forbidden (used up), unavailable. Thread-safe.
  [[nodiscard]] virtual Result<void> take() = 0;
};

/// A ContentKey over a CEK in this process, A128GCM to A256GCM.
/// @param budget  null for a CEK that lives for one call; a kept one waits in locked pages, and its
///                ContentKey is of no use in a child that is forked later.
/// Errors: crypto_failure (the CEK's size does not fit `enc`), unsupported_algorithm.
[[nodiscard]] Result<std::unique_ptr<ContentKey>> make_content_key(
    std::shared_ptr<const Library> library, const EncRow& enc, Cek cek,
    std::shared_ptr<EncryptionBudget> budget = nullptr);

}  // namespace jwekms::crypto

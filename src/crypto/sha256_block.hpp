// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

// The size of a secret of which one may only ask for SHA-256 digests. SHA-256 of a short secret is
// the state of the hash after one block: the secret and its padding, which depends on its size
// alone. So SHA-256 of the secret and the padding for a supposed size is known beforehand, if the
// secret has that size, and only then.

namespace jwekms::crypto {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// What FIPS 180-4 §5.1.1 puts behind a message, so that it becomes one block.
class Sha256Padding {
 public:
  /// @param size  of the message, in bytes; at most 55.
  explicit Sha256Padding(std::size_t size) noexcept;
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {bytes_, size_}; }

 private:
  std::uint8_t bytes_[64]{};
  std::size_t size_;
};

/// SHA-256 of a message and its own padding, one block together.
/// @param digest  SHA-256 of the message.
[[nodiscard]] Sha256Digest sha256_with_padding(const Sha256Digest& digest) noexcept;

}  // namespace jwekms::crypto

// SPDX-License-Identifier: Apache-2.0
#include "crypto/sha256_block.hpp"

#include <openssl/sha.h>

namespace jwekms::crypto {

Sha256Padding::Sha256Padding(std::size_t size) noexcept : size_(sizeof(bytes_) - size) {
  bytes_[0] = 0x80;
  bytes_[size_ - 2] = static_cast<std::uint8_t>(size * 8 >> 8);
  bytes_[size_ - 1] = static_cast<std::uint8_t>(size * 8);
}

// Deprecated, but nothing else in OpenSSL goes on from a known state.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

Sha256Digest sha256_with_padding(const Sha256Digest& digest) noexcept {
  SHA256_CTX hash{};
  (void)SHA256_Init(&hash);
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint8_t* word = digest.data() + 4 * i;
    hash.h[i] = std::uint32_t{word[0]} << 24 | std::uint32_t{word[1]} << 16 |
                std::uint32_t{word[2]} << 8 | std::uint32_t{word[3]};
  }
  hash.Nl = SHA256_CBLOCK * 8;  // bits, of which one block is behind us
  Sha256Digest extended;
  (void)SHA256_Final(extended.data(), &hash);
  return extended;
}

#pragma GCC diagnostic pop

}  // namespace jwekms::crypto

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "crypto/secret_buffer.hpp"

namespace jwekms::pkcs11 {

/// Buffers for content on its way through a token. Fresh pages cost as much as AES-GCM itself, so
/// some are kept for the next. Thread-safe.
class ScratchPool {
 public:
  /// At least `size` bytes. Throws std::bad_alloc alone.
  [[nodiscard]] crypto::SecretBuffer take(std::size_t size) {
    {
      const std::lock_guard lock(mutex_);
      if (!kept_.empty() && kept_.back().size() >= size) {
        crypto::SecretBuffer buffer = std::move(kept_.back());
        kept_.pop_back();
        return buffer;
      }
    }
    return crypto::SecretBuffer(size > kept_size ? size : kept_size);
  }
  /// @param buffer  holds no secret any more.
  void give_back(crypto::SecretBuffer buffer) noexcept {
    if (buffer.size() != kept_size) return;
    const std::lock_guard lock(mutex_);
    if (kept_.size() < kept_.capacity()) kept_.push_back(std::move(buffer));
  }

  ScratchPool() { kept_.reserve(most_kept); }

 private:
  static constexpr std::size_t kept_size = std::size_t{1} << 18;
  static constexpr std::size_t most_kept = 8;
  std::mutex mutex_;
  std::vector<crypto::SecretBuffer> kept_;
};

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "core/encryption_counter.hpp"
#include "crypto/aes_gcm.hpp"
#include "crypto/per_process.hpp"

namespace jwekms::core {

/// Counts the encryptions under one kept key, in all processes together: takes them from a counter
/// in blocks, before they are used, and never gives any back. Thread-safe.
///
/// The count itself is not sealed: whoever can write to the database could as well put an old one
/// back. It shields from wearing a key out unawares, not from an attacker.
class EncryptionLease final : public crypto::EncryptionBudget {
 public:
  /// NIST SP 800-38D §8.3: random 96-bit IVs under one key.
  static constexpr std::uint64_t limit = std::uint64_t{1} << 32;
  static constexpr std::uint64_t largest_block = 4096;

  /// @param mark  of the process that makes this.
  EncryptionLease(std::shared_ptr<EncryptionCounter> counter, std::string uid,
                  std::shared_ptr<const crypto::ForkMark> mark);

  Result<void> take() override;

 private:
  [[nodiscard]] bool take_from_block() noexcept;
  /// At least one. Errors: forbidden, unavailable, internal_error.
  [[nodiscard]] Result<std::uint64_t> lease(std::uint64_t most) const;

  const std::shared_ptr<EncryptionCounter> counter_;
  const std::string uid_;
  const std::shared_ptr<const crypto::ForkMark> mark_;
  std::atomic<std::uint64_t> left_ = 0;
  std::mutex mutex_;
  std::uint64_t next_block_ = 64;  ///< Doubles: a program that encrypts once wastes few.
};

}  // namespace jwekms::core

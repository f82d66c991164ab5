// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/encryption_counter.hpp"
#include "core/encryption_lease.hpp"
#include "core/per_process.hpp"
#include "crypto/aes_gcm.hpp"

namespace jwekms::pkcs11 {

/// Counts what this process encrypts under one key of a token, where there is no database to count
/// in for all. Tokens offer no durable counter, so each process may use a sixteenth of the 2^32
/// that random IVs allow (NIST SP 800-38D §8.3): sixteen processes, or lives of one, are within it,
/// and a key that sees more is to be replaced by its owner. Thread-safe.
class ProcessBudget final : public crypto::EncryptionBudget {
 public:
  static constexpr std::uint64_t limit = std::uint64_t{1} << 28;
  Result<void> take() override {
    if (taken_.fetch_add(1, std::memory_order_relaxed) < limit) return {};
    taken_.fetch_sub(1, std::memory_order_relaxed);
    return Error{Errc::forbidden, 0, "this key's encryptions are used up"};
  }

 private:
  std::atomic<std::uint64_t> taken_ = 0;
};

/// What the AES keys of one HSM instance may still encrypt in this process, by UID and for good: a
/// key that is forgotten, or destroyed and made anew under its label, goes on with its count.
/// Thread-safe.
class Budgets {
 public:
  /// @param counter  null: this process counts for itself.
  /// @param mark     of this process.
  Budgets(std::shared_ptr<core::EncryptionCounter> counter,
          std::shared_ptr<const core::ForkMark> mark)
      : counter_(std::move(counter)), mark_(std::move(mark)) {}

  [[nodiscard]] std::shared_ptr<crypto::EncryptionBudget> of(const std::string& uid) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<crypto::EncryptionBudget>& budget = budgets_[uid];
    if (!budget && counter_)
      budget = std::make_shared<core::EncryptionLease>(counter_, uid, mark_);
    else if (!budget)
      budget = std::make_shared<ProcessBudget>();
    return budget;
  }

 private:
  const std::shared_ptr<core::EncryptionCounter> counter_;
  const std::shared_ptr<const core::ForkMark> mark_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<crypto::EncryptionBudget>> budgets_;
};

}  // namespace jwekms::pkcs11

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
#include "crypto/aes_gcm.hpp"
#include "crypto/per_process.hpp"
#include "providers/pkcs11/token_slot.hpp"

namespace jwekms::pkcs11 {

/// Counts what this process encrypts under one key of a token, where there is no database to count
/// in for all. Tokens offer no durable counter, so each process may use a sixteenth of the 2^32
/// that random IVs allow (NIST SP 800-38D §8.3): sixteen processes, or lives of one, are within it,
/// and a key that sees more is to be replaced by its owner. Thread-safe.
class ProcessBudget final : public crypto::EncryptionBudget {
 public:
  static constexpr std::uint64_t most = std::uint64_t{1} << 28;
  explicit ProcessBudget(std::uint64_t limit = most) : limit_(limit) {}
  Result<void> take() override {
    if (taken_.fetch_add(1, std::memory_order_relaxed) < limit_) return {};
    taken_.fetch_sub(1, std::memory_order_relaxed);
    return Error{Errc::forbidden, 0, "this key's encryptions are used up"};
  }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> taken_ = 0;
};

/// What two counts of one key both allow. Thread-safe.
class BothBudgets final : public crypto::EncryptionBudget {
 public:
  using Budget = std::shared_ptr<crypto::EncryptionBudget>;
  BothBudgets(Budget one, Budget other) : one_(std::move(one)), other_(std::move(other)) {}
  Result<void> take() override {
    if (const Result<void> taken = one_->take(); !taken) return taken;
    return other_->take();
  }

 private:
  const Budget one_, other_;
};

/// What the AES keys of all HSM instances may still encrypt in this process, for good: a key that
/// is forgotten, or destroyed and made anew under its label, goes on with its count. Two counts:
/// by UID, under which a token may be replaced by another with the same keys; and by token and
/// label, as several UIDs may lead to one key. Thread-safe.
class Budgets {
 public:
  /// @param counter  null: this process counts for itself.
  /// @param mark     of this process.
  Budgets(std::shared_ptr<core::EncryptionCounter> counter,
          std::shared_ptr<const crypto::ForkMark> mark)
      : counter_(std::move(counter)), mark_(std::move(mark)) {}

  [[nodiscard]] std::shared_ptr<crypto::EncryptionBudget> of(const std::string& uid,
                                                             const TokenSlot::Name& token,
                                                             const std::string& label) {
    const std::lock_guard lock(mutex_);
    return std::make_shared<BothBudgets>(named(uid), named(name_in_token(token, label)));
  }

  /// What a key is counted under as its token's. No key has it as its UID: it is a malformed one.
  [[nodiscard]] static std::string name_in_token(const TokenSlot::Name& token,
                                                 const std::string& label) {
    return "hsm::token:" + token.serial + ':' + token.label + ':' + label;
  }

 private:
  [[nodiscard]] std::shared_ptr<crypto::EncryptionBudget> named(const std::string& name) {
    std::shared_ptr<crypto::EncryptionBudget>& budget = budgets_[name];
    if (!budget && counter_)
      budget = std::make_shared<core::EncryptionLease>(counter_, name, mark_);
    else if (!budget)
      budget = std::make_shared<ProcessBudget>();
    return budget;
  }

  const std::shared_ptr<core::EncryptionCounter> counter_;
  const std::shared_ptr<const crypto::ForkMark> mark_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<crypto::EncryptionBudget>> budgets_;
};

}  // namespace jwekms::pkcs11

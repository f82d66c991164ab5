// SPDX-License-Identifier: Apache-2.0
#include "core/encryption_lease.hpp"

#include <algorithm>

namespace jwekms::core {

EncryptionLease::EncryptionLease(std::shared_ptr<EncryptionCounter> counter, std::string uid,
                                 std::shared_ptr<const crypto::ForkMark> mark)
    : counter_(std::move(counter)), uid_(std::move(uid)), mark_(std::move(mark)) {}

Result<void> EncryptionLease::take() {
  if (mark_->forked()) {
    // In a child of the process that made this: the block is the parent's, and the mutex may be
    // held by a thread that is not here. (A key that the child looks up anew has its own block.)
    const Result<std::uint64_t> one = lease(1);
    if (!one) return one.error();
    return {};
  }
  if (take_from_block()) return {};
  const std::lock_guard lock(mutex_);
  if (take_from_block()) return {};  // another thread has got a block meanwhile
  const Result<std::uint64_t> granted = lease(next_block_);
  if (!granted) return granted.error();
  next_block_ = std::min(next_block_ * 2, largest_block);
  left_.fetch_add(*granted - 1, std::memory_order_relaxed);
  return {};
}

bool EncryptionLease::take_from_block() noexcept {
  std::uint64_t left = left_.load(std::memory_order_relaxed);
  while (left != 0)
    if (left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
  return false;
}

Result<std::uint64_t> EncryptionLease::lease(std::uint64_t most) const {
  const Result<std::uint64_t> granted = counter_->lease_encryptions(uid_, most, limit);
  if (granted && *granted == 0)
    return Error{Errc::forbidden, 0, "this key's encryptions are used up"};
  return granted;
}

}  // namespace jwekms::core

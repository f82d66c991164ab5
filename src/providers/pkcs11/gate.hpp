// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace jwekms::pkcs11 {

/// Lets in many at a time, or one alone; what std::shared_lock and std::unique_lock take. Whoever
/// waits to be alone keeps newcomers out: under a load without a pause there would always be
/// somebody inside (std::shared_mutex lets newcomers pass). So nobody may come in twice.
/// Thread-safe.
class Gate {
 public:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] bool try_lock_shared_until(Clock::time_point until) {
    if (enter()) return true;
    std::unique_lock lock(mutex_);
    return moved_.wait_until(lock, until, [this] { return enter(); });
  }
  void lock_shared() { (void)try_lock_shared_until(Clock::time_point::max()); }
  void unlock_shared() {
    if (inside_.fetch_sub(1) != closed + 1) return;
    { const std::lock_guard lock(mutex_); }  // nobody is between his look and his sleep
    moved_.notify_all();
  }

  [[nodiscard]] bool try_lock_until(Clock::time_point until) {
    std::unique_lock lock(mutex_);
    ++wanted_;
    inside_.fetch_or(closed);
    const bool got =
        moved_.wait_until(lock, until, [this] { return !taken_ && inside_.load() == closed; });
    if (got)
      taken_ = true;
    else
      leave();
    return got;
  }
  void lock() { (void)try_lock_until(Clock::time_point::max()); }
  void unlock() {
    const std::lock_guard lock(mutex_);
    taken_ = false;
    leave();
  }

 private:
  static constexpr std::uint32_t closed = std::uint32_t{1} << 31;

  [[nodiscard]] bool enter() {
    std::uint32_t inside = inside_.load();
    while (inside < closed)
      if (inside_.compare_exchange_weak(inside, inside + 1)) return true;
    return false;
  }
  /// With the mutex held.
  void leave() {
    if (--wanted_ == 0) inside_.fetch_and(~closed);
    moved_.notify_all();
  }

  std::atomic<std::uint32_t> inside_ = 0;  ///< How many, and whether newcomers are kept out.
  std::mutex mutex_;
  std::condition_variable moved_;
  std::uint32_t wanted_ = 0;  ///< By how many who wait to be alone, or are.
  bool taken_ = false;
};

}  // namespace jwekms::pkcs11

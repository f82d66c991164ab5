// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "providers/pkcs11/key_copies.hpp"

namespace jwekms::pkcs11 {

/// Counts the operations in flight on one token and keeps the sessions that wait for the next.
/// Makes no calls to the module. Thread-safe.
class SessionPool {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds full_time{500};

  explicit SessionPool(std::size_t max_sessions) : max_(max_sessions), limit_(max_sessions) {
    idle_.reserve(max_sessions);
  }

  /// Leave to hold one session. Gives it back when it dies.
  class Permit {
   public:
    Permit() noexcept = default;
    explicit Permit(SessionPool& pool) noexcept : pool_(&pool) {}
    Permit(Permit&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept {
      std::swap(pool_, other.pool_);
      return *this;
    }
    ~Permit() {
      if (pool_ != nullptr) pool_->give_back();
    }
    [[nodiscard]] explicit operator bool() const noexcept { return pool_ != nullptr; }

   private:
    SessionPool* pool_ = nullptr;
  };

  /// False when none came free until `deadline`.
  [[nodiscard]] Permit wait(Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const Clock::time_point now = Clock::now();
      if (now >= full_until_) limit_ = max_;
      if (in_use_ < limit_) break;
      if (now >= deadline) return {};
      freed_.wait_until(lock, limit_ < max_ ? std::min(deadline, full_until_) : deadline);
    }
    ++in_use_;
    return Permit(*this);
  }

  /// The token has no room for the session of a permit that is held: there are as many as it takes,
  /// for a while. False when no other is in use, so that waiting for one is vain.
  [[nodiscard]] bool token_is_full() {
    const std::lock_guard lock(mutex_);
    if (in_use_ < 2) return false;
    limit_ = in_use_ - 1;
    full_until_ = Clock::now() + full_time;
    return true;
  }

  struct Idle {
    CK_SESSION_HANDLE session;
    std::unique_ptr<KeyCopies> copies;  ///< The session's own.
  };

  /// A session that waits, if it is of this epoch.
  [[nodiscard]] std::optional<Idle> take(std::uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    if (epoch != epoch_ || idle_.empty()) return std::nullopt;
    Idle idle = std::move(idle_.back());
    idle_.pop_back();
    return idle;
  }
  /// All that wait: the caller closes them.
  [[nodiscard]] std::vector<Idle> take_all() {
    const std::lock_guard lock(mutex_);
    return replace_idle();
  }
  /// Takes the session over. False when its epoch is over: the caller closes it.
  [[nodiscard]] bool keep(Idle& idle, std::uint64_t epoch) noexcept {
    const std::lock_guard lock(mutex_);
    if (epoch != epoch_ || idle_.size() == idle_.capacity()) return false;
    idle_.push_back(std::move(idle));
    return true;
  }
  /// Begins a new epoch. @return the sessions of the old one, for the caller to close.
  [[nodiscard]] std::vector<Idle> begin(std::uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    epoch_ = std::max(epoch_, epoch);  // two threads may come in either order
    return replace_idle();
  }

 private:
  [[nodiscard]] std::vector<Idle> replace_idle() {
    std::vector<Idle> old;
    old.reserve(idle_.capacity());
    old.swap(idle_);
    return old;
  }
  void give_back() {
    {
      const std::lock_guard lock(mutex_);
      --in_use_;
    }
    freed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable freed_;
  const std::size_t max_;
  std::size_t limit_;
  Clock::time_point full_until_{};  ///< Others may have taken the room, and give it back.
  std::size_t in_use_ = 0;
  std::uint64_t epoch_ = 0;
  std::vector<Idle> idle_;
};

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jwekms/provider.hpp"

namespace jwekms::db {

/// The keys last used, by UID and by alias, each good for a while. Bounded; the ones not used since
/// the last round make room. "Not there" is not remembered. Thread-safe.
class KeyCache {
 public:
  using Clock = std::chrono::steady_clock;

  KeyCache(std::size_t capacity, std::chrono::milliseconds good_for)
      : capacity_(capacity), good_for_(good_for) {}

  struct Found {
    std::shared_ptr<const Key> key;  ///< Null: none.
    bool good = false;               ///< False: to be checked against the store first.
  };
  [[nodiscard]] Found find(std::string_view name) const;

  /// When the store was read. What is put in afterwards counts from then, and not at all if a key
  /// was changed meanwhile: it may be what the change has replaced.
  struct Reading {
    Clock::time_point began;
    std::uint64_t changes;
  };
  [[nodiscard]] Reading begin_reading() const;

  /// Remembers a key. Where the same version is there already, it stays and is returned, so that
  /// all share one.
  std::shared_ptr<const Key> put(std::string_view name, std::shared_ptr<const Key> key,
                                 const Reading& reading);
  /// The store still says what it said of `key`.
  void confirm(std::string_view name, const Key& key, const Reading& reading);
  /// Forgets a key under all its names: it has changed.
  void forget(std::string_view uid);

 private:
  struct Slot {
    std::string name;
    std::shared_ptr<const Key> key;
    std::atomic<Clock::rep> good_until = 0;
    std::atomic<bool> used = true;
  };
  [[nodiscard]] Clock::rep good_until(const Reading& reading) const noexcept {
    return (reading.began + good_for_).time_since_epoch().count();
  }
  [[nodiscard]] Slot* slot_of(std::string_view name) const;
  void remove(std::size_t index);
  void make_room();

  const std::size_t capacity_;
  const std::chrono::milliseconds good_for_;
  std::atomic<std::uint64_t> changes_ = 0;
  mutable std::shared_mutex mutex_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unordered_map<std::string_view, std::size_t> index_;  ///< By the slot's own name.
  std::size_t hand_ = 0;                                     ///< Where the search for room goes on.
};

}  // namespace jwekms::db

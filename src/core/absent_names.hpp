// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace jwekms::core {

/// Names that were found absent within the last second, so that they need not be looked for each
/// time. Bounded, and never waited for: a forked child, whose parent's thread may hold the lock for
/// good, just remembers nothing. Thread-safe.
class AbsentNames {
 public:
  [[nodiscard]] bool knows(std::string_view name) const {
    const std::shared_lock lock(mutex_, std::try_to_lock);
    if (!lock) return false;
    const auto found = good_until_.find(name);
    return found != good_until_.end() && Clock::now() < found->second;
  }
  /// @param asked_at  a time before the name was looked for.
  void remember(std::string_view name, std::chrono::steady_clock::time_point asked_at) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return;
    if (good_until_.size() >= most) good_until_.clear();
    good_until_.insert_or_assign(std::string(name), asked_at + good_for);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t most = 1024;
  static constexpr std::chrono::seconds good_for{1};
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Clock::time_point, Hash, std::equal_to<>> good_until_;
};

}  // namespace jwekms::core

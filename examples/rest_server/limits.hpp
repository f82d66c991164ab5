// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace rest {

/// A token bucket for each name: `rate` events in `period`, of which as many may come at once.
/// Thread-safe.
class RateLimit {
 public:
  using Clock = std::chrono::steady_clock;

  /// @param rate  0: no limit.
  RateLimit(std::uint32_t rate, std::chrono::milliseconds period) : rate_(rate), period_(period) {}

  /// Takes one, or says after how many seconds there will be one. 0: taken.
  [[nodiscard]] std::uint32_t take(std::string_view name, Clock::time_point now = Clock::now());
  /// As take(), but takes nothing.
  [[nodiscard]] std::uint32_t look(std::string_view name, Clock::time_point now = Clock::now());

 private:
  struct Bucket {
    double tokens = 0;
    Clock::time_point at{};
  };
  [[nodiscard]] Bucket& refilled(std::string_view name, Clock::time_point now);
  [[nodiscard]] std::uint32_t wait_s(const Bucket& bucket) const;

  const double rate_;
  const std::chrono::duration<double> period_;
  std::mutex mutex_;
  Clock::time_point swept_{};
  std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace rest

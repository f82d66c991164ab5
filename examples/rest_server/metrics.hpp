// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace rest {

/// What Prometheus gets to see, in its text format 0.0.4. Thread-safe.
class Metrics {
 public:
  /// Upper bounds of the latency histogram's buckets, seconds.
  static constexpr std::array<double, 16> bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                                 0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                                 1,      2.5,     5,      10};

  /// @param operation  one of a fixed, small set. Static storage.
  void request(std::string_view operation, int status, std::chrono::nanoseconds duration);

  std::atomic<std::uint64_t> connections_accepted{0};
  std::atomic<std::int64_t> connections_open{0};
  std::atomic<std::int64_t> requests_in_flight{0};
  std::atomic<std::uint64_t> malformed_requests{0};
  std::atomic<std::uint64_t> timed_out{0};
  std::atomic<std::uint64_t> tls_failures{0};

  /// Everything that is counted here. The caller adds the rest with the functions below.
  [[nodiscard]] std::string text() const;

 private:
  struct Histogram {
    std::array<std::uint64_t, bounds.size() + 1> counts{};
    double sum_s = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string_view, int>, std::uint64_t> requests_;
  std::map<std::string_view, Histogram> latencies_;
};

/// `# TYPE` and the one sample of a metric without labels.
void add_metric(std::string& text, std::string_view name, std::string_view type, double value);

}  // namespace rest

// SPDX-License-Identifier: Apache-2.0
#include "metrics.hpp"

#include <algorithm>
#include <charconv>

namespace rest {

namespace {

[[nodiscard]] std::string number(double value) {
  std::array<char, 400> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  return {text.data(), end};
}

void add_type(std::string& text, std::string_view name, std::string_view type) {
  text.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

}  // namespace

void Metrics::request(std::string_view operation, int status, std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto bucket =
      static_cast<std::size_t>(std::ranges::lower_bound(bounds, seconds) - bounds.begin());
  const std::lock_guard lock(mutex_);
  ++requests_[{operation, status}];
  Histogram& histogram = latencies_[operation];
  ++histogram.counts[bucket];
  histogram.sum_s += seconds;
}

std::string Metrics::text() const {
  std::string text;
  const auto counter = [&](std::string_view name, std::uint64_t value) {
    add_metric(text, name, "counter", static_cast<double>(value));
  };
  counter("jwekms_connections_accepted_total", connections_accepted);
  counter("jwekms_malformed_requests_total", malformed_requests);
  counter("jwekms_timed_out_total", timed_out);
  counter("jwekms_tls_failures_total", tls_failures);
  add_metric(text, "jwekms_connections_open", "gauge", static_cast<double>(connections_open));
  add_metric(text, "jwekms_requests_in_flight", "gauge", static_cast<double>(requests_in_flight));

  const std::lock_guard lock(mutex_);
  add_type(text, "jwekms_requests_total", "counter");
  for (const auto& [key, count] : requests_)
    text.append("jwekms_requests_total{operation=\"")
        .append(key.first)
        .append("\",status=\"")
        .append(std::to_string(key.second))
        .append("\"} ")
        .append(std::to_string(count))
        .append("\n");
  constexpr std::string_view name = "jwekms_request_duration_seconds";
  add_type(text, name, "histogram");
  for (const auto& [operation, histogram] : latencies_) {
    const std::string label = "{operation=\"" + std::string(operation) + "\"";
    std::uint64_t cumulated = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      cumulated += histogram.counts[i];
      const std::string bound = i < bounds.size() ? number(bounds[i]) : "+Inf";
      text.append(name).append("_bucket").append(label).append(",le=\"").append(bound);
      text.append("\"} ").append(std::to_string(cumulated)).append("\n");
    }
    text.append(name).append("_sum").append(label).append("} ");
    text.append(number(histogram.sum_s)).append("\n");
    text.append(name).append("_count").append(label).append("} ");
    text.append(std::to_string(cumulated)).append("\n");
  }
  return text;
}

void add_metric(std::string& text, std::string_view name, std::string_view type, double value) {
  add_type(text, name, type);
  text.append(name).append(" ").append(number(value)).append("\n");
}

}  // namespace rest

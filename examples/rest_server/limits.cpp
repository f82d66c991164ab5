// SPDX-License-Identifier: Apache-2.0
#include "limits.hpp"

#include <algorithm>
#include <cmath>

namespace rest {

namespace {
/// Names to remember; a bucket that is full again is as good as forgotten.
constexpr std::size_t many_buckets = 10000;
}  // namespace

std::uint32_t RateLimit::take(std::string_view name, Clock::time_point now) {
  if (rate_ == 0) return 0;
  const std::lock_guard lock(mutex_);
  Bucket& bucket = refilled(name, now);
  if (bucket.tokens < 1) return wait_s(bucket);
  bucket.tokens -= 1;
  return 0;
}

std::uint32_t RateLimit::look(std::string_view name, Clock::time_point now) {
  if (rate_ == 0) return 0;
  const std::lock_guard lock(mutex_);
  const Bucket& bucket = refilled(name, now);
  return bucket.tokens < 1 ? wait_s(bucket) : 0;
}

RateLimit::Bucket& RateLimit::refilled(std::string_view name, Clock::time_point now) {
  if (buckets_.size() >= many_buckets && now - swept_ >= period_) {
    std::erase_if(buckets_, [&](const auto& each) { return now - each.second.at >= period_; });
    swept_ = now;
  }
  const auto found = buckets_.find(name);
  if (found == buckets_.end()) return buckets_[std::string(name)] = {.tokens = rate_, .at = now};
  Bucket& bucket = found->second;
  bucket.tokens = std::min(rate_, bucket.tokens + rate_ * ((now - bucket.at) / period_));
  bucket.at = now;
  return bucket;
}

std::uint32_t RateLimit::wait_s(const Bucket& bucket) const {
  const double seconds = (1 - bucket.tokens) * period_.count() / rate_;
  return static_cast<std::uint32_t>(std::max(1.0, std::ceil(seconds)));
}

}  // namespace rest

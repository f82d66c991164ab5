// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jwekms/result.hpp"

namespace jwekms::service {

/// A request's target, RFC 9112 §3.2.1: views into it.
struct Target {
  std::string_view path;
  std::string_view query;  ///< Without the '?'.
};
[[nodiscard]] Target split_target(std::string_view target) noexcept;

/// Decodes one segment of a path, RFC 3986 §2.1. Errors: bad_request.
[[nodiscard]] Result<std::string> decode_segment(std::string_view text);

/// A query as programs write them (application/x-www-form-urlencoded: a '+' is a space). A name
/// that is unknown or stands twice is refused.
class Query {
 public:
  /// @param names  what may stand in it. Errors: bad_request.
  [[nodiscard]] static Result<Query> read(std::string_view text,
                                          std::initializer_list<std::string_view> names);
  /// Null when it does not stand in the query.
  [[nodiscard]] const std::string* find(std::string_view name) const noexcept;

 private:
  std::vector<std::pair<std::string_view, std::string>> values_;
};

}  // namespace jwekms::service

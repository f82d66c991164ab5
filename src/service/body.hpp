// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/json.hpp"
#include "jwekms/policy.hpp"
#include "jwekms/result.hpp"

namespace jwekms::service {

/// A JSON object of a request, read strictly: a member that is not named is refused. What is asked
/// of it and is not there, or is of the wrong type, comes out empty, and error() tells of the first
/// such fault: so an operation reads all that it needs and asks once.
class Body {
 public:
  /// @param text  a view of it is kept.
  Body(std::string_view text, const Limits& limits, std::initializer_list<std::string_view> names);
  /// An object within another.
  Body(const json::Value& object, std::initializer_list<std::string_view> names);

  [[nodiscard]] bool has(std::string_view name) const noexcept { return find(name) != nullptr; }

  /// A string, escapes resolved.
  [[nodiscard]] std::string text(std::string_view name);
  /// @param missing  what to say when it is not there.
  [[nodiscard]] std::string required_text(std::string_view name, const char* missing);
  /// A string without escapes, base64url for one, where it lies.
  [[nodiscard]] std::optional<std::string_view> plain(std::string_view name);
  [[nodiscard]] std::string_view required_plain(std::string_view name, const char* missing);
  [[nodiscard]] std::optional<bool> boolean(std::string_view name);
  [[nodiscard]] std::optional<std::uint32_t> number(std::string_view name);
  [[nodiscard]] std::vector<std::string> texts(std::string_view name);
  [[nodiscard]] std::optional<json::Value> object(std::string_view name);

  /// The first fault. Errors: bad_request, too_large.
  [[nodiscard]] Result<void> error() const noexcept { return error_; }

 private:
  void read(const json::Value& object);
  [[nodiscard]] const json::Value* find(std::string_view name) const noexcept;
  [[nodiscard]] const json::Value* find(std::string_view name, json::Kind kind, const char* fault);
  void fail(Error error) noexcept;

  struct Field {
    std::string_view name;
    std::optional<json::Value> value;
  };
  std::vector<Field> fields_;
  Result<void> error_;
};

/// A string with its escapes resolved.
[[nodiscard]] std::string resolved(const json::String& text);

}  // namespace jwekms::service

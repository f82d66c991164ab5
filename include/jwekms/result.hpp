// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Result<T>: a value or an Error.

#include <exception>
#include <optional>
#include <utility>
#include <variant>

#include "jwekms/error.hpp"

namespace jwekms {

/// Thrown by Result::value() alone, for callers who prefer exceptions.
class BadResult : public std::exception {
 public:
  /// @param error  of the Result that had no value.
  explicit BadResult(Error error) noexcept : error_(error) {}
  /// The Error's text.
  [[nodiscard]] const char* what() const noexcept override { return error_.text; }
  /// The Error itself.
  [[nodiscard]] const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

/// A value or an Error, shaped like std::expected (C++23).
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;  ///< What it holds on success.

  /// Success.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  /// Failure.
  Result(Error error) noexcept : state_(std::in_place_index<1>, error) {}

  /// Whether there is a value.
  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  /// Likewise.
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

  /// @{
  /// The value. Precondition: has_value().
  [[nodiscard]] T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  [[nodiscard]] const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  [[nodiscard]] T* operator->() noexcept { return std::get_if<0>(&state_); }
  [[nodiscard]] const T* operator->() const noexcept { return std::get_if<0>(&state_); }
  /// @}

  /// The error. Precondition: !has_value().
  [[nodiscard]] const Error& error() const noexcept { return *std::get_if<1>(&state_); }

  /// @{
  /// The value; throws BadResult when there is none.
  [[nodiscard]] T& value() & {
    require();
    return **this;
  }
  [[nodiscard]] const T& value() const& {
    require();
    return **this;
  }
  [[nodiscard]] T&& value() && {
    require();
    return *std::move(*this);
  }
  /// @}

 private:
  void require() const {
    if (!has_value()) throw BadResult(error());
  }
  std::variant<T, Error> state_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;  ///< It holds nothing.

  /// Success.
  Result() noexcept = default;
  /// Failure.
  Result(Error error) noexcept : error_(error) {}

  /// Whether it is a success.
  [[nodiscard]] bool has_value() const noexcept { return !error_.has_value(); }
  /// Likewise.
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
  /// The error. Precondition: !has_value().
  [[nodiscard]] const Error& error() const noexcept { return *error_; }
  /// Throws BadResult on failure.
  void value() const {
    if (error_) throw BadResult(*error_);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace jwekms

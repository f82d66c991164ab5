// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jwekms/error.hpp"
#include "jwekms/result.hpp"

namespace cli {

// Exit codes. They never change their meaning: scripts depend on them.
inline constexpr int exit_failed = 1;  ///< A file, a prompt, memory: nothing that has a code.
inline constexpr int exit_usage = 2;   ///< The command line.
/// 11 (bad_request) to 21 (buffer_too_small).
[[nodiscard]] constexpr int exit_code(jwekms::Errc code) noexcept {
  return 10 + static_cast<int>(code);
}

/// Why a command stops. Thrown; main() prints it and exits.
struct Failure {
  int exit = exit_failed;
  std::optional<jwekms::Errc> code{};  ///< Of the library.
  std::vector<std::string> texts{};    ///< One line each, for people. May be empty.
  std::string hint{};                  ///< What to do next; empty: as is usual with the code.
};

/// The command line asks for what cannot be.
[[noreturn]] void fail_usage(std::string text, std::string hint = {});
/// A file or the system.
[[noreturn]] void fail(std::string text, std::string hint = {});
/// A library call failed.
/// @param about  the key that it was about; empty: none.
[[noreturn]] void fail(const jwekms::Error& error, std::string_view about);

/// What a library call gave, or a Failure.
template <class T>
[[nodiscard]] T take(jwekms::Result<T> result, std::string_view about = {}) {
  if (!result) fail(result.error(), about);
  return *std::move(result);
}
inline void take(const jwekms::Result<void>& result, std::string_view about = {}) {
  if (!result) fail(result.error(), about);
}

/// What to do about a code.
/// @param principal  `--as`; empty: the host itself.
[[nodiscard]] std::string usual_hint(jwekms::Errc code, std::string_view principal);

}  // namespace cli

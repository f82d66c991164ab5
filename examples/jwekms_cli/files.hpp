// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "bytes.hpp"

/// Files and standard streams, "-" being those. No buffer of another library sees what passes.
/// Failures are thrown.
namespace cli {

/// A file or standard input to its end.
/// @param limit  more than this is `too_large`.
[[nodiscard]] Bytes read_input(const std::string& path, std::size_t limit);

/// To a file, made with mode 0600 if it is new, or to standard output.
void write_output(const std::string& path, std::span<const std::uint8_t> bytes);
/// To standard output.
void write_text(std::string_view text);

[[nodiscard]] bool output_is_terminal() noexcept;
[[nodiscard]] bool input_is_terminal() noexcept;

/// Without spaces and newlines around it, which a file of text has and a token has not.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;

}  // namespace cli

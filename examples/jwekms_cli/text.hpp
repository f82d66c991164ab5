// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cli {

/// For people: what could confuse a terminal or a reader (control characters, marks that turn the
/// direction of writing, bytes that are no UTF-8) stands as \xNN. Names of keys are chosen by
/// strangers.
[[nodiscard]] std::string shown(std::string_view text);
/// shown(), in quotation marks.
[[nodiscard]] std::string in_quotes(std::string_view text);
/// For JSON, which is UTF-8: other bytes become U+FFFD.
[[nodiscard]] std::string to_utf8(std::string_view text);
/// Whether a terminal may have it as it is: UTF-8 without control characters but tab and newline.
[[nodiscard]] bool is_text(std::span<const std::uint8_t> bytes) noexcept;

/// "2026-01-31T12:00:00Z".
[[nodiscard]] std::string time_text(std::int64_t seconds_since_1970);
/// "a, b".
[[nodiscard]] std::string joined(std::span<const std::string> texts, std::string_view by = ", ");

}  // namespace cli

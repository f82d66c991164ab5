// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <array>
#include <ctime>

#include "bytes.hpp"
#include "jwekms/json.hpp"

namespace cli {

namespace {

/// The character that comes first, and how many bytes it takes: 0 when it is no UTF-8.
struct Character {
  std::size_t size;
  std::uint32_t point;
};
[[nodiscard]] Character first_of(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return {1, byte(0)};
  const std::size_t size = jwekms::json::detail::utf8_size(text);
  if (size == 0) return {0, 0};
  std::uint32_t point = byte(0) & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) point = point << 6 | (byte(i) & 0x3FU);
  return {size, point};
}

[[nodiscard]] bool is_control(std::uint32_t point) noexcept {
  return point < 0x20 || (point >= 0x7F && point < 0xA0);
}

/// Invisible, or turns the direction of writing (Unicode TR 36 §2.5).
[[nodiscard]] bool is_deceptive(std::uint32_t point) noexcept {
  return point == 0x061C || (point >= 0x200B && point <= 0x200F) ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2060 && point <= 0x206F) ||
         point == 0xFEFF;
}

void append_escaped(std::string& out, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  }
}

}  // namespace

std::string shown(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Character c = first_of(text);
    const std::string_view bytes = text.substr(0, c.size == 0 ? 1 : c.size);
    if (c.size == 0 || is_control(c.point) || is_deceptive(c.point))
      append_escaped(out, bytes);
    else
      out += bytes;
    text.remove_prefix(bytes.size());
  }
  return out;
}

std::string in_quotes(std::string_view text) { return '"' + shown(text) + '"'; }

std::string to_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = first_of(text).size;
    out += size == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

bool is_text(std::span<const std::uint8_t> bytes) noexcept {
  std::string_view text = text_of(bytes);
  while (!text.empty()) {
    const Character c = first_of(text);
    const bool harmless = c.point == '\n' || c.point == '\t';
    if (c.size == 0 || (is_control(c.point) && !harmless)) return false;
    text.remove_prefix(c.size);
  }
  return true;
}

std::string time_text(std::int64_t seconds_since_1970) {
  const std::time_t time = seconds_since_1970;
  std::tm utc{};
  if (gmtime_r(&time, &utc) == nullptr) return "?";
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {text.data(), size};
}

std::string joined(std::span<const std::string> texts, std::string_view by) {
  std::string out;
  for (const std::string& text : texts) {
    if (!out.empty()) out += by;
    out += text;
  }
  return out;
}

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
#include "service/target.hpp"

#include <algorithm>
#include <charconv>

namespace jwekms::service {

namespace {

[[nodiscard]] Result<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    char c = text[0];
    std::size_t size = 1;
    if (c == '%') {
      const std::string_view digits = text.substr(1, 2);
      const char* const end = digits.data() + digits.size();
      unsigned char byte = 0;
      const auto [stop, error] = std::from_chars(digits.data(), end, byte, 16);
      if (digits.size() != 2 || stop != end || error != std::errc{})
        return Error{Errc::bad_request, 0, "malformed percent-encoding"};
      c = static_cast<char>(byte);
      size = 3;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    out += c;
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace

Target split_target(std::string_view target) noexcept {
  const std::size_t mark = std::min(target.find('?'), target.size());
  return {target.substr(0, mark), target.substr(std::min(mark + 1, target.size()))};
}

Result<std::string> decode_segment(std::string_view text) { return decode(text, false); }

Result<Query> Query::read(std::string_view text, std::initializer_list<std::string_view> names) {
  Query query;
  while (!text.empty()) {
    const std::string_view field = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(field.size() + 1, text.size()));
    const std::size_t equals = std::min(field.find('='), field.size());
    const Result<std::string> name = decode(field.substr(0, equals), true);
    if (!name) return name.error();
    Result<std::string> value = decode(field.substr(std::min(equals + 1, field.size())), true);
    if (!value) return value.error();
    const auto* known = std::ranges::find(names, *name);
    if (known == names.end()) return Error{Errc::bad_request, 0, "unknown query parameter"};
    if (query.find(*known) != nullptr)
      return Error{Errc::bad_request, 0, "a query parameter stands twice"};
    query.values_.emplace_back(*known, *std::move(value));
  }
  return query;
}

const std::string* Query::find(std::string_view name) const noexcept {
  for (const auto& [known, value] : values_)
    if (known == name) return &value;
  return nullptr;
}

}  // namespace jwekms::service

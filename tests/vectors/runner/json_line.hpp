// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "jwekms/base64url.hpp"

namespace vectors {

/// A JSON object on one line.
class JsonLine {
 public:
  void add(std::string_view name, std::string_view value) {
    begin(name);
    put(value);
  }
  void add_b64u(std::string_view name, std::string_view bytes) {
    std::string text(jwekms::base64url::encoded_size(bytes.size()), '\0');
    jwekms::base64url::encode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                              text.data());
    add(name, text);
  }
  void add_true(std::string_view name) {
    begin(name);
    text_ += "true";
  }
  [[nodiscard]] std::string text() const { return "{" + text_ + "}"; }

 private:
  void begin(std::string_view name) {
    if (!text_.empty()) text_ += ", ";
    put(name);
    text_ += ": ";
  }
  void put(std::string_view value) {
    constexpr std::string_view hex = "0123456789abcdef";
    text_ += '"';
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20)
        (text_ += "\\u00") += {hex[byte >> 4], hex[byte & 15]};
      else
        (c == '"' || c == '\\' ? text_ += '\\' : text_) += c;
    }
    text_ += '"';
  }
  std::string text_;
};

}  // namespace vectors

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "jwekms/base64url.hpp"

/// Tokens for tests, put together from parts that can be read.
namespace token_text {

inline std::string b64(std::string_view bytes) {
  std::string text(jwekms::base64url::encoded_size(bytes.size()), '\0');
  jwekms::base64url::encode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                            text.data());
  return text;
}

/// The segments that follow a compact token's header. By default of the right size for GCM.
struct Rest {
  std::string encrypted_key = b64("k");
  std::string iv = b64(std::string(12, 'i'));
  std::string ciphertext = b64("c");
  std::string tag = b64(std::string(16, 't'));
};

inline std::string compact(std::string_view header_json, const Rest& rest = {}) {
  return b64(header_json) + "." + rest.encrypted_key + "." + rest.iv + "." + rest.ciphertext + "." +
         rest.tag;
}

/// Writes JSON with ' for ", which C++ would want escaped.
inline std::string js(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c == '\'') c = '"';
  return out;
}

}  // namespace token_text

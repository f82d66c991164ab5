// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "crypto/base64url_vector.hpp"
#include "jwekms/base64url.hpp"

namespace base64url = jwekms::base64url;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

/// What is accepted has one text, and all decoders see it alike, whole and in two chunks.
void as_text(std::string_view text) {
  std::vector<std::uint8_t> value(base64url::decoded_size(text.size())), other(value.size());
  const bool valid = base64url::decode(text, value.data());
  require(valid == base64url::decode_secret(text, other.data()));
  std::vector<std::uint8_t> vectored(value.size());
  require(valid == jwekms::crypto::decode_base64url(text, vectored.data()));
  if (valid) {
    require(value == other);
    require(value == vectored);
    std::vector<char> again(base64url::encoded_size(value.size()));
    base64url::encode(value, again.data());
    require(std::string_view(again.data(), again.size()) == text);
  }
  const std::size_t cut = text.size() / 8 * 4;
  const bool first = base64url::decode(text.substr(0, cut), other.data());
  const bool second = base64url::decode(text.substr(cut), other.data() + cut / 4 * 3);
  require(valid == (first && second));
  require(!valid || value == other);
}

/// Every value has a text that leads back to it, and both encoders write it. With one letter made
/// another, it is taken for what it is.
void as_value(const std::vector<std::uint8_t>& value) {
  std::vector<char> text(base64url::encoded_size(value.size())), other(text.size());
  base64url::encode(value, text.data());
  base64url::encode_secret(value, other.data());
  require(text == other);
  std::vector<std::uint8_t> again(base64url::decoded_size(text.size()));
  require(base64url::decode({text.data(), text.size()}, again.data()));
  require(again == value);
  if (value.size() < 2) return;
  text[value[0] * text.size() / 256] = static_cast<char>(value[1]);
  as_text({text.data(), text.size()});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  as_text({reinterpret_cast<const char*>(data), size});
  as_value({data, data + size});
  return 0;
}

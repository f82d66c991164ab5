// SPDX-License-Identifier: Apache-2.0
#include "jwekms/base64url.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace base64url = jwekms::base64url;
using Bytes = std::vector<std::uint8_t>;

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Decodes with both decoders, which must agree, in heap buffers of the exact size, so that
/// AddressSanitizer sees a byte too many.
std::optional<Bytes> decode(std::string_view text) {
  const std::vector<char> in(text.begin(), text.end());
  Bytes plain(base64url::decoded_size(in.size())), secret(plain.size());
  const bool valid = base64url::decode({in.data(), in.size()}, plain.data());
  const bool valid_secret = base64url::decode_secret({in.data(), in.size()}, secret.data());
  if (valid != valid_secret) throw std::logic_error("decoders disagree on what is valid");
  if (valid && plain != secret) throw std::logic_error("decoders disagree on the value");
  if (!valid) return std::nullopt;
  return plain;
}

/// Encodes with both encoders, likewise.
std::string encode(const Bytes& in) {
  std::vector<char> plain(base64url::encoded_size(in.size())), secret(plain.size());
  base64url::encode(in, plain.data());
  base64url::encode_secret(in, secret.data());
  if (plain != secret) throw std::logic_error("encoders disagree");
  return {plain.begin(), plain.end()};
}

Bytes bytes_of(std::string_view s) { return {s.begin(), s.end()}; }

Bytes random_bytes(std::mt19937& random, std::size_t size) {
  Bytes bytes(size);
  for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
  return bytes;
}

}  // namespace

TEST_CASE("base64url: RFC 4648 §10 vectors, without their padding") {
  const auto [value, text] = GENERATE(table<std::string_view, std::string_view>({
      {"", ""},
      {"f", "Zg"},
      {"fo", "Zm8"},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg"},
      {"fooba", "Zm9vYmE"},
      {"foobar", "Zm9vYmFy"},
  }));
  CHECK(encode(bytes_of(value)) == text);
  CHECK(decode(text) == bytes_of(value));
}

TEST_CASE("base64url: RFC 7515 appendix C example, with both letters of its own") {
  const Bytes value{3, 236, 255, 224, 193};
  CHECK(encode(value) == "A-z_4ME");
  CHECK(decode("A-z_4ME") == value);
}

TEST_CASE("base64url: every letter stands for its place in the alphabet") {
  for (std::uint32_t v = 0; v < 64; ++v)
    for (std::size_t i = 0; i < 4; ++i) {
      std::string text = "AAAA";
      text[i] = alphabet[v];
      const std::uint32_t bits = v << (18 - 6 * i);
      const Bytes value{static_cast<std::uint8_t>(bits >> 16), static_cast<std::uint8_t>(bits >> 8),
                        static_cast<std::uint8_t>(bits)};
      CAPTURE(text);
      CHECK(decode(text) == value);
      CHECK(encode(value) == text);
    }
}

TEST_CASE("base64url: sizes are exact") {
  static_assert(base64url::encoded_size(0) == 0 && base64url::decoded_size(0) == 0);
  static_assert(base64url::encoded_size(1) == 2 && base64url::decoded_size(2) == 1);
  static_assert(base64url::encoded_size(2) == 3 && base64url::decoded_size(3) == 2);
  static_assert(base64url::encoded_size(3) == 4 && base64url::decoded_size(4) == 3);
  for (std::size_t n = 0; n < 1000; ++n) {
    const std::string text = encode(Bytes(n, 0x5A));
    CHECK(base64url::decoded_size(text.size()) == n);
    CHECK(decode(text) == Bytes(n, 0x5A));
  }
  CHECK(base64url::decoded_size(SIZE_MAX) == SIZE_MAX / 4 * 3 + 2);  // no overflow
}

TEST_CASE("base64url: padding is refused") {
  for (const char* text : {"Zg==", "Zg=", "Zm8=", "Zm9v=", "Zm9v====", "=", "==", "====", "Z=m9"})
    CHECK_FALSE(decode(text));
}

TEST_CASE("base64url: whitespace is refused") {
  for (const char* text : {" Zm9", "Zm9v ", "Zm9v\n", "Zm9v\r\nYg", "Z m9v", "Zm9v\tYmF", "   "})
    CHECK_FALSE(decode(text));
}

TEST_CASE("base64url: the letters of plain base64 are refused") {
  CHECK(decode("--__"));
  for (const char* text : {"++//", "+--_", "-/__", "--+_", "--_/"}) CHECK_FALSE(decode(text));
}

TEST_CASE("base64url: a length of one over a multiple of four is refused") {
  for (std::size_t n = 1; n < 40; n += 4) CHECK_FALSE(decode(std::string(n, 'A')));
}

TEST_CASE("base64url: a foreign byte is refused wherever it stands") {
  for (const std::size_t size : {2U, 3U, 4U, 6U, 7U, 8U, 11U, 12U, 15U, 18U, 33U * 4U})
    for (std::size_t at = 0; at < size; ++at)
      for (unsigned c = 0; c < 256; ++c) {
        std::string text(size, 'A');
        text[at] = static_cast<char>(c);
        const bool letter = alphabet.find(static_cast<char>(c)) != alphabet.npos;
        const bool has_trailing_bits = at + 1 == size && size % 4 != 0;
        if (letter && has_trailing_bits) continue;
        CAPTURE(c, at, size);
        if (decode(text).has_value() != letter) FAIL();
      }
}

TEST_CASE("base64url: trailing bits are zero, all endings of two letters") {
  std::size_t accepted = 0;
  for (std::size_t v = 0; v < 64 * 64; ++v) {
    const std::string text{alphabet[v >> 6], alphabet[v & 63]};
    const auto value = decode(text);
    if (value.has_value() != ((v & 15) == 0)) FAIL(text);
    if (value && encode(*value) != text) FAIL(text);
    accepted += value.has_value();
  }
  CHECK(accepted == 256);  // one text for each value
}

TEST_CASE("base64url: trailing bits are zero, all endings of three letters") {
  std::size_t accepted = 0;
  for (std::size_t v = 0; v < 64 * 64 * 64; ++v) {
    const std::string text{alphabet[v >> 12], alphabet[v >> 6 & 63], alphabet[v & 63]};
    const auto value = decode(text);
    if (value.has_value() != ((v & 3) == 0)) FAIL(text);
    if (value && encode(*value) != text) FAIL(text);
    accepted += value.has_value();
  }
  CHECK(accepted == 65536);
}

TEST_CASE("base64url: trailing bits are checked behind whole groups too") {
  CHECK(decode("AAAAAAAAAQ"));
  CHECK_FALSE(decode("AAAAAAAAAR"));
  CHECK(decode("AAAAAAAAAAQ"));
  CHECK_FALSE(decode("AAAAAAAAAAR"));
}

TEST_CASE("base64url: nothing is written behind the output") {
  for (std::size_t size = 0; size < 40; ++size) {
    if (size % 4 == 1) continue;
    Bytes out(base64url::decoded_size(size) + 8, 0xA5);
    REQUIRE(base64url::decode(std::string(size, 'A'), out.data()));
    CHECK(Bytes(out.end() - 8, out.end()) == Bytes(8, 0xA5));
  }
}

TEST_CASE("base64url: a text cut at multiples of four is valid when all its chunks are") {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text = encode(random_bytes(random, random() % 200));
    if (!text.empty() && round % 2 == 0) text[random() % text.size()] = static_cast<char>(random());
    const auto whole = decode(text);

    bool valid = true;
    Bytes joined;
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t cut = std::min<std::size_t>(4 * (1 + random() % 9), rest.size());
      const auto chunk = decode(rest.substr(0, cut));
      valid = valid && chunk;
      if (chunk) joined.insert(joined.end(), chunk->begin(), chunk->end());
      rest.remove_prefix(cut);
    }
    CHECK(valid == whole.has_value());
    if (whole) CHECK(joined == *whole);
  }
}

TEST_CASE("base64url: plain and secret versions agree on random input") {
  std::mt19937 random(2);
  for (int round = 0; round < 20000; ++round) {
    const Bytes value = random_bytes(random, random() % 100);
    std::string text = encode(value);
    REQUIRE(decode(text) == value);
    if (text.empty()) continue;
    text[random() % text.size()] = static_cast<char>(random());
    const auto mutated = decode(text);
    if (mutated) REQUIRE(encode(*mutated) == text);
  }
}

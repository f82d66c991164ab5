// SPDX-License-Identifier: Apache-2.0
#include "crypto/base64url_vector.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "support.hpp"

using namespace support;
namespace vector = crypto::detail;

namespace {

/// Whether all ways to decode a text answer alike, into buffers of the exact size, so that
/// AddressSanitizer sees a byte too many.
bool agree(std::string_view letters) {
  const std::vector<char> exact(letters.begin(), letters.end());
  const std::string_view text(exact.data(), exact.size());
  Bytes scalar(base64url::decoded_size(text.size())), picked(scalar.size());
  const bool valid = base64url::decode(text, scalar.data());
  if (crypto::decode_base64url(text, picked.data()) != valid) return false;
  if (valid && picked != scalar) return false;
  if (const vector::DecodeBlocks decode = vector::avx2_decoder()) {
    Bytes out(scalar.size());
    const std::size_t taken = decode(text, out.data());
    if (taken > text.size() || taken % 4 != 0) return false;
    if (base64url::decode(text.substr(taken), out.data() + taken / 4 * 3) != valid) return false;
    if (valid && out != scalar) return false;
  }
  return true;
}

std::string letters_of(std::mt19937& random, std::size_t bytes) {
  Bytes value(bytes);
  for (std::uint8_t& byte : value) byte = static_cast<std::uint8_t>(random());
  return b64(value);
}

}  // namespace

TEST_CASE("base64url in vectors: the same value for every size") {
  std::mt19937 random(1);
  for (std::size_t size = 0; size < 600; ++size)
    for (int round = 0; round < 10; ++round)
      if (!agree(letters_of(random, size))) FAIL(size);
  CHECK(agree(letters_of(random, 1 << 20)));
}

TEST_CASE("base64url in vectors: a foreign byte is refused wherever it stands") {
  std::mt19937 random(2);
  const std::string good = letters_of(random, 192);
  for (std::size_t at = 0; at < good.size(); ++at)
    for (unsigned c = 0; c < 256; ++c) {
      std::string text = good;
      text[at] = static_cast<char>(c);
      if (!agree(text)) FAIL(at << ' ' << c);
    }
}

TEST_CASE("base64url in vectors: bad lengths and trailing bits are refused") {
  std::mt19937 random(3);
  for (std::size_t size = 90; size < 300; ++size) {
    std::string text = letters_of(random, size);
    for (const char* more : {"A", "_", "=", "AB"})
      if (!agree(text + more)) FAIL(size << ' ' << more);
  }
}

TEST_CASE("base64url in vectors: whole blocks are what the decoder takes") {
  const std::string text(4096, 'A');
  Bytes out(3072);
  if (const vector::DecodeBlocks decode = vector::avx2_decoder())
    CHECK(decode(text, out.data()) > text.size() - 100);
}

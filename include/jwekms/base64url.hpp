// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Strict base64url, header-only.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

/// base64url without padding: RFC 4648 §5, as RFC 7515 §2 uses it.
///
/// Written by hand because EVP_DecodeBlock and its like take another alphabet, demand padding, skip
/// whitespace and ignore trailing bits, so that many texts mean one value: a JWE could be altered
/// and still decrypt. Here each value has one text. A decoder that is called block by block also
/// lets a ciphertext be decoded and decrypted while it is in the cache, and this layer depends on
/// the standard library alone.
namespace jwekms::base64url {

/// Bytes that `chars` characters decode to; exact for every length that valid text can have.
[[nodiscard]] constexpr std::size_t decoded_size(std::size_t chars) noexcept {
  return chars / 4 * 3 + chars % 4 * 3 / 4;
}

/// Characters that `bytes` bytes encode to.
[[nodiscard]] constexpr std::size_t encoded_size(std::size_t bytes) noexcept {
  return bytes / 3 * 4 + (bytes % 3 * 4 + 2) / 3;
}

namespace detail {

inline constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Where byte `i` of a 32-bit word in memory stands in its value.
constexpr unsigned shift_of_byte(unsigned i) noexcept {
  return std::endian::native == std::endian::little ? 8 * i : 24 - 8 * i;
}

/// Byte 3 of a word, which no valid letter touches.
inline constexpr std::uint32_t foreign = std::uint32_t{0xFF} << shift_of_byte(3);

/// `letters[i][c]` is what letter `c`, as the i-th of a group of four, adds to the group's three
/// bytes in memory order. The four are OR-ed together; any foreign letter sets the fourth byte.
inline constexpr auto letters = [] {
  std::array<std::array<std::uint32_t, 256>, 4> t{};
  for (auto& table : t) table.fill(foreign);
  for (unsigned i = 0; i < 4; ++i)
    for (std::uint32_t value = 0; value < 64; ++value) {
      const std::uint32_t bits = value << (18 - 6 * i);  // big-endian, 24 bits
      t[i][static_cast<unsigned char>(alphabet[value])] = (bits >> 16 & 0xFF) << shift_of_byte(0) |
                                                          (bits >> 8 & 0xFF) << shift_of_byte(1) |
                                                          (bits & 0xFF) << shift_of_byte(2);
    }
  return t;
}();

/// `pairs[v]` is the text of the 12-bit number `v`.
inline constexpr auto pairs = [] {
  std::array<std::array<char, 2>, 4096> t{};
  for (std::size_t v = 0; v < t.size(); ++v) t[v] = {alphabet[v >> 6], alphabet[v & 63]};
  return t;
}();

/// Hides a value's origin from the optimiser, which might turn masks back into branches.
inline std::uint32_t opaque(std::uint32_t value) noexcept {
#if defined(__GNUC__)
  __asm__("" : "+r"(value));
#endif
  return value;
}

/// All ones if first <= c <= last, else zero; for c < 256.
inline std::uint32_t in_range(std::uint32_t c, std::uint32_t first, std::uint32_t last) noexcept {
  return opaque(0 - (((first - 1 - c) & (c - last - 1)) >> 31));
}

/// The value of a letter, or a number above 0xFF for a foreign one.
inline std::uint32_t secret_value(std::uint32_t c) noexcept {
  const std::uint32_t upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z');
  const std::uint32_t digit = in_range(c, '0', '9');
  const std::uint32_t minus = in_range(c, '-', '-'), low_line = in_range(c, '_', '_');
  return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) | (minus & 62) |
         (low_line & 63) | (~(upper | lower | digit | minus | low_line) & 0x100);
}

/// The letter of a value below 64: five runs of the alphabet, each with its distance to ASCII.
inline char secret_letter(std::uint32_t v) noexcept {
  return static_cast<char>(v + ((in_range(v, 0, 25) & std::uint32_t{'A'}) |
                                (in_range(v, 26, 51) & std::uint32_t{'a' - 26}) |
                                (in_range(v, 52, 61) & (std::uint32_t{'0'} - 52)) |
                                (in_range(v, 62, 62) & (std::uint32_t{'-'} - 62)) |
                                (in_range(v, 63, 63) & std::uint32_t{'_' - 63})));
}

}  // namespace detail

/// Decodes a whole text, or one chunk of it: cut a text at multiples of 4 characters, and all its
/// chunks are valid exactly when it is.
/// @param out  decoded_size(text.size()) writable bytes that do not overlap `text`.
/// Returns false for a letter outside the alphabet ('=' and whitespace are outside), for a length
/// that leaves 1 over 4, and for trailing bits that are not zero; `out` is then unspecified.
/// Its time depends on the text: see decode_secret. Thread-safe.
[[nodiscard]] inline bool decode(std::string_view text, std::uint8_t* out) noexcept {
  const auto& t = detail::letters;
  const auto letter = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.size() % 4 == 1) return false;

  // Each store spills one byte, which the next group overwrites: so the last group is kept back.
  std::uint32_t seen = 0;
  while (text.size() > 4) {
    const std::uint32_t word =
        t[0][letter(0)] | t[1][letter(1)] | t[2][letter(2)] | t[3][letter(3)];
    std::memcpy(out, &word, 4);
    seen |= word;
    text.remove_prefix(4);
    out += 3;
  }

  std::uint32_t last = 0;
  for (std::size_t i = 0; i < text.size(); ++i) last |= t[i][letter(i)];
  std::array<std::uint8_t, 4> bytes;
  std::memcpy(bytes.data(), &last, 4);
  const std::size_t size = decoded_size(text.size());
  std::uint32_t beyond = seen & detail::foreign;  // trailing bits and foreign letters
  for (std::size_t i = 0; i < 4; ++i) {
    if (i < size)
      out[i] = bytes[i];
    else
      beyond |= bytes[i];
  }
  return beyond == 0;
}

/// Writes encoded_size(in.size()) characters to `out`, which does not overlap `in`. Thread-safe.
inline void encode(std::span<const std::uint8_t> in, char* out) noexcept {
  const auto put = [&](std::size_t v) {
    std::memcpy(out, detail::pairs[v].data(), 2);
    out += 2;
  };
  for (; in.size() >= 3; in = in.subspan(3)) {
    put(std::size_t{in[0]} << 4 | in[1] >> 4);
    put((in[1] & std::size_t{15}) << 8 | in[2]);
  }
  if (in.size() == 2) {
    put(std::size_t{in[0]} << 4 | in[1] >> 4);
    *out = detail::alphabet[(in[1] & std::size_t{15}) << 2];
  } else if (in.size() == 1) {
    put(std::size_t{in[0]} << 4);
  }
}

/// decode() for the private members of a JWK, "d" and the rest. A table indexed by a secret leaves
/// the secret's pattern in the cache, where a neighbour on the same machine can measure it (Sieck
/// and others, "Util::Lookup: Exploiting Key Decoding in Cryptographic Libraries", CCS 2021). So
/// nothing here looks up or branches on a letter: arithmetic only. Length and validity are not
/// secret.
[[nodiscard]] inline bool decode_secret(std::string_view text, std::uint8_t* out) noexcept {
  if (text.size() % 4 == 1) return false;
  std::uint32_t bits = 0, pending = 0, foreign = 0;  // `pending` bits await a byte of their own
  for (const char c : text) {
    const std::uint32_t value = detail::secret_value(static_cast<unsigned char>(c));
    foreign |= value & 0x100;
    bits = bits << 6 | (value & 63);
    pending += 6;
    if (pending < 8) continue;
    pending -= 8;
    *out++ = static_cast<std::uint8_t>(bits >> pending);
  }
  const std::uint32_t trailing = bits & ((std::uint32_t{1} << pending) - 1);
  return (foreign | trailing) == 0;
}

/// encode() for the same members, and constant-time for the same reason.
inline void encode_secret(std::span<const std::uint8_t> in, char* out) noexcept {
  std::uint32_t bits = 0, pending = 0;
  for (const std::uint8_t byte : in) {
    bits = bits << 8 | byte;
    for (pending += 8; pending >= 6; pending -= 6)
      *out++ = detail::secret_letter(bits >> (pending - 6) & 63);
  }
  if (pending != 0) *out = detail::secret_letter(bits << (6 - pending) & 63);
}

}  // namespace jwekms::base64url

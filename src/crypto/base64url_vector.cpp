// SPDX-License-Identifier: Apache-2.0
#include "crypto/base64url_vector.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define JWEKMS_X86_VECTORS
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace jwekms::crypto {

namespace {

#ifdef JWEKMS_X86_VECTORS

// Both decoders turn four 6-bit values, one a byte, into 24 bits in the way of Muła and Lemire,
// "Faster Base64 Encoding and Decoding Using AVX2 Instructions" (ACM TWEB 12, 2018): multiply-add
// of pairs of bytes to 12 bits, of pairs of those to 24, and a shuffle that drops the empty bytes
// and puts the rest in order.

#define JWEKMS_AVX2 __attribute__((target("avx2")))

/// All ones where first <= letter <= last. Foreign bytes from 128 are negative here, and in no
/// range.
JWEKMS_AVX2 inline __m256i in_range(__m256i letters, char first, char last) noexcept {
  const __m256i above = _mm256_set1_epi8(static_cast<char>(first - 1));
  const __m256i below = _mm256_set1_epi8(static_cast<char>(last + 1));
  return _mm256_and_si256(_mm256_cmpgt_epi8(letters, above), _mm256_cmpgt_epi8(below, letters));
}
JWEKMS_AVX2 inline __m256i where(__m256i mask, int distance) noexcept {
  return _mm256_and_si256(mask, _mm256_set1_epi8(static_cast<char>(distance)));
}
JWEKMS_AVX2 inline __m256i any(__m256i a, __m256i b, __m256i c, __m256i d, __m256i e) noexcept {
  return _mm256_or_si256(_mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d)), e);
}

/// 32 letters to 24 bytes. Stores 32 bytes.
JWEKMS_AVX2 std::size_t decode_avx2(std::string_view text, std::uint8_t* out) noexcept {
  const __m256i packed =
      _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,  //
                       2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m256i joined = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
  std::size_t taken = 0;
  // 8 bytes are written too many, and 12 letters more bring at least as many.
  for (; text.size() - taken >= 32 + 12; taken += 32, out += 24) {
    const __m256i in = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + taken));
    const __m256i upper = in_range(in, 'A', 'Z');
    const __m256i lower = in_range(in, 'a', 'z');
    const __m256i digit = in_range(in, '0', '9');
    const __m256i minus = in_range(in, '-', '-');
    const __m256i low_line = in_range(in, '_', '_');
    if (_mm256_movemask_epi8(any(upper, lower, digit, minus, low_line)) != -1) break;
    const __m256i distance =
        any(where(upper, 0 - 'A'), where(lower, 26 - 'a'), where(digit, 52 - '0'),
            where(minus, 62 - '-'), where(low_line, 63 - '_'));
    const __m256i six_bits = _mm256_add_epi8(in, distance);
    const __m256i pairs = _mm256_maddubs_epi16(six_bits, _mm256_set1_epi32(0x01400140));
    const __m256i triples = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(triples, packed), joined));
  }
  return taken;
}

/// What stands for each of the 128 letters of ASCII: its value, or 0x80.
struct Values {
  alignas(64) std::uint8_t of[128];
};
constexpr Values values = [] {
  Values v{};
  for (std::uint8_t& value : v.of) value = 0x80;
  for (std::size_t i = 0; i < 64; ++i)
    v.of[static_cast<std::size_t>(base64url::detail::alphabet[i])] = static_cast<std::uint8_t>(i);
  return v;
}();

/// Where each of the 48 bytes stands among the 64 after the multiplications.
struct Order {
  alignas(64) std::uint8_t of[64];
};
constexpr Order order = [] {
  Order o{};
  for (std::size_t i = 0; i < 48; ++i) o.of[i] = static_cast<std::uint8_t>(i / 3 * 4 + 2 - i % 3);
  return o;
}();

/// 64 letters to 48 bytes. Stores no more.
__attribute__((target("avx512f,avx512bw,avx512vbmi"))) std::size_t decode_avx512(
    std::string_view text, std::uint8_t* out) noexcept {
  const __m512i low = _mm512_load_si512(values.of);
  const __m512i high = _mm512_load_si512(values.of + 64);
  const __m512i packed = _mm512_load_si512(order.of);
  constexpr __mmask64 first_48 = (__mmask64{1} << 48) - 1;
  std::size_t taken = 0;
  for (; text.size() - taken >= 64; taken += 64, out += 48) {
    const __m512i in = _mm512_loadu_si512(text.data() + taken);
    const __m512i six_bits = _mm512_permutex2var_epi8(low, in, high);
    // The look-up does not see the letter's top bit.
    if (_mm512_movepi8_mask(_mm512_or_si512(six_bits, in)) != 0) break;
    const __m512i pairs = _mm512_maddubs_epi16(six_bits, _mm512_set1_epi32(0x01400140));
    const __m512i triples = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00011000));
    _mm512_mask_storeu_epi8(out, first_48,
                            _mm512_maskz_permutexvar_epi8(first_48, packed, triples));
  }
  return taken;
}

/// What the processor has and the system saves when it switches threads (Intel SDM 1, 13.1).
struct Processor {
  bool avx2 = false;
  bool avx512_vbmi = false;
};
__attribute__((target("xsave"))) Processor look() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return {};
  const auto saved = static_cast<unsigned>(_xgetbv(0));
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return {};
  constexpr unsigned ymm = 0x06, zmm = 0xE6;
  const bool has_512 = (b & bit_AVX512F) != 0 && (b & bit_AVX512BW) != 0;
  return {(b & bit_AVX2) != 0 && (saved & ymm) == ymm,
          has_512 && (c & bit_AVX512VBMI) != 0 && (saved & zmm) == zmm};
}

[[nodiscard]] const Processor& processor() noexcept {
  static const Processor found = look();
  return found;
}

#endif

}  // namespace

#ifdef JWEKMS_X86_VECTORS
detail::DecodeBlocks detail::avx2_decoder() noexcept {
  return processor().avx2 ? decode_avx2 : nullptr;
}
detail::DecodeBlocks detail::avx512_decoder() noexcept {
  return processor().avx512_vbmi ? decode_avx512 : nullptr;
}
#else
detail::DecodeBlocks detail::avx2_decoder() noexcept { return nullptr; }
detail::DecodeBlocks detail::avx512_decoder() noexcept { return nullptr; }
#endif

bool decode_base64url(std::string_view text, std::uint8_t* out) noexcept {
  constexpr std::size_t worthwhile = 96;  // characters
  if (text.size() < worthwhile) return base64url::decode(text, out);
  detail::DecodeBlocks decode = detail::avx512_decoder();
  if (decode == nullptr) decode = detail::avx2_decoder();
  const std::size_t taken = decode == nullptr ? 0 : decode(text, out);
  // The rest, and the word on a foreign letter.
  return base64url::decode(text.substr(taken), out + taken / 4 * 3);
}

}  // namespace jwekms::crypto

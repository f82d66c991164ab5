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

// In the way of Muła and Lemire, "Faster Base64 Encoding and Decoding Using AVX2 Instructions" (ACM
// TWEB 12, 2018): letters are looked up by their upper half; four 6-bit values, one a byte, become
// 24 bits by a multiply-add of pairs of bytes, another of pairs of those, and a shuffle that drops
// the empty bytes and puts the rest in order. With AVX-512 it takes four fifths of the time, and
// more than the rest is lost in what comes next, which runs slower for a while: it is not used.

/// The letters by their upper four bits: those of the alphabet that share them follow each other,
/// and are as far from their values. '_', which stands apart, is left out.
struct Rows {
  alignas(16) std::int8_t first[16];
  alignas(16) std::int8_t last[16];
  alignas(16) std::int8_t distance[16];
};
constexpr Rows rows = [] {
  Rows r{};
  // An empty row goes from a letter to itself that is in another one.
  for (int i = 0; i < 16; ++i) r.first[i] = r.last[i] = 127;
  std::int8_t value = 0;
  for (const char letter : base64url::detail::alphabet.substr(0, 63)) {
    const int row = letter >> 4;
    if (r.first[row] == 127) r.first[row] = letter;
    r.last[row] = letter;
    r.distance[row] = static_cast<std::int8_t>(value++ - letter);
  }
  return r;
}();
constexpr char low_line_correction = 63 - '_' - rows.distance['_' >> 4];

#define JWEKMS_AVX2 __attribute__((target("avx2")))

JWEKMS_AVX2 inline __m256i twice(const void* table) noexcept {
  return _mm256_broadcastsi128_si256(_mm_load_si128(static_cast<const __m128i*>(table)));
}

/// 32 letters to 24 bytes. Stores 32 bytes.
JWEKMS_AVX2 std::size_t decode_avx2(std::string_view text, std::uint8_t* out) noexcept {
  const __m256i firsts = twice(rows.first);
  const __m256i lasts = twice(rows.last);
  const __m256i distances = twice(rows.distance);
  const __m256i packed =
      _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,  //
                       2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m256i joined = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7);
  std::size_t taken = 0;
  // 8 bytes are written too many, and 12 letters more bring at least as many.
  for (; text.size() - taken >= 32 + 12; taken += 32, out += 24) {
    const __m256i in = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + taken));
    const __m256i row = _mm256_and_si256(_mm256_srli_epi32(in, 4), _mm256_set1_epi8(0x0F));
    const __m256i low_line = _mm256_cmpeq_epi8(in, _mm256_set1_epi8('_'));
    // Foreign bytes from 128 are negative here, and their rows are empty.
    const __m256i clamped = _mm256_min_epi8(_mm256_max_epi8(in, _mm256_shuffle_epi8(firsts, row)),
                                            _mm256_shuffle_epi8(lasts, row));
    const __m256i good = _mm256_or_si256(_mm256_cmpeq_epi8(clamped, in), low_line);
    if (_mm256_movemask_epi8(good) != -1) break;
    const __m256i distance =
        _mm256_add_epi8(_mm256_shuffle_epi8(distances, row),
                        _mm256_and_si256(low_line, _mm256_set1_epi8(low_line_correction)));
    const __m256i six_bits = _mm256_add_epi8(in, distance);
    const __m256i pairs = _mm256_maddubs_epi16(six_bits, _mm256_set1_epi32(0x01400140));
    const __m256i triples = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(triples, packed), joined));
  }
  return taken;
}

/// Whether the processor has AVX2 and the system saves it when it switches threads (Intel SDM 1,
/// 13.1). By hand because __builtin_cpu_supports() brings code that runs when the library is
/// loaded.
__attribute__((target("xsave"))) bool look() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned needed = bit_OSXSAVE | bit_AVX;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & needed) != needed) return false;
  constexpr unsigned ymm = 0x06;
  if ((static_cast<unsigned>(_xgetbv(0)) & ymm) != ymm) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_AVX2) != 0;
}

#endif

}  // namespace

detail::DecodeBlocks detail::avx2_decoder() noexcept {
#ifdef JWEKMS_X86_VECTORS
  static const bool has_avx2 = look();
  if (has_avx2) return decode_avx2;
#endif
  return nullptr;
}

bool decode_base64url(std::string_view text, std::uint8_t* out) noexcept {
  constexpr std::size_t worthwhile = 96;  // characters
  if (text.size() < worthwhile) return base64url::decode(text, out);
  const detail::DecodeBlocks decode = detail::avx2_decoder();
  const std::size_t taken = decode == nullptr ? 0 : decode(text, out);
  // The rest, and the word on a foreign letter.
  return base64url::decode(text.substr(taken), out + taken / 4 * 3);
}

}  // namespace jwekms::crypto

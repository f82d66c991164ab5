// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <zlib.h>

#include "support.hpp"

/// The other direction of core/inflate.hpp, which the library does not have.
namespace support {

inline Bytes deflate_with(std::span<const std::uint8_t> in, int level, int window_bits) {
  z_stream z{};
  if (deflateInit2(&z, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  Bytes out(deflateBound(&z, in.size()));
  z.next_in = const_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  ::deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

/// RFC 1951, as `"zip":"DEF"` has it.
inline Bytes deflate_raw(std::span<const std::uint8_t> in, int level = 9) {
  return deflate_with(in, level, -15);
}

/// RFC 1950: the same in zlib's wrapping.
inline Bytes deflate_zlib(std::span<const std::uint8_t> in) { return deflate_with(in, 9, 15); }

}  // namespace support

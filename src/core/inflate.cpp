// SPDX-License-Identifier: Apache-2.0
#include "core/inflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>

#include "jwekms/secret.hpp"

namespace jwekms::core {

namespace {

// zlib's window holds plaintext, so what zlib frees is wiped first. Its size stands in front.
constexpr std::size_t header_bytes = alignof(std::max_align_t);

void* allocate(void*, unsigned items, unsigned size) {
  const std::size_t bytes = std::size_t{items} * size + header_bytes;
  auto* block = static_cast<std::uint8_t*>(std::malloc(bytes));
  if (block == nullptr) return nullptr;
  std::memcpy(block, &bytes, sizeof bytes);
  return block + header_bytes;
}

void release(void*, void* address) {
  auto* block = static_cast<std::uint8_t*>(address) - header_bytes;
  std::size_t bytes = 0;
  std::memcpy(&bytes, block, sizeof bytes);
  secure_wipe(block, bytes);
  std::free(block);
}

struct Stream {
  z_stream z{};
  Stream() {
    z.zalloc = allocate;
    z.zfree = release;
    constexpr int raw = -15;
    if (inflateInit2(&z, raw) != Z_OK) throw std::bad_alloc();
  }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
};

}  // namespace

Result<std::size_t> inflate_raw(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  constexpr std::size_t most = std::numeric_limits<uInt>::max();
  Stream stream;
  z_stream& z = stream.z;
  // zlib's input is not const for historical reasons; it is not written to.
  z.next_in = const_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(std::min(in.size(), most));
  // One byte more than the bound would do is never written: a full buffer without an end is enough.
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(std::min(out.size(), most));
  const int result = inflate(&z, Z_FINISH);
  if (result == Z_STREAM_END && z.avail_in == 0) return static_cast<std::size_t>(z.total_out);
  secure_wipe(out.data(), out.size());
  if (result == Z_MEM_ERROR) throw std::bad_alloc();
  if (result == Z_BUF_ERROR && z.avail_out == 0 && !in.empty())
    return Error{Errc::bad_request, 0, "the inflated content is above the configured size"};
  return Error{Errc::decryption_failed, 0, "decryption failed"};
}

}  // namespace jwekms::core

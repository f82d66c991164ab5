// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace bench {

/// Heap allocations of this thread so far: every malloc, calloc, realloc and aligned allocation of
/// the whole process image, so `new`, OpenSSL, SQLite and zlib are all in it. mmap is not. Stays 0
/// under sanitizers, which have an allocator of their own.
[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Takes the place of free() and realloc() in the whole program, so that a block which is given back
// with a secret in it is noticed, whoever gives it back. For one source file of a program; with
// glibc, and without a sanitizer's own allocator.

#include <malloc.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JWEKMS_FOREIGN_ALLOCATOR
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(JWEKMS_FOREIGN_ALLOCATOR)
#define JWEKMS_WATCHES_FREE

extern "C" {
void __libc_free(void*);
void* __libc_realloc(void*, std::size_t);
}

namespace freed_secrets {

struct Watched {
  std::span<const std::uint8_t> bytes;
  int freed = 0;  ///< Blocks that held them when they were given back.
};

/// What this thread looks for; null when it does not.
inline constinit thread_local std::vector<Watched>* watched = nullptr;

inline void look_at(const void* block) noexcept {
  if (watched == nullptr || block == nullptr) return;
  for (Watched& w : *watched)
    if (memmem(block, malloc_usable_size(const_cast<void*>(block)), w.bytes.data(),
               w.bytes.size()) != nullptr)
      ++w.freed;
}

}  // namespace freed_secrets

extern "C" {

void free(void* block) {
  freed_secrets::look_at(block);
  __libc_free(block);
}

// Whether it will move the block cannot be known beforehand, so growth of any block with a secret
// in it counts.
void* realloc(void* block, std::size_t size) {
  freed_secrets::look_at(block);
  return __libc_realloc(block, size);
}
}

#endif

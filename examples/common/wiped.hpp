// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <new>

#include "jwekms/secret.hpp"

namespace common {

/// Wipes what it takes back, when a container dies and whenever it grows: for what may be a
/// payload, a private key, a passphrase or a token.
template <class T>
struct WipingAllocator {
  using value_type = T;

  WipingAllocator() noexcept = default;
  template <class U>
  WipingAllocator(const WipingAllocator<U>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    jwekms::secure_wipe(memory, count * sizeof(T));
    ::operator delete(memory);
  }
  bool operator==(const WipingAllocator&) const noexcept = default;
};

}  // namespace common

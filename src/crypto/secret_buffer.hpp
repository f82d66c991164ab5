// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "jwekms/secret.hpp"

namespace jwekms::crypto {

/// What a forked child finds in a SecretBuffer.
enum class InChildren : std::uint8_t {
  zeros,
  the_same,  ///< For what a child cannot do without and cannot get again. See lock().
};

/// Secret bytes of a size known at run time, in pages of their own: locked against swap, left out
/// of core dumps, wiped in forked children unless asked otherwise, wiped when freed. Move-only.
///
/// mlock may be refused (RLIMIT_MEMLOCK); that is not an error, and locked() tells.
class SecretBuffer {
 public:
  SecretBuffer() noexcept = default;
  /// Throws std::bad_alloc alone.
  explicit SecretBuffer(std::size_t size, InChildren in_children = InChildren::zeros);
  ~SecretBuffer() { release(); }
  SecretBuffer(SecretBuffer&& other) noexcept;
  SecretBuffer& operator=(SecretBuffer&& other) noexcept;
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool locked() const noexcept { return locked_; }
  [[nodiscard]] std::span<std::uint8_t> bytes(InsecureSecretAccess) noexcept {
    return {data_, size_};
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes(InsecureSecretAccess) const noexcept {
    return {data_, size_};
  }
  /// Locks the pages, as a forked child has to: locks are not inherited.
  void lock() const noexcept;
  /// Shortens the buffer and wipes what is cut off. Precondition: size <= size().
  void truncate(std::size_t size) noexcept;

 private:
  void release() noexcept;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
  bool locked_ = false;
};

}  // namespace jwekms::crypto

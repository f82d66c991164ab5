// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Key material in memory that is wiped.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iosfwd>
#include <span>

namespace jwekms {

/// Overwrites memory in a way that the optimiser may not drop.
inline void secure_wipe(void* data, std::size_t size) noexcept {
  if (size == 0) return;
  std::memset(data, 0, size);
  // The compiler must assume that this reads the bytes, so the store above stays.
  __asm__ __volatile__("" : : "r"(data) : "memory");
}

/// The one way to a secret's bytes. Every place that looks at key material spells this out, so
/// that `grep -rn InsecureSecretAccess` lists them all.
class InsecureSecretAccess {
 public:
  /// What shows that the caller has spelt it out.
  [[nodiscard]] static constexpr InsecureSecretAccess token() noexcept { return {}; }

 private:
  constexpr InsecureSecretAccess() noexcept = default;
};

/// Up to `Capacity` bytes of key material: fixed storage, move-only, wiped when it dies and when
/// it is moved from. Cannot be copied, compared, streamed or formatted. `Tag` makes distinct types.
template <class Tag, std::size_t Capacity>
class Secret {
 public:
  static constexpr std::size_t capacity = Capacity;  ///< Bytes at most.

  Secret() noexcept = default;
  /// Wipes.
  ~Secret() { wipe(); }
  /// Leaves the other empty and wiped.
  Secret(Secret&& other) noexcept { take(other); }
  /// Wipes what was here, and the other.
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      wipe();
      take(other);
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  bool operator==(const Secret&) const = delete;
  template <class Char>
  friend std::basic_ostream<Char>& operator<<(std::basic_ostream<Char>&, const Secret&) = delete;

  /// Bytes of it. Not a secret.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The bytes, for as long as this object is neither changed nor destroyed.
  [[nodiscard]] std::span<const std::uint8_t> bytes(InsecureSecretAccess) const noexcept {
    return {bytes_.data(), size_};
  }
  /// Sets the size and gives the storage to fill. Precondition: size <= capacity.
  [[nodiscard]] std::span<std::uint8_t> fill(std::size_t size, InsecureSecretAccess) noexcept {
    size_ = size;
    return {bytes_.data(), size_};
  }
  /// Overwrites all of the storage; empty from then on.
  void wipe() noexcept {
    secure_wipe(bytes_.data(), bytes_.size());
    size_ = 0;
  }

 private:
  void take(Secret& other) noexcept {
    bytes_ = other.bytes_;
    size_ = other.size_;
    other.wipe();
  }
  std::array<std::uint8_t, Capacity> bytes_{};
  std::size_t size_ = 0;
};

/// A content encryption key, 16 to 64 bytes (RFC 7518 §5).
using Cek = Secret<struct CekTag, 64>;
/// A 256-bit key-encryption key of a key database.
using Kek = Secret<struct KekTag, 32>;

}  // namespace jwekms

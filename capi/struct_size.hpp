// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "jwekms/result.hpp"

namespace jwekms::capi {

/// The size up to and with a member: of a struct as it was in the release that ended with it.
#define JWEKMS_SIZE_THROUGH(type, member) (offsetof(type, member) + sizeof(type::member))

/// A `struct_size` above this was never set by anybody; the struct behind it is not looked at.
inline constexpr std::size_t max_struct_size = 4096;

/// Reads a struct of options that a caller of any release has filled in. What the caller's release
/// did not know yet is zero; what this release does not know must be.
/// @param in       its first member is the std::uint32_t `struct_size`; null: all zero.
/// @param earlier  sizeof the struct in each release that had less of it, JWEKMS_SIZE_THROUGH its
///                 last member then. A size between two of them would take half a member.
/// Errors: bad_request.
template <class T>
[[nodiscard]] Result<T> read_struct(const T* in,
                                    std::initializer_list<std::size_t> earlier = {}) noexcept {
  static_assert(std::is_trivial_v<T> && offsetof(T, struct_size) == 0);
  T out{};
  if (in == nullptr) return out;

  const std::size_t size = in->struct_size;
  const bool older = std::find(earlier.begin(), earlier.end(), size) != earlier.end();
  if ((size < sizeof(T) && !older) || size > max_struct_size)
    return Error{Errc::bad_request, 0, "struct_size is not a size of this struct"};
  const auto* bytes = reinterpret_cast<const unsigned char*>(in);
  if (size > sizeof(T) &&
      std::any_of(bytes + sizeof(T), bytes + size, [](unsigned char b) { return b != 0; }))
    return Error{Errc::bad_request, 0, "an option that this release does not know"};
  std::memcpy(&out, in, std::min(size, sizeof(T)));
  return out;
}

}  // namespace jwekms::capi

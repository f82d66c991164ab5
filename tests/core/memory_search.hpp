// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

namespace support {

/// How often `needle` stands in this process's own writable memory, itself left out.
inline std::size_t copies_of(std::span<const std::uint8_t> needle) {
  std::size_t found = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t first = 0, last = 0;
    char flags[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &first, &last, flags) != 3) continue;
    if (!std::string_view(flags).starts_with("rw")) continue;
    const auto* at = reinterpret_cast<const std::uint8_t*>(first);
    const auto* const end = reinterpret_cast<const std::uint8_t*>(last);
    while ((at = static_cast<const std::uint8_t*>(
                memmem(at, static_cast<std::size_t>(end - at), needle.data(), needle.size())))) {
      found += at != needle.data();
      ++at;
    }
  }
  return found;
}

}  // namespace support

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

namespace support {

/// The VmFlags of the mapping that holds an address, as in "rd wr mr mw me lo ac dd wf ".
inline std::string vm_flags(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    char* dash = nullptr;
    const auto first = std::strtoull(line.c_str(), &dash, 16);
    if (*dash == '-') {
      const auto last = std::strtoull(dash + 1, nullptr, 16);
      here = first <= wanted && wanted < last;
    }
    if (here && line.starts_with("VmFlags:")) return line.substr(8) + " ";
  }
  return {};
}

}  // namespace support

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <jwekms/hsm.hpp>

#include <map>
#include <string>
#include <vector>

namespace common {

/// What the UIDs of each HSM's keys begin with: "hsm::softhsm2::", "hsm::softhsm2_1::", ...
[[nodiscard]] inline std::vector<std::string> hsm_prefixes(
    const std::vector<jwekms::HsmOptions>& hsms) {
  std::vector<std::string> prefixes;
  std::map<std::string, int> instances;
  for (const jwekms::HsmOptions& hsm : hsms) {
    const int before = instances[hsm.model]++;
    prefixes.push_back("hsm::" + hsm.model + (before == 0 ? "" : '_' + std::to_string(before)) +
                       "::");
  }
  return prefixes;
}

}  // namespace common

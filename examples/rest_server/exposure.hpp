// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "jwekms/config.hpp"

namespace rest {

/// What a configuration leaves open to the network; empty when nothing. On an address that only
/// this machine can reach, TLS and authentication may be left out.
/// @param loopback  whether all addresses that the hostname stands for are such.
[[nodiscard]] std::vector<std::string> exposures(const jwekms::ServerOptions& options,
                                                 bool loopback);

}  // namespace rest

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

/// Whether one configuration serves who brings no credentials, and the one before it did not. On
/// any address: whoever reaches the server then acts as AuthOptions::anonymous.
[[nodiscard]] bool drops_authentication(const jwekms::ServerOptions& before,
                                        const jwekms::ServerOptions& after);

}  // namespace rest

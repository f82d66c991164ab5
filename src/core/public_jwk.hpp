// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "jwekms/provider.hpp"

namespace jwekms::core {

/// What Key::public_jwk() says of an RSA key, wherever it lives. RFC 7517.
/// @param n, e  big-endian without leading zeros.
[[nodiscard]] std::string write_public_jwk(const KeyInfo& info, std::span<const std::uint8_t> n,
                                           std::span<const std::uint8_t> e);

}  // namespace jwekms::core

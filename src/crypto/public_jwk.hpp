// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "crypto/rsa_public_key.hpp"
#include "jwekms/provider.hpp"

namespace jwekms::crypto {

/// The public half of an RSA key as a JWK (RFC 7517), for senders.
/// @param n, e  big-endian without leading zeros.
[[nodiscard]] std::string write_public_jwk(const KeyInfo& info, std::span<const std::uint8_t> n,
                                           std::span<const std::uint8_t> e);

/// The way back: `n` and `e` of an RSA JWK. One that holds a private member is refused.
/// Errors: bad_request (not such a JWK), crypto_failure (not an RSA key that can encrypt).
[[nodiscard]] Result<std::shared_ptr<const RsaPublicKey>> read_public_jwk(
    std::shared_ptr<const Library> library, std::string_view jwk);

}  // namespace jwekms::crypto

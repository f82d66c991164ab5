// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>

#include "crypto/aes_gcm.hpp"
#include "crypto/library.hpp"
#include "jwekms/provider.hpp"

namespace jwekms::db {

/// @param pkcs8  what crypto::RsaKey::to_pkcs8 wrote. Errors: internal_error.
[[nodiscard]] Result<std::shared_ptr<const Key>> make_rsa_key(
    std::shared_ptr<const crypto::Library> library, KeyInfo info,
    std::span<const std::uint8_t> pkcs8);

/// @param budget  meters what is encrypted under the key. Errors: internal_error.
[[nodiscard]] Result<std::shared_ptr<const Key>> make_oct_key(
    std::shared_ptr<const crypto::Library> library, KeyInfo info,
    std::span<const std::uint8_t> bytes, std::shared_ptr<crypto::EncryptionBudget> budget);

}  // namespace jwekms::db

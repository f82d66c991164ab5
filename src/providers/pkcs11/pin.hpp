// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "crypto/secret_buffer.hpp"
#include "jwekms/result.hpp"

namespace jwekms::pkcs11 {

/// Kept for the life of a slot: a reconnection and a forked child log in anew.
using Pin = crypto::SecretBuffer;

/// Reads a PIN from where HsmSlot::pin says. Errors: bad_request (too long, no such variable),
/// unavailable (the file cannot be read).
[[nodiscard]] Result<std::shared_ptr<const Pin>> read_pin(const std::string& reference);

}  // namespace jwekms::pkcs11

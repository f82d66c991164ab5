// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/gate.hpp"
#include "jwekms/policy.hpp"
#include "jwekms/provider.hpp"

namespace jwekms::core {

/// Whether keys of a type can serve an `alg` at all.
[[nodiscard]] bool type_fits(KeyType type, KeyManagement mode) noexcept;

/// Whether a key serves an operation with these algorithms, whoever asks; the gate comes before.
/// @param operation  decrypt, encrypt or unwrap.
/// Errors: forbidden (state), crypto_failure (type, size, `alg`, `enc` or use does not fit).
[[nodiscard]] Result<void> check_use(const KeyInfo& key, Operation operation, const AlgRow& alg,
                                     const EncRow& enc, const Policy& policy);

}  // namespace jwekms::core

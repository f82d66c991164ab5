// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a database says of its key-encryption key: that somebody brings it, or how an HSM has
// wrapped it; and a check value under the key itself over all that, which ties it to this database.
//
//   'F' check(28)                                                        a file, or handed in
//   'H' mechanism(1 + n) wrapped_by(2 + n) bytes(2 + n) check(28)        each behind its length

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/kek_wrapper.hpp"
#include "crypto/library.hpp"
#include "jwekms/result.hpp"
#include "jwekms/secret.hpp"

namespace jwekms::db {

/// @param wrapped  null: the key stays outside.
[[nodiscard]] Result<std::vector<std::uint8_t>> write_kek_entry(const crypto::Library& library,
                                                                const Kek& kek,
                                                                const core::WrappedKek* wrapped);

/// What an HSM has to unwrap; nothing when the key is outside. Not to be believed before the key
/// that comes of it has passed check_kek(). Errors: internal_error (damaged).
[[nodiscard]] Result<std::optional<core::WrappedKek>> read_kek_entry(
    std::span<const std::uint8_t> entry);

/// Errors: crypto_failure (another key, or the entry was changed), internal_error (damaged).
[[nodiscard]] Result<void> check_kek(const crypto::Library& library, const Kek& kek,
                                     std::span<const std::uint8_t> entry);

}  // namespace jwekms::db

// SPDX-License-Identifier: Apache-2.0
#pragma once

// What stands in a database, and how it is bound to the key-encryption key: AES-256-GCM under a
// fresh random IV, with everything else that stands in the row as additional data. A row that was
// swapped, edited or cut is noticed.
//
// What this cannot notice is a whole row, or a whole database, put back as it once was; nor a row
// that was removed. Both need a memory outside the database.
//
// NIST SP 800-38D §8.3 allows 2^32 random IVs to a key. One goes with each change of a key, alias
// or grant: at a hundred changes a second, without pause, that lasts for sixteen months; changing
// the key-encryption key starts anew. So they are not counted.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "crypto/library.hpp"
#include "crypto/secret_buffer.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"
#include "jwekms/secret.hpp"
#include "providers/db/store.hpp"

namespace jwekms::db {

inline constexpr Error damaged{Errc::internal_error, 0, "the key record is damaged"};

struct OpenedRecord {
  KeyInfo info;                 ///< Without its aliases.
  crypto::SecretBuffer secret;  ///< Empty for a destroyed key.
};

/// @param secret  PKCS#8 of an RSA key, the bytes of a symmetric one, nothing of a destroyed one.
[[nodiscard]] Result<KeyRow> seal_record(const crypto::Library& library, const Kek& kek,
                                         const KeyInfo& info, std::span<const std::uint8_t> secret);
/// Errors: internal_error (damaged).
[[nodiscard]] Result<OpenedRecord> open_record(const crypto::Library& library, const Kek& kek,
                                               const KeyRow& row);

[[nodiscard]] Result<AliasRow> seal_alias(const crypto::Library& library, const Kek& kek,
                                          std::string_view alias, std::string_view uid);
/// Errors: internal_error (damaged).
[[nodiscard]] Result<void> check_alias(const crypto::Library& library, const Kek& kek,
                                       const AliasRow& row);

[[nodiscard]] Result<GrantRow> seal_grant(const crypto::Library& library, const Kek& kek,
                                          GrantRow row);
/// Errors: internal_error (damaged).
[[nodiscard]] Result<void> check_grant(const crypto::Library& library, const Kek& kek,
                                       const GrantRow& row);

/// Seals a row anew under another key. Errors: internal_error (damaged).
[[nodiscard]] Result<void> reseal(const crypto::Library& library, const Kek& from, const Kek& to,
                                  KeyRow& row);
[[nodiscard]] Result<void> reseal(const crypto::Library& library, const Kek& from, const Kek& to,
                                  AliasRow& row);
[[nodiscard]] Result<void> reseal(const crypto::Library& library, const Kek& from, const Kek& to,
                                  GrantRow& row);

}  // namespace jwekms::db

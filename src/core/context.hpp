// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "crypto/library.hpp"
#include "jwekms/kms.hpp"

namespace jwekms::core {

/// What a Kms is made of. Immutable.
struct Context {
  std::shared_ptr<const crypto::Library> library;
  std::vector<std::shared_ptr<KeyProvider>> providers;  ///< Longest prefix first.
  Policy policy;

  /// The provider that a UID, alias or `kid` belongs to. Errors: bad_request (malformed UID),
  /// not_found (nobody has such UIDs).
  [[nodiscard]] Result<KeyProvider*> route(std::string_view uid) const;
  /// The provider for a new key; an empty UID means the database. Errors: bad_request.
  [[nodiscard]] Result<KeyProvider*> route_new(std::string_view uid) const;
  [[nodiscard]] Result<std::shared_ptr<const Key>> resolve(std::string_view kid) const;
};

enum class Operation : std::uint8_t { decrypt, encrypt, unwrap };

/// The one gate: whether a key may be used for an operation with these algorithms. Every use of
/// every key of every provider passes here.
/// Errors: forbidden (state), crypto_failure (type, size, `alg`, `enc` or use does not fit).
[[nodiscard]] Result<void> authorise(const KeyInfo& key, Operation operation, const AlgRow& alg,
                                     const EncRow& enc, const Policy& policy);

}  // namespace jwekms::core

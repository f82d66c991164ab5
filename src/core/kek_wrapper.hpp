// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jwekms/result.hpp"
#include "jwekms/secret.hpp"

namespace jwekms::core {

/// A database's key-encryption key as an HSM has wrapped it. No secret.
struct WrappedKek {
  std::string mechanism{};   ///< How, in the wrapper's own words; at most 255 bytes.
  std::string wrapped_by{};  ///< UID of the HSM's key at that time.
  std::vector<std::uint8_t> bytes{};
};

/// Wraps a database's key-encryption key with a key that only an HSM has. Thread-safe, and usable
/// in a forked child.
class KekWrapper {
 public:
  KekWrapper() = default;
  KekWrapper(const KekWrapper&) = delete;
  KekWrapper& operator=(const KekWrapper&) = delete;
  virtual ~KekWrapper() = default;

  /// Errors: not_found (the HSM has no such key), unavailable, internal_error.
  [[nodiscard]] virtual Result<WrappedKek> wrap(const Kek& kek) = 0;
  /// @param kek  filled on success alone.
  /// Errors: crypto_failure (another key wrapped it, or it was changed), not_found, unavailable,
  /// unsupported_algorithm (the HSM does not know the mechanism), internal_error.
  [[nodiscard]] virtual Result<void> unwrap(const WrappedKek& wrapped, Kek& kek) = 0;
};

}  // namespace jwekms::core

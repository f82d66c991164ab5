// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "jwekms/result.hpp"

namespace jwekms::core {

/// Counts the encryptions under keys, durably and for all processes that share it. A key is known
/// by a name alone, mostly its UID: one that takes the UID of another goes on with its count.
/// Thread-safe, and usable in a forked child.
class EncryptionCounter {
 public:
  EncryptionCounter() = default;
  EncryptionCounter(const EncryptionCounter&) = delete;
  EncryptionCounter& operator=(const EncryptionCounter&) = delete;
  virtual ~EncryptionCounter() = default;

  /// Takes encryptions from a key's count, for good: `most`, or fewer where few are left below
  /// `limit`; 0 when there are none. Errors: unavailable, internal_error (damaged).
  [[nodiscard]] virtual Result<std::uint64_t> lease_encryptions(std::string_view uid,
                                                                std::uint64_t most,
                                                                std::uint64_t limit) = 0;
};

}  // namespace jwekms::core

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "crypto/library.hpp"
#include "crypto/secret_buffer.hpp"
#include "jwekms/result.hpp"
#include "jwekms/secret.hpp"

namespace jwekms::db {

/// A key-encryption key in a page of its own: locked, left out of core dumps, and zeroed in forked
/// children. A child therefore reads the file, or asks the HSM, again (vault.hpp).
class HeldKek {
 public:
  /// Without bytes as yet.
  HeldKek();
  explicit HeldKek(std::span<const std::uint8_t, Kek::capacity> bytes);
  [[nodiscard]] static Result<HeldKek> random(const crypto::Library& library);

  [[nodiscard]] const Kek& kek() const noexcept;
  [[nodiscard]] Kek& to_fill() noexcept;

 private:
  crypto::SecretBuffer page_;
};

/// Reads a key-encryption key file: 43 characters of base64url and a newline. Nothing if there is
/// no such file.
/// Errors: unavailable (cannot be read), forbidden (a symbolic link, not a regular file, owned by
/// another user, or open to group or others), internal_error (damaged).
[[nodiscard]] Result<std::optional<HeldKek>> read_kek_file(const std::string& path);

/// Makes a key-encryption key file unless there is one. Of several processes one wins.
/// @return true if this call made it. Errors: unavailable.
[[nodiscard]] Result<bool> make_kek_file(const crypto::Library& library, const std::string& path);

}  // namespace jwekms::db

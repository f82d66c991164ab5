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

// A rotation makes the new key's file beside the one in use, and puts it in its place when all
// records are sealed under it. Whoever opens the database in between does the latter.

[[nodiscard]] std::string next_kek_path(const std::string& path);
[[nodiscard]] std::string old_kek_path(const std::string& path);

/// Makes the next file, in place of one that an interrupted rotation left. Errors: unavailable,
/// conflict (there is an old file).
[[nodiscard]] Result<void> make_next_kek_file(const crypto::Library& library,
                                              const std::string& path);
/// Keeps the file in use as the old one, and puts the next one in its place. Does no harm when it
/// has been done. Errors: unavailable.
[[nodiscard]] Result<void> promote_next_kek_file(const std::string& path);

}  // namespace jwekms::db

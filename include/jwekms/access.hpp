// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Permissions, principals and grants: who may do what with a key. The rules are in
/// Kms::on_behalf_of (kms.hpp).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/algorithms.hpp"
#include "jwekms/json.hpp"
#include "jwekms/result.hpp"

namespace jwekms {

/// What a grant lets a principal do with one key. Whoever was granted anything may also describe
/// the key. The values are stored and never change.
enum class Permission : std::uint8_t {
  decrypt = 0,   ///< Of a reencryption, the first half.
  encrypt = 1,   ///< With the public half, too; of a reencryption, the second half.
  unwrap = 2,    ///< Keep a CEK that the key unwraps. Tells whether an `encrypted_key` opens.
  describe = 3,  ///< See its KeyInfo.
  manage = 4,    ///< States and aliases. Does not destroy.
  grant = 5,     ///< Hand on what one was granted oneself, see all grants, and revoke any.
};
/// What a grant allows, together.
using Permissions = IdSet<Permission>;

/// All that a grant can allow. It is still less than owning the key.
inline constexpr Permissions all_permissions{Permission::decrypt, Permission::encrypt,
                                             Permission::unwrap,  Permission::describe,
                                             Permission::manage,  Permission::grant};

/// As it stands in JSON and on a command line.
[[nodiscard]] constexpr std::string_view name(Permission permission) noexcept {
  switch (permission) {
    case Permission::decrypt: return "decrypt";
    case Permission::encrypt: return "encrypt";
    case Permission::unwrap: return "unwrap";
    case Permission::describe: return "describe";
    case Permission::manage: return "manage";
    case Permission::grant: return "grant";
  }
  return "";
}

/// In a grant or in a list of admins: every principal there is. Nobody's own name.
inline constexpr std::string_view every_principal = "*";

/// The longest name of a principal.
inline constexpr std::size_t max_principal_bytes = 256;

/// Whether a name can be a principal's: 1 to 256 bytes of UTF-8, no control characters, not "*".
/// Errors: bad_request.
[[nodiscard]] inline Result<void> check_principal(std::string_view name) noexcept {
  constexpr Error malformed{Errc::bad_request, 0, "malformed name of a principal"};
  if (name.empty() || name.size() > max_principal_bytes || name == every_principal)
    return malformed;
  while (!name.empty()) {
    const auto c = static_cast<unsigned char>(name[0]);
    if (c < 0x20 || c == 0x7F) return malformed;
    const std::size_t size = c < 0x80 ? 1 : json::detail::utf8_size(name);
    // U+0080 to U+009F are control characters too.
    if (size == 0 || (c == 0xC2 && static_cast<unsigned char>(name[1]) < 0xA0)) return malformed;
    name.remove_prefix(size);
  }
  return {};
}

/// Whether a name can stand in a grant or in a list of admins. Errors: bad_request.
[[nodiscard]] inline Result<void> check_grantee(std::string_view name) noexcept {
  if (name == every_principal) return {};
  return check_principal(name);
}

/// What one principal, or every one ("*"), was granted with a key.
struct Grant {
  std::string principal{};    ///< Or every_principal.
  Permissions permissions{};  ///< One at least.
};

/// Where grants are kept, by the UIDs of keys that may live anywhere. It keeps and does not decide.
/// What was acknowledged is durable. Thread-safe.
/// Errors of every call: unavailable, internal_error (damaged).
class GrantStore {
 public:
  GrantStore() = default;
  GrantStore(const GrantStore&) = delete;
  GrantStore& operator=(const GrantStore&) = delete;
  virtual ~GrantStore() = default;

  /// What a principal was granted, together with what every principal was. Asked for each use of a
  /// key by somebody who neither owns nor administers it: it should answer from memory.
  [[nodiscard]] virtual Result<Permissions> granted(std::string_view uid,
                                                    std::string_view principal) const = 0;
  /// In the order of the names' bytes.
  [[nodiscard]] virtual Result<std::vector<Grant>> list(std::string_view uid) const = 0;
  /// Takes the place of what the principal was granted before.
  [[nodiscard]] virtual Result<void> put(std::string_view uid, std::string_view principal,
                                         Permissions permissions) = 0;
  /// Errors: not_found.
  [[nodiscard]] virtual Result<void> remove(std::string_view uid, std::string_view principal) = 0;
  /// All grants of a key that is no more, if there are any.
  [[nodiscard]] virtual Result<void> remove_all(std::string_view uid) = 0;
};

}  // namespace jwekms

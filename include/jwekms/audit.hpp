// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a host is told of each call.

#include <chrono>
#include <functional>
#include <optional>
#include <string_view>

#include "jwekms/access.hpp"
#include "jwekms/error.hpp"

namespace jwekms {

/// One call of a Kms, after it was decided. Never token or key bytes; but the names of keys are
/// bytes that a stranger may have chosen, so whoever writes them to a log escapes them. All views
/// are valid during the call of the sink only.
struct AuditEvent {
  std::string_view principal{};  ///< Who called; empty: the host itself.
  /// The call's name: "decrypt", "encrypt", "reencrypt", "unwrap_key", "create_key", "import_key",
  /// "describe_key", "list_keys", "public_jwk", "public_jwks", "add_alias", "remove_alias",
  /// "set_key_state" ("destroy_key" where that destroys), "grant", "revoke" or "grants". Static
  /// storage. (ServiceResponse::operation names requests instead.)
  std::string_view operation{};
  std::string_view kid{};  ///< The key, as the caller or the token names it.
  std::string_view uid{};  ///< The key that was found, or made; empty: none.
  /// What else it was about. unwrap_key: the UID of the CEK that was kept. reencrypt: the key
  /// encrypted to, as the caller names it. grant, revoke: to or from whom. add_alias: the alias.
  std::string_view other{};
  Permissions permissions{};        ///< grant alone.
  std::optional<Errc> error{};      ///< Why it failed; none: it succeeded.
  std::chrono::nanoseconds time{};  ///< How long it took.
};

/// Called once for each call that might touch a key, from the thread that made it, before it
/// returns. Must not throw.
using AuditSink = std::function<void(const AuditEvent&)>;

}  // namespace jwekms

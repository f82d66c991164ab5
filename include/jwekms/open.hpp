// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Opening a Kms, and what is done to a whole database.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/audit.hpp"
#include "jwekms/export.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/kms.hpp"
#include "jwekms/policy.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"

namespace jwekms {

/// A key database in one SQLite file. Every secret in it is encrypted under the key-encryption
/// key with its record's metadata bound to it. Several processes may share the file.
/// It counts what is encrypted under AES keys, its own and those of the HSMs: 2^32 at most.
struct DatabaseOptions {
  std::string path{};         ///< Created if absent. Empty: no database.
  bool make_folders = false;  ///< Create the folders of `path` too where absent, mode 0700.
  /// File with the key-encryption key; empty: `path` + ".kek". Created with mode 0600 when the
  /// database is, unless it is there, and a warning is given: keep it apart from the database's
  /// backups. Refused when group or others have any right to it, when it belongs to anybody but
  /// root and this process's effective user, and when it is a symbolic link.
  std::string kek_path{};
  /// The key-encryption key itself, 32 bytes, handed in by the host instead of `kek_path`.
  std::optional<std::span<const std::uint8_t>> kek{};
  /// UID of an AES-256 key in one of Options::hsms that wraps the key-encryption key, which is then
  /// kept, wrapped, in the database itself: without the HSM nobody opens it. Excludes the two
  /// above. The key must be there; it wraps by AES-GCM if it may encrypt and decrypt and the HSM
  /// can, else by AES key wrap if it may wrap and unwrap. create_key with KeyType::oct makes one
  /// for AES-GCM; one for AES key wrap is made by the HSM's own tool. It serves no JWE: as the key
  /// of a token it is `forbidden`.
  std::string key_encryption_key{};
  /// How long another process's change (a revocation above all) may go unseen.
  std::chrono::milliseconds cache_ttl{1000};
  std::size_t cache_entries = 1024;              ///< Decrypted keys held at most.
  std::chrono::milliseconds busy_timeout{5000};  ///< Wait for another process's write.
};

/// Receives warnings for the operator; never key or token bytes. Called from any thread.
using WarningSink = std::function<void(std::string_view text)>;

/// What open() opens, and by which rules.
struct Options {
  DatabaseOptions database{};        ///< Where keys are kept.
  std::vector<HsmOptions> hsms{};    ///< The Kms must not outlive main() when there are any.
  std::vector<HsmPool> hsm_pools{};  ///< Which slots stand in for one another.
  std::vector<std::shared_ptr<KeyProvider>> providers{};  ///< Your own (provider.hpp).
  Policy policy{};                                        ///< Which tokens are let in.
  /// OpenSSL property query for every algorithm, `fips=yes` for one. The host's own OpenSSL
  /// configuration is neither read nor changed; providers other than the default one come from
  /// `openssl_config`, a configuration file for this Kms alone.
  std::string openssl_properties{};
  std::string openssl_config{};  ///< Empty: none, and the default provider alone.
  WarningSink on_warning{};      ///< Empty: warnings go to standard error.
  /// Principals who may do everything with every key; "*" is every principal.
  std::vector<std::string> admins{};
  AuditSink on_audit{};  ///< Empty: no audit, at no cost.
};

/// Opens a Kms. Thread-safe.
/// Errors: bad_request (options), unsupported_algorithm (the policy names what is not implemented;
/// the HSM cannot wrap with key_encryption_key), unavailable (database, key file or HSM out of
/// reach), not_found (the HSM has no key_encryption_key), forbidden (the file with the
/// key-encryption key is one of those that kek_path refuses), crypto_failure (the key-encryption
/// key is not this database's, or is kept in another way: file or HSM), internal_error.
[[nodiscard]] JWEKMS_API Result<Kms> open(const Options& options);

/// Changes who keeps a database's key-encryption key: from a file to an HSM, or from one key of an
/// HSM to another. The key itself stays, so a copy that somebody has of the file, or of the
/// database and the old HSM key, still opens what it opened: destroy them. Processes that have the
/// database open go on; their forked children, and they themselves after a restart, need the new
/// options. Thread-safe.
/// @param options  as the database is opened now.
/// @param to       UID of the key that wraps from now on, in one of `options.hsms`.
/// Errors: those of open(); not_found (no such database), conflict (changed by another process).
[[nodiscard]] JWEKMS_API Result<void> rewrap_database(const Options& options, std::string_view to);

/// Receives how far a long task has come, in records. Called from the thread that does it.
using ProgressSink = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// Gives a database a new key-encryption key, kept where the one before was, and seals every record
/// anew under it: for when the key may be known to somebody, or is old enough. All or nothing: what
/// ends in the middle, by kill -9 too, has changed nothing and can be begun again.
///
/// Nobody else may have the database open meanwhile. The old key file becomes `kek_path` + ".old":
/// old copies of the database open with it alone. Destroy it with them; there is no other rotation
/// while it is there. With key_encryption_key, old copies hold their own key, for the HSM to
/// unwrap.
/// @param options  as the database is opened. Not with `kek`, which the host would have to replace.
/// Errors: those of open(); not_found (no such database), bad_request (`kek`), conflict (the old
/// file of an earlier rotation), unavailable (somebody has the database open).
[[nodiscard]] JWEKMS_API Result<void> rotate_kek(const Options& options,
                                                 const ProgressSink& progress = {});

}  // namespace jwekms

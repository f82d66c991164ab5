// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/encryption_counter.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"

namespace jwekms::db {

/// A key as it is stored. Nothing in it is believed before record.hpp has checked it.
struct KeyRow {
  std::string uid;
  std::int64_t type = 0;
  std::int64_t bits = 0;
  std::string algs;  ///< JOSE names in the table's order, with a space between.
  std::string enc;   ///< JOSE name, or empty.
  std::int64_t state = 0;
  std::int64_t may_decrypt = 0;
  std::int64_t may_encrypt = 0;
  std::string owner;
  std::string parent;
  std::int64_t created_at_s = 0;
  std::int64_t version = 0;
  std::vector<std::uint8_t> iv, sealed, tag;
};

/// Another name of a key.
struct AliasRow {
  std::string alias;
  std::string uid;
  std::vector<std::uint8_t> iv, tag;
};

/// What one principal, or every one, may do with one key, which may live in an HSM.
struct GrantRow {
  std::string uid;
  std::string principal;
  std::int64_t permissions = 0;  ///< Bits of Permissions.
  std::int64_t version = 0;
  std::vector<std::uint8_t> iv, tag;
};

/// What tells whether a key is still the one that was read.
struct Stamp {
  std::string uid;
  std::int64_t version = 0;
  std::int64_t state = 0;
};

/// What an update does to a key's aliases.
struct AliasChange {
  std::span<const AliasRow> add;
  std::optional<std::string_view> remove;
  bool remove_all = false;  ///< And the key's grants: it is destroyed.
};

/// Who may have a database open.
enum class Sharing : std::uint8_t { many, alone };

/// What happens to each row in turn. An error, or an exception, ends it.
struct RowChanges {
  std::function<Result<void>(KeyRow&)> key;
  std::function<Result<void>(AliasRow&)> alias;
  std::function<Result<void>(GrantRow&)> grant;
};

/// Rows in, rows out; no cryptography and no secrets in the clear. Names are opaque bytes. A change
/// is durable when its call returns. Thread-safe, and usable in a forked child.
///
/// Errors of every call: unavailable (cannot be reached, locked, full), internal_error (the file is
/// damaged or foreign).
class Store : public core::EncryptionCounter {
 public:
  /// Makes the database if there is none. Nothing is touched before. Errors: bad_request (path).
  [[nodiscard]] virtual Result<void> open() = 0;

  /// A value that belongs to the whole database. When there is none, `make` makes it, under the
  /// write lock, so that of several processes one does; it must not call the store.
  /// Errors: internal_error when there is none although there are keys.
  [[nodiscard]] virtual Result<std::vector<std::uint8_t>> meta(
      std::string_view name, const std::function<Result<std::vector<std::uint8_t>>()>& make) = 0;

  /// Puts `to` in the place of `from`; false when another stands there by now.
  [[nodiscard]] virtual Result<bool> replace_meta(std::string_view name,
                                                  const std::vector<std::uint8_t>& from,
                                                  const std::vector<std::uint8_t>& to) = 0;

  [[nodiscard]] virtual Result<std::optional<KeyRow>> find_key(std::string_view uid) = 0;
  [[nodiscard]] virtual Result<std::optional<AliasRow>> find_alias(std::string_view alias) = 0;
  /// In the aliases' own order.
  [[nodiscard]] virtual Result<std::vector<AliasRow>> aliases_of(std::string_view uid) = 0;
  /// The next rows in UID order, destroyed ones too.
  [[nodiscard]] virtual Result<std::vector<KeyRow>> page(std::string_view after,
                                                         std::size_t limit) = 0;
  /// Of the key that a UID or alias names.
  [[nodiscard]] virtual Result<std::optional<Stamp>> stamp(std::string_view name) = 0;

  /// Errors: conflict when any of the names is taken: by a UID, by an alias, or as that of a key
  /// pair's public half (key_uid.hpp).
  [[nodiscard]] virtual Result<void> insert(const KeyRow& row,
                                            std::span<const AliasRow> aliases) = 0;
  /// Replaces a row whose version is one below `row.version`; false when there is none.
  /// Errors: conflict when an added alias is taken.
  [[nodiscard]] virtual Result<bool> update(const KeyRow& row, const AliasChange& aliases) = 0;

  /// What a principal was granted with a key, and what every one ("*") was: two rows at most.
  [[nodiscard]] virtual Result<std::vector<GrantRow>> grants_to(std::string_view uid,
                                                                std::string_view principal) = 0;
  /// In the principals' own order.
  [[nodiscard]] virtual Result<std::vector<GrantRow>> grants_of(std::string_view uid) = 0;
  /// Puts a row in, or in the place of one whose version is one below; false when there is another.
  [[nodiscard]] virtual Result<bool> put_grant(const GrantRow& row) = 0;
  /// False when there is none.
  [[nodiscard]] virtual Result<bool> remove_grant(std::string_view uid,
                                                  std::string_view principal) = 0;
  [[nodiscard]] virtual Result<void> remove_grants(std::string_view uid) = 0;

  /// Stores `iv`, `sealed` and `tag` of all rows as `changes` leave them, and `to` in the place of
  /// `from`: all of it, or nothing. For a store that is Sharing::alone.
  /// @param progress  may be empty.
  /// Errors: also those of `changes`, and conflict (another value stands there by now).
  [[nodiscard]] virtual Result<void> change_all(
      std::string_view name, const std::vector<std::uint8_t>& from,
      const std::vector<std::uint8_t>& to, const RowChanges& changes,
      const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) = 0;

  /// Overwrites what remains of replaced rows outside the tables. False: not now.
  [[nodiscard]] virtual Result<bool> scrub() = 0;
};

}  // namespace jwekms::db

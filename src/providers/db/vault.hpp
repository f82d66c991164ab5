// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "crypto/library.hpp"
#include "jwekms/open.hpp"
#include "providers/db/kek.hpp"
#include "providers/db/per_process.hpp"
#include "providers/db/record.hpp"
#include "providers/db/store.hpp"

namespace jwekms::db {

/// Seals and opens one database's rows with its key-encryption key, which it has checked.
/// Thread-safe. A forked child reads the key file again: the key itself does not cross a fork.
class Vault {
 public:
  /// Finds the database's key-encryption key, or makes one for a new database.
  /// Errors: bad_request, unavailable (the key file of an existing database is missing), and those
  /// of read_kek_file, check_kek and Store::meta.
  [[nodiscard]] static Result<std::shared_ptr<const Vault>> open(
      std::shared_ptr<const crypto::Library> library, std::shared_ptr<Store> store,
      const DatabaseOptions& options, const WarningSink& warn);

  [[nodiscard]] Result<KeyRow> seal(const KeyInfo& info,
                                    std::span<const std::uint8_t> secret) const;
  [[nodiscard]] Result<OpenedRecord> open(const KeyRow& row) const;
  [[nodiscard]] Result<AliasRow> seal_alias(std::string_view alias, std::string_view uid) const;
  [[nodiscard]] Result<void> check(const AliasRow& row) const;
  [[nodiscard]] Result<GrantRow> seal_grant(GrantRow row) const;
  [[nodiscard]] Result<void> check(const GrantRow& row) const;

 private:
  struct Held {
    std::mutex mutex;
    std::optional<HeldKek> kek;  ///< Never changes once it is there.
  };
  Vault(std::shared_ptr<const crypto::Library> library, std::shared_ptr<Store> store,
        std::string kek_path);
  [[nodiscard]] Result<void> find_or_make(const WarningSink& warn);
  /// Fills `held` unless there is no file.
  [[nodiscard]] Result<void> read_file(std::optional<HeldKek>& held) const;
  [[nodiscard]] Result<const Kek*> kek() const;

  std::shared_ptr<const crypto::Library> library_;
  std::shared_ptr<Store> store_;
  std::string kek_path_;  ///< Empty: the host handed the key in.
  PerProcess<Held> held_;
};

}  // namespace jwekms::db

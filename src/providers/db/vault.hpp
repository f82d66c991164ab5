// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/kek_wrapper.hpp"
#include "crypto/library.hpp"
#include "jwekms/open.hpp"
#include "providers/db/kek.hpp"
#include "providers/db/per_process.hpp"
#include "providers/db/record.hpp"
#include "providers/db/store.hpp"

namespace jwekms::db {

/// Seals and opens one database's rows with its key-encryption key, which it has checked.
/// Thread-safe. A forked child reads the key file, or asks the HSM, again: the key itself does not
/// cross a fork.
class Vault {
 public:
  /// Finds the database's key-encryption key, or makes one for a new database.
  /// @param wrapper  of DatabaseOptions::key_encryption_key; null where there is none.
  /// Errors: bad_request, unavailable (the key file of an existing database is missing),
  /// crypto_failure (the key is not this database's, or is kept in another way), and those of
  /// read_kek_file, KekWrapper and Store::meta.
  [[nodiscard]] static Result<std::shared_ptr<const Vault>> open(
      std::shared_ptr<const crypto::Library> library, std::shared_ptr<Store> store,
      const DatabaseOptions& options, std::shared_ptr<core::KekWrapper> wrapper,
      const WarningSink& warn);

  [[nodiscard]] Result<KeyRow> seal(const KeyInfo& info,
                                    std::span<const std::uint8_t> secret) const;
  [[nodiscard]] Result<OpenedRecord> open(const KeyRow& row) const;
  [[nodiscard]] Result<AliasRow> seal_alias(std::string_view alias, std::string_view uid) const;
  [[nodiscard]] Result<void> check(const AliasRow& row) const;
  [[nodiscard]] Result<GrantRow> seal_grant(GrantRow row) const;
  [[nodiscard]] Result<void> check(const GrantRow& row) const;

  /// Has the key-encryption key wrapped by another key of an HSM, and stores that instead of what
  /// was there. The key itself stays the same.
  [[nodiscard]] Result<void> rewrap(core::KekWrapper& to) const;

  /// Seals all rows anew, under a fresh key-encryption key that is kept where the one before was.
  /// The vault is of no use afterwards. For a store that is Sharing::alone.
  /// @param progress  may be empty.
  [[nodiscard]] Result<void> rotate(const ProgressSink& progress) const;

 private:
  using Entry = std::vector<std::uint8_t>;  ///< kek_entry.hpp
  struct Held {
    std::mutex mutex;
    std::optional<HeldKek> kek;  ///< Never changes once it is there.
  };
  Vault(std::shared_ptr<const crypto::Library> library, std::shared_ptr<Store> store,
        std::string kek_path, std::shared_ptr<core::KekWrapper> wrapper);
  [[nodiscard]] Result<void> find_or_make(const WarningSink& warn);
  /// Has a key wrapped, and unwrapped again before anybody relies on that.
  [[nodiscard]] Result<Entry> wrap_entry(core::KekWrapper& wrapper, const Kek& kek) const;
  [[nodiscard]] Result<Entry> new_entry(std::optional<HeldKek>& held, bool& made) const;
  /// Gets the key that an entry speaks of, unless it is held, and checks it.
  [[nodiscard]] Result<void> fetch(const Entry& entry, std::optional<HeldKek>& held) const;
  /// Fills `held` unless there is no file.
  [[nodiscard]] Result<void> read_file(std::optional<HeldKek>& held) const;
  /// Finds the file whose key an entry is about. It is the next one where a rotation was cut off
  /// between the database's change and the file's.
  [[nodiscard]] Result<void> find_file(const Entry& entry, std::optional<HeldKek>& held) const;
  /// A fresh key, as it is kept, and its entry.
  [[nodiscard]] Result<Entry> next_entry(std::optional<HeldKek>& fresh) const;
  [[nodiscard]] Result<const Kek*> kek() const;

  std::shared_ptr<const crypto::Library> library_;
  std::shared_ptr<Store> store_;
  std::string kek_path_;  ///< Empty: the host handed the key in, or an HSM unwraps it.
  std::shared_ptr<core::KekWrapper> wrapper_;
  PerProcess<Held> held_;
};

}  // namespace jwekms::db

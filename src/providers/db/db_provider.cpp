// SPDX-License-Identifier: Apache-2.0
#include "providers/db/db_provider.hpp"

#include <utility>

#include "core/encryption_lease.hpp"
#include "jwekms/key_uid.hpp"
#include "providers/db/db_key.hpp"
#include "providers/db/grants.hpp"
#include "providers/db/key_cache.hpp"
#include "providers/db/new_key.hpp"
#include "providers/db/per_process.hpp"
#include "providers/db/sqlite_store.hpp"
#include "providers/db/vault.hpp"

namespace jwekms::db {

namespace {

constexpr Error no_such_key{Errc::not_found, 0, "no such key"};
constexpr Error no_such_alias{Errc::not_found, 0, "no such alias"};

/// How often a change is tried anew when others change the same key.
constexpr int max_attempts = 16;
constexpr Error contended{Errc::unavailable, 0, "the key is being changed by others"};

class DatabaseProvider final : public KeyProvider {
 public:
  DatabaseProvider(std::shared_ptr<const crypto::Library> library, std::shared_ptr<Store> store,
                   std::shared_ptr<const Vault> vault, const DatabaseOptions& options,
                   WarningSink warn, std::uint32_t rsa_min_bits)
      : library_(std::move(library)),
        store_(std::move(store)),
        vault_(std::move(vault)),
        warn_(std::move(warn)),
        rsa_min_bits_(rsa_min_bits),
        grants_(store_, vault_, options.cache_entries, options.cache_ttl),
        sessions_([entries = options.cache_entries, ttl = options.cache_ttl](
                      Session*, std::shared_ptr<const ForkMark> mark) {
          return std::make_unique<Session>(entries, ttl, std::move(mark));
        }) {}

  Result<std::shared_ptr<const Key>> resolve(std::string_view kid) const override {
    Session& session = sessions_.get();
    KeyCache::Found found = session.cache.find(kid);
    if (found.good) return std::move(found.key);
    if (found.key) {
      const Result<bool> same = is_unchanged(session, kid, *found.key);
      if (!same) return same.error();
      if (*same) return std::move(found.key);
      session.cache.forget(found.key->info().uid);
    }
    return load(session, kid);
  }

  Result<KeyInfo> create(const CreateKey& request) override {
    // Making an RSA key takes long: not in vain.
    if (const Result<void> r = check_free(request.uid); !r) return r.error();
    return add(make_key(library_, request, rsa_min_bits_));
  }

  Result<KeyInfo> import(const ImportKey& request) override {
    return add(read_key(library_, request, rsa_min_bits_));
  }

  Result<KeyInfo> import_wrapped(const Key& parent, const WrappedCek& wrapped,
                                 const KeepCek& request) override {
    const Result<Cek> cek = parent.unwrap_to_keep(wrapped, InsecureSecretAccess::token());
    if (!cek) return cek.error();
    return add(keep_cek(*library_, *cek, wrapped.enc, parent.info().uid, request));
  }

  Result<KeyPage> list(const ListKeys& request) const override {
    if (request.limit < 1 || request.limit > 1000)
      return Error{Errc::bad_request, 0, "a page has 1 to 1000 keys"};
    if (request.after.size() > max_uid_bytes)
      return Error{Errc::bad_request, 0, "a key UID is 1 to 256 bytes"};
    KeyPage page;
    const std::size_t at_once = request.limit + 1;  // one more tells whether there are more
    std::string after = request.after;
    for (std::size_t got = at_once; got == at_once && page.keys.size() < at_once;) {
      const Result<std::vector<KeyRow>> rows = store_->page(after, at_once);
      if (!rows) return rows.error();
      got = rows->size();
      if (const Result<void> r = append(*rows, at_once, page.keys); !r) return r.error();
      if (!rows->empty()) after = rows->back().uid;
    }
    page.more = page.keys.size() > request.limit;
    if (page.more) page.keys.pop_back();
    return page;
  }

  Result<void> add_alias(std::string_view uid, std::string_view alias) override {
    if (const Result<void> r = check_name(alias); !r) return r.error();
    const Result<AliasRow> row = vault_->seal_alias(alias, uid);
    if (!row) return row.error();
    const Result<KeyInfo> changed = change(uid, {.add = {&*row, 1}, .remove = {}},
                                           [](KeyInfo&) -> Result<bool> { return true; });
    if (!changed) return changed.error();
    return {};
  }

  Result<void> remove_alias(std::string_view uid, std::string_view alias) override {
    const Result<std::optional<AliasRow>> row = store_->find_alias(alias);
    if (!row) return row.error();
    if (!*row) return no_such_alias;
    if (const Result<void> r = vault_->check(**row); !r) return r.error();
    if ((*row)->uid != uid) return no_such_alias;
    const Result<KeyInfo> changed =
        change(uid, {.add = {}, .remove = alias}, [](KeyInfo&) -> Result<bool> { return true; });
    if (!changed) return changed.error();
    return {};
  }

  Result<KeyInfo> set_state(std::string_view uid, KeyState state) override {
    if (state < KeyState::active || state > KeyState::destroyed)
      return Error{Errc::bad_request, 0, "unknown key state"};
    const bool destroy = state == KeyState::destroyed;
    Result<KeyInfo> changed =
        change(uid, {.add = {}, .remove = {}, .remove_all = destroy},
               [state](KeyInfo& info) -> Result<bool> {
                 if (info.state == state) return false;
                 if (info.state > state)
                   return Error{Errc::bad_request, 0, "a key's life goes one way"};
                 info.state = state;
                 return true;
               });
    if (changed && destroy) scrub();
    return changed;
  }

  bool keeps_owners() const noexcept override { return true; }
  GrantStore* grants() noexcept override { return &grants_; }

 private:
  /// What one process has.
  struct Session {
    Session(std::size_t entries, std::chrono::milliseconds ttl,
            std::shared_ptr<const ForkMark> fork_mark)
        : cache(entries, ttl), mark(std::move(fork_mark)) {}
    KeyCache cache;
    std::shared_ptr<const ForkMark> mark;
  };

  [[nodiscard]] Result<bool> is_unchanged(Session& session, std::string_view kid,
                                          const Key& key) const {
    const KeyCache::Reading reading = session.cache.begin_reading();
    const Result<std::optional<Stamp>> stamp = store_->stamp(kid);
    if (!stamp) return stamp.error();
    const KeyInfo& info = key.info();
    const bool same = *stamp && (*stamp)->uid == info.uid &&
                      (*stamp)->version == static_cast<std::int64_t>(info.version) &&
                      (*stamp)->state == static_cast<std::int64_t>(info.state);
    if (same) session.cache.confirm(kid, key, reading);
    return same;
  }

  [[nodiscard]] Result<std::shared_ptr<const Key>> load(Session& session,
                                                        std::string_view kid) const {
    const KeyCache::Reading reading = session.cache.begin_reading();
    Result<OpenedRecord> record = find(kid);
    if (!record) return record.error();
    if (record->info.state == KeyState::destroyed) return no_such_key;
    if (const Result<void> r = add_aliases(record->info); !r) return r.error();
    const std::string uid = record->info.uid;
    Result<std::shared_ptr<const Key>> key = make(session, *std::move(record));
    if (!key) return key;
    std::shared_ptr<const Key> shared = session.cache.put(uid, *std::move(key), reading);
    if (kid != uid) session.cache.put(kid, shared, reading);
    return shared;
  }

  [[nodiscard]] Result<std::shared_ptr<const Key>> make(Session& session,
                                                        OpenedRecord record) const {
    const auto secret = std::as_const(record.secret).bytes(InsecureSecretAccess::token());
    switch (record.info.type) {
      case KeyType::rsa: return make_rsa_key(library_, std::move(record.info), secret);
      case KeyType::oct: {
        auto lease = std::make_shared<core::EncryptionLease>(store_, record.info.uid, session.mark);
        return make_oct_key(library_, std::move(record.info), secret, std::move(lease));
      }
    }
    return damaged;
  }

  /// The record that a UID or an alias names. Errors: not_found, unavailable, internal_error.
  [[nodiscard]] Result<OpenedRecord> find(std::string_view name) const {
    Result<std::optional<KeyRow>> row = store_->find_key(name);
    if (!row) return row.error();
    if (!*row) {
      const Result<std::optional<AliasRow>> alias = store_->find_alias(name);
      if (!alias) return alias.error();
      if (!*alias) return no_such_key;
      if (const Result<void> r = vault_->check(**alias); !r) return r.error();
      row = store_->find_key((*alias)->uid);
      if (!row) return row.error();
      if (!*row) return damaged;  // rows of keys are never removed
    }
    return vault_->open(**row);
  }

  [[nodiscard]] Result<void> add_aliases(KeyInfo& info) const {
    const Result<std::vector<AliasRow>> rows = store_->aliases_of(info.uid);
    if (!rows) return rows.error();
    info.aliases.clear();
    for (const AliasRow& row : *rows) {
      if (const Result<void> r = vault_->check(row); !r) return r.error();
      info.aliases.push_back(row.alias);
    }
    return {};
  }

  [[nodiscard]] Result<void> append(const std::vector<KeyRow>& rows, std::size_t most,
                                    std::vector<KeyInfo>& keys) const {
    for (const KeyRow& row : rows) {
      if (keys.size() == most) return {};
      Result<OpenedRecord> record = vault_->open(row);
      if (!record) return record.error();
      if (record->info.state == KeyState::destroyed) continue;
      if (const Result<void> r = add_aliases(record->info); !r) return r.error();
      keys.push_back(std::move(record->info));
    }
    return {};
  }

  [[nodiscard]] Result<void> check_free(std::string_view uid) const {
    if (uid.empty()) return {};
    const Result<std::optional<Stamp>> stamp = store_->stamp(uid);
    if (!stamp) return stamp.error();
    if (*stamp) return Error{Errc::conflict, 0, "the UID or alias exists already"};
    return {};
  }

  [[nodiscard]] Result<KeyInfo> add(Result<NewKey> made) {
    if (!made) return made.error();
    KeyInfo& info = made->info;
    const auto secret = std::as_const(made->secret).bytes(InsecureSecretAccess::token());
    const Result<KeyRow> row = vault_->seal(info, secret);
    if (!row) return row.error();
    std::vector<AliasRow> aliases;
    for (const std::string& alias : info.aliases) {
      Result<AliasRow> sealed = vault_->seal_alias(alias, info.uid);
      if (!sealed) return sealed.error();
      aliases.push_back(*std::move(sealed));
    }
    if (const Result<void> r = store_->insert(*row, aliases); !r) return r.error();
    return std::move(info);
  }

  /// Reads a record, lets `edit` change it, seals it anew one version on and stores it; begins
  /// again if another process was faster. `edit` says false when there is nothing to do.
  template <class Edit>
  [[nodiscard]] Result<KeyInfo> change(std::string_view uid, const AliasChange& aliases,
                                       Edit edit) {
    for (int attempt = 0; attempt < max_attempts; ++attempt) {
      const Result<std::optional<KeyRow>> row = store_->find_key(uid);
      if (!row) return row.error();
      if (!*row) return no_such_key;
      Result<OpenedRecord> record = vault_->open(**row);
      if (!record) return record.error();
      KeyInfo& info = record->info;
      const KeyState before = info.state;
      const Result<bool> wanted = edit(info);
      if (before == KeyState::destroyed && (!wanted || *wanted)) return no_such_key;
      if (!wanted) return wanted.error();
      if (!*wanted) return finish(std::move(info));

      ++info.version;
      auto secret = std::as_const(record->secret).bytes(InsecureSecretAccess::token());
      if (info.state == KeyState::destroyed) secret = {};
      const Result<KeyRow> sealed = vault_->seal(info, secret);
      if (!sealed) return sealed.error();
      const Result<bool> stored = store_->update(*sealed, aliases);
      // Whatever came of it: an error may have come after the change.
      sessions_.get().cache.forget(uid);
      if (!stored) return stored.error();
      if (*stored) return finish(std::move(info));
    }
    return contended;
  }

  [[nodiscard]] Result<KeyInfo> finish(KeyInfo info) const {
    if (const Result<void> r = add_aliases(info); !r) return r.error();
    return info;
  }

  /// What was erased from the tables still stands, encrypted, in the log.
  void scrub() {
    const Result<bool> done = store_->scrub();
    if ((!done || !*done) && warn_)
      warn_(
          "a destroyed key's encrypted bytes stay in the database's log until its next "
          "checkpoint");
  }

  const std::shared_ptr<const crypto::Library> library_;
  const std::shared_ptr<Store> store_;
  const std::shared_ptr<const Vault> vault_;
  const WarningSink warn_;
  const std::uint32_t rsa_min_bits_;
  Grants grants_;
  PerProcess<Session> sessions_;
};

}  // namespace

std::shared_ptr<Store> make_store(const DatabaseOptions& options, Sharing sharing) {
  return make_sqlite_store(options.path, options.busy_timeout, sharing);
}

Result<std::shared_ptr<KeyProvider>> open_database(std::shared_ptr<const crypto::Library> library,
                                                   std::shared_ptr<Store> store,
                                                   const DatabaseOptions& options,
                                                   std::shared_ptr<core::KekWrapper> wrapper,
                                                   const WarningSink& warn, const Policy& policy) {
  if (options.cache_ttl.count() < 0 || options.busy_timeout.count() < 0)
    return Error{Errc::bad_request, 0, "a time of the database's options is negative"};
  if (const Result<void> opened = store->open(); !opened) return opened.error();
  Result<std::shared_ptr<const Vault>> vault =
      Vault::open(library, store, options, std::move(wrapper), warn);
  if (!vault) return vault.error();
  return std::shared_ptr<KeyProvider>(std::make_shared<DatabaseProvider>(
      std::move(library), std::move(store), *std::move(vault), options, warn, policy.rsa_min_bits));
}

Result<void> rewrap_kek(std::shared_ptr<const crypto::Library> library,
                        std::shared_ptr<Store> store, const DatabaseOptions& options,
                        std::shared_ptr<core::KekWrapper> wrapper, core::KekWrapper& to) {
  if (const Result<void> opened = store->open(); !opened) return opened;
  const Result<std::shared_ptr<const Vault>> vault =
      Vault::open(std::move(library), std::move(store), options, std::move(wrapper), {});
  if (!vault) return vault.error();
  return (*vault)->rewrap(to);
}

Result<void> rotate_kek(std::shared_ptr<const crypto::Library> library,
                        std::shared_ptr<Store> store, const DatabaseOptions& options,
                        std::shared_ptr<core::KekWrapper> wrapper, const ProgressSink& progress) {
  if (const Result<void> opened = store->open(); !opened) return opened;
  const Result<std::shared_ptr<const Vault>> vault =
      Vault::open(std::move(library), std::move(store), options, std::move(wrapper), {});
  if (!vault) return vault.error();
  return (*vault)->rotate(progress);
}

}  // namespace jwekms::db

// SPDX-License-Identifier: Apache-2.0
#include "providers/db/vault.hpp"

#include "providers/db/kek_entry.hpp"

namespace jwekms::db {

namespace {

constexpr std::string_view entry_name = "kek";
constexpr Error file_missing{Errc::unavailable, 0, "the key-encryption key file is missing"};
constexpr Error handed_in{Errc::unavailable, 0,
                          "the key-encryption key was handed in and does not cross a fork: close "
                          "the database in the child and open it again"};
constexpr Error kept_in_hsm{Errc::crypto_failure, 0,
                            "the database's key-encryption key is wrapped by an HSM: name its key "
                            "in key_encryption_key"};
constexpr Error kept_outside{Errc::crypto_failure, 0,
                             "the database's key-encryption key is in a file or handed in, and not "
                             "wrapped by an HSM"};

/// For a database whose key-encryption key must exist already.
[[nodiscard]] Result<std::vector<std::uint8_t>> no_new_entry() { return damaged; }

}  // namespace

Vault::Vault(std::shared_ptr<const crypto::Library> library, std::shared_ptr<Store> store,
             std::string kek_path, std::shared_ptr<core::KekWrapper> wrapper)
    : library_(std::move(library)),
      store_(std::move(store)),
      kek_path_(std::move(kek_path)),
      wrapper_(std::move(wrapper)),
      held_([](Held*, const auto&) { return std::make_unique<Held>(); }) {}

Result<std::shared_ptr<const Vault>> Vault::open(std::shared_ptr<const crypto::Library> library,
                                                 std::shared_ptr<Store> store,
                                                 const DatabaseOptions& options,
                                                 std::shared_ptr<core::KekWrapper> wrapper,
                                                 const WarningSink& warn) {
  if (options.kek && options.kek->size() != Kek::capacity)
    return Error{Errc::bad_request, 0, "a key-encryption key has 32 bytes"};
  std::string path;
  if (!options.kek && wrapper == nullptr)
    path = options.kek_path.empty() ? options.path + ".kek" : options.kek_path;
  if (path.find('\0') != std::string::npos)
    return Error{Errc::bad_request, 0, "NUL in the key-encryption key file's path"};

  std::shared_ptr<Vault> vault(
      new Vault(std::move(library), std::move(store), std::move(path), std::move(wrapper)));
  if (options.kek) vault->held_.get().kek.emplace(options.kek->first<Kek::capacity>());
  if (const Result<void> r = vault->find_or_make(warn); !r) return r.error();
  return std::shared_ptr<const Vault>(std::move(vault));
}

/// The database's write lock is held while a key is made: of several processes that open a new
/// database at once, one makes it.
Result<void> Vault::find_or_make(const WarningSink& warn) {
  std::optional<HeldKek>& held = held_.get().kek;
  bool made = false;
  const Result<Entry> entry = store_->meta(entry_name, [&] { return new_entry(held, made); });
  if (made && warn)
    warn(
        "the database created a new key-encryption key file; keep it apart from backups of the "
        "database");
  if (!entry) return entry.error();
  return fetch(*entry, held);
}

/// A file that is there already is taken, be it the operator's or that of an earlier start that did
/// not get further.
Result<Vault::Entry> Vault::new_entry(std::optional<HeldKek>& held, bool& made) const {
  if (wrapper_) {
    Result<HeldKek> fresh = HeldKek::random(*library_);
    if (!fresh) return fresh.error();
    return wrap_entry(*wrapper_, fresh->kek());
  }
  if (!held)
    if (const Result<void> r = read_file(held); !r) return r.error();
  if (!held) {
    const Result<bool> file = make_kek_file(*library_, kek_path_);
    if (!file) return file.error();
    made = *file;
    if (const Result<void> r = read_file(held); !r) return r.error();
  }
  if (!held) return file_missing;
  return write_kek_entry(*library_, held->kek(), nullptr);
}

Result<Vault::Entry> Vault::wrap_entry(core::KekWrapper& wrapper, const Kek& kek) const {
  const Result<core::WrappedKek> wrapped = wrapper.wrap(kek);
  if (!wrapped) return wrapped.error();
  Result<Entry> entry = write_kek_entry(*library_, kek, &*wrapped);
  if (!entry) return entry;
  HeldKek back;
  if (const Result<void> r = wrapper.unwrap(*wrapped, back.to_fill()); !r) return r.error();
  if (const Result<void> r = check_kek(*library_, back.kek(), *entry); !r) return r.error();
  return entry;
}

Result<void> Vault::fetch(const Entry& entry, std::optional<HeldKek>& held) const {
  const Result<std::optional<core::WrappedKek>> wrapped = read_kek_entry(entry);
  if (!wrapped) return wrapped.error();
  if (*wrapped && !wrapper_) return kept_in_hsm;
  if (!*wrapped && wrapper_) return kept_outside;
  if (!*wrapped && !held) return find_file(entry, held);
  std::optional<HeldKek> fetched;
  if (*wrapped) {
    fetched.emplace();
    if (const Result<void> r = wrapper_->unwrap(**wrapped, fetched->to_fill()); !r) return r;
  }
  const Result<void> checked = check_kek(*library_, fetched ? fetched->kek() : held->kek(), entry);
  if (checked && fetched) held = std::move(fetched);
  return checked;
}

Result<void> Vault::read_file(std::optional<HeldKek>& held) const {
  Result<std::optional<HeldKek>> file = read_kek_file(kek_path_);
  if (!file) return file.error();
  if (*file) held.emplace(**std::move(file));
  return {};
}

Result<void> Vault::find_file(const Entry& entry, std::optional<HeldKek>& held) const {
  std::optional<HeldKek> found;
  // A second time, should somebody put the next file in its place meanwhile.
  Result<void> checked = file_missing;
  for (int attempt = 0; attempt < 2 && !checked; ++attempt) {
    if (const Result<void> r = read_file(found); !r) return r;
    checked = found ? check_kek(*library_, found->kek(), entry) : file_missing;
    if (checked) break;
    Result<std::optional<HeldKek>> next = read_kek_file(next_kek_path(kek_path_));
    if (!next) return next.error();
    if (!*next || !check_kek(*library_, (*next)->kek(), entry)) continue;
    checked = promote_next_kek_file(kek_path_);
    found = *std::move(next);
  }
  if (checked) held = std::move(found);
  return checked;
}

Result<const Kek*> Vault::kek() const {
  Held& held = held_.get();
  const std::lock_guard lock(held.mutex);
  if (held.kek) return &held.kek->kek();
  // A forked child's first use.
  if (kek_path_.empty() && !wrapper_) return handed_in;
  const Result<Entry> entry = store_->meta(entry_name, no_new_entry);
  if (!entry) return entry.error();
  if (const Result<void> r = fetch(*entry, held.kek); !r) return r.error();
  return &held.kek->kek();
}

Result<void> Vault::rewrap(core::KekWrapper& to) const {
  const Result<const Kek*> key = kek();
  if (!key) return key.error();
  const Result<Entry> fresh = wrap_entry(to, **key);
  if (!fresh) return fresh.error();
  const Result<Entry> old = store_->meta(entry_name, no_new_entry);
  if (!old) return old.error();
  const Result<bool> replaced = store_->replace_meta(entry_name, *old, *fresh);
  if (!replaced) return replaced.error();
  if (!*replaced)
    return Error{Errc::conflict, 0, "somebody else changed the key-encryption key meanwhile"};
  // What the old key had wrapped does not stay in the log, if that can be helped now.
  (void)store_->scrub();
  return {};
}

Result<Vault::Entry> Vault::next_entry(std::optional<HeldKek>& fresh) const {
  if (wrapper_) {
    Result<HeldKek> made = HeldKek::random(*library_);
    if (!made) return made.error();
    fresh = *std::move(made);
    return wrap_entry(*wrapper_, fresh->kek());
  }
  if (kek_path_.empty())
    return Error{Errc::bad_request, 0, "a key-encryption key that was handed in is not replaced"};
  if (const Result<void> r = make_next_kek_file(*library_, kek_path_); !r) return r.error();
  Result<std::optional<HeldKek>> read = read_kek_file(next_kek_path(kek_path_));
  if (!read) return read.error();
  if (!*read) return file_missing;
  fresh = *std::move(read);
  return write_kek_entry(*library_, fresh->kek(), nullptr);
}

Result<void> Vault::rotate(const ProgressSink& progress) const {
  const Result<const Kek*> key = kek();
  if (!key) return key.error();
  std::optional<HeldKek> fresh;
  const Result<Entry> next = next_entry(fresh);
  if (!next) return next.error();
  const Result<Entry> old = store_->meta(entry_name, no_new_entry);
  if (!old) return old.error();
  const auto anew = [&](auto& row) { return reseal(*library_, **key, fresh->kek(), row); };
  const Result<void> changed = store_->change_all(
      entry_name, *old, *next, {.key = anew, .alias = anew, .grant = anew}, progress);
  if (!changed) return changed;
  // What is sealed under the old key does not stay in the log, if that can be helped now.
  (void)store_->scrub();
  return kek_path_.empty() ? Result<void>{} : promote_next_kek_file(kek_path_);
}

Result<KeyRow> Vault::seal(const KeyInfo& info, std::span<const std::uint8_t> secret) const {
  const Result<const Kek*> key = kek();
  if (!key) return key.error();
  return seal_record(*library_, **key, info, secret);
}

Result<OpenedRecord> Vault::open(const KeyRow& row) const {
  const Result<const Kek*> key = kek();
  if (!key) return key.error();
  return open_record(*library_, **key, row);
}

Result<AliasRow> Vault::seal_alias(std::string_view alias, std::string_view uid) const {
  const Result<const Kek*> key = kek();
  if (!key) return key.error();
  return db::seal_alias(*library_, **key, alias, uid);
}

Result<void> Vault::check(const AliasRow& row) const {
  const Result<const Kek*> key = kek();
  if (!key) return key.error();
  return check_alias(*library_, **key, row);
}

Result<GrantRow> Vault::seal_grant(GrantRow row) const {
  const Result<const Kek*> key = kek();
  if (!key) return key.error();
  return db::seal_grant(*library_, **key, std::move(row));
}

Result<void> Vault::check(const GrantRow& row) const {
  const Result<const Kek*> key = kek();
  if (!key) return key.error();
  return check_grant(*library_, **key, row);
}

}  // namespace jwekms::db

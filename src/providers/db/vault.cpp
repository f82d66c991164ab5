// SPDX-License-Identifier: Apache-2.0
#include "providers/db/vault.hpp"

namespace jwekms::db {

namespace {

constexpr std::string_view check_name = "kek check";
constexpr Error file_missing{Errc::unavailable, 0, "the key-encryption key file is missing"};
constexpr Error handed_in{Errc::unavailable, 0,
                          "the key-encryption key was handed in and does not cross a fork: close "
                          "the database in the child and open it again"};

/// For a database whose key-encryption key must exist already.
[[nodiscard]] Result<std::vector<std::uint8_t>> no_new_check() { return damaged; }

}  // namespace

Vault::Vault(std::shared_ptr<const crypto::Library> library, std::shared_ptr<Store> store,
             std::string kek_path)
    : library_(std::move(library)),
      store_(std::move(store)),
      kek_path_(std::move(kek_path)),
      held_([](Held*, const auto&) { return std::make_unique<Held>(); }) {}

Result<std::shared_ptr<const Vault>> Vault::open(std::shared_ptr<const crypto::Library> library,
                                                 std::shared_ptr<Store> store,
                                                 const DatabaseOptions& options,
                                                 const WarningSink& warn) {
  if (options.kek && options.kek->size() != Kek::capacity)
    return Error{Errc::bad_request, 0, "a key-encryption key has 32 bytes"};
  std::string path;
  if (!options.kek) path = options.kek_path.empty() ? options.path + ".kek" : options.kek_path;
  if (path.find('\0') != std::string::npos)
    return Error{Errc::bad_request, 0, "NUL in the key-encryption key file's path"};

  std::shared_ptr<Vault> vault(new Vault(std::move(library), std::move(store), std::move(path)));
  if (options.kek) vault->held_.get().kek.emplace(options.kek->first<Kek::capacity>());
  if (const Result<void> r = vault->find_or_make(warn); !r) return r.error();
  return std::shared_ptr<const Vault>(std::move(vault));
}

/// The database's write lock is held while a key file is made: of several processes that open a new
/// database at once, one makes it. A file that is there already is taken, be it the operator's or
/// that of an earlier start that did not get further.
Result<void> Vault::find_or_make(const WarningSink& warn) {
  std::optional<HeldKek>& held = held_.get().kek;
  bool made = false;
  const auto for_new_database = [&]() -> Result<std::vector<std::uint8_t>> {
    if (!held)
      if (const Result<void> r = read_file(held); !r) return r.error();
    if (!held) {
      const Result<bool> file = make_kek_file(*library_, kek_path_);
      if (!file) return file.error();
      made = *file;
      if (const Result<void> r = read_file(held); !r) return r.error();
    }
    if (!held) return file_missing;
    return seal_kek_check(*library_, held->kek());
  };
  const Result<std::vector<std::uint8_t>> check = store_->meta(check_name, for_new_database);
  if (made && warn)
    warn(
        "the database created a new key-encryption key file; keep it apart from backups of the "
        "database");
  if (!check) return check.error();
  if (!held)
    if (const Result<void> r = read_file(held); !r) return r;
  if (!held) return file_missing;
  return check_kek(*library_, held->kek(), *check);
}

Result<void> Vault::read_file(std::optional<HeldKek>& held) const {
  Result<std::optional<HeldKek>> file = read_kek_file(kek_path_);
  if (!file) return file.error();
  if (*file) held.emplace(**std::move(file));
  return {};
}

Result<const Kek*> Vault::kek() const {
  Held& held = held_.get();
  const std::lock_guard lock(held.mutex);
  if (held.kek) return &held.kek->kek();
  // A forked child's first use.
  if (kek_path_.empty()) return handed_in;
  std::optional<HeldKek> again;
  if (const Result<void> r = read_file(again); !r) return r.error();
  if (!again) return file_missing;
  const Result<std::vector<std::uint8_t>> check = store_->meta(check_name, no_new_check);
  if (!check) return check.error();
  if (const Result<void> r = check_kek(*library_, again->kek(), *check); !r) return r.error();
  held.kek.emplace(*std::move(again));
  return &held.kek->kek();
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

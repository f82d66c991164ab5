// SPDX-License-Identifier: Apache-2.0
#include "providers/db/sqlite_store.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "jwekms/access.hpp"
#include "jwekms/key_uid.hpp"
#include "providers/db/new_file.hpp"
#include "providers/db/per_process.hpp"
#include "providers/db/sqlite_connection.hpp"

namespace jwekms::db {

namespace {

constexpr Error taken{Errc::conflict, 0, "the UID or alias exists already"};

#define JWEKMS_KEY_COLUMNS                                                                  \
  "uid, type, bits, algs, enc, state, may_decrypt, may_encrypt, owner, parent, created_at," \
  " version, iv, sealed, tag"

#define JWEKMS_GRANT_COLUMNS "uid, principal, permissions, version, iv, tag"

[[nodiscard]] KeyRow key_row(Query& query) {
  KeyRow row;
  row.uid = query.text_at(0);
  row.type = query.number_at(1);
  row.bits = query.number_at(2);
  row.algs = query.text_at(3);
  row.enc = query.text_at(4);
  row.state = query.number_at(5);
  row.may_decrypt = query.number_at(6);
  row.may_encrypt = query.number_at(7);
  row.owner = query.text_at(8);
  row.parent = query.text_at(9);
  row.created_at_s = query.number_at(10);
  row.version = query.number_at(11);
  row.iv = query.bytes_at(12);
  row.sealed = query.bytes_at(13);
  row.tag = query.bytes_at(14);
  return row;
}

[[nodiscard]] AliasRow alias_row(Query& query) {
  return {query.text_at(0), query.text_at(1), query.bytes_at(2), query.bytes_at(3)};
}

[[nodiscard]] GrantRow grant_row(Query& query) {
  return {query.text_at(0),   query.text_at(1),  query.number_at(2),
          query.number_at(3), query.bytes_at(4), query.bytes_at(5)};
}

[[nodiscard]] std::vector<GrantRow> all_grants(Query& query) {
  std::vector<GrantRow> rows;
  while (query.next()) rows.push_back(grant_row(query));
  return rows;
}

/// All columns of a row but its UID.
Query& bind_fields(Query& query, const KeyRow& row) {
  query.number(row.type).number(row.bits).text(row.algs).text(row.enc).number(row.state);
  query.number(row.may_decrypt).number(row.may_encrypt).bytes(row.owner).bytes(row.parent);
  query.number(row.created_at_s).number(row.version);
  return query.bytes(row.iv).bytes(row.sealed).bytes(row.tag);
}

constexpr auto rsa = static_cast<std::int64_t>(KeyType::rsa);

/// UIDs, aliases and the names of public halves share one namespace, which no constraint of the
/// schema expresses.
[[nodiscard]] bool is_taken(Database& database, std::string_view name) {
  Query query(database,
              "SELECT EXISTS (SELECT 1 FROM keys WHERE uid = ?1)"
              " OR EXISTS (SELECT 1 FROM aliases WHERE alias = ?1)"
              " OR EXISTS (SELECT 1 FROM keys WHERE uid = ?2 AND type = ?3)");
  query.bytes(name).bytes(pair_of_public_half(name)).number(rsa);
  return query.next() && query.number_at(0) != 0;
}

[[nodiscard]] bool is_taken(Database& database, const KeyRow& row) {
  if (is_taken(database, row.uid)) return true;
  return row.type == rsa && is_taken(database, row.uid + std::string(public_half_suffix));
}

[[nodiscard]] Result<void> insert_aliases(Database& database, std::span<const AliasRow> aliases) {
  for (const AliasRow& row : aliases) {
    if (is_taken(database, row.alias)) return taken;
    Query(database, "INSERT INTO aliases (alias, uid, iv, tag) VALUES (?, ?, ?, ?)")
        .bytes(row.alias)
        .bytes(row.uid)
        .bytes(row.iv)
        .bytes(row.tag)
        .run();
  }
  return {};
}

void delete_grants(Database& database, std::string_view uid) {
  Query(database, "DELETE FROM grants WHERE uid = ?").bytes(uid).run();
}

void delete_aliases(Database& database, std::string_view uid, const AliasChange& change) {
  if (change.remove_all) {
    Query(database, "DELETE FROM aliases WHERE uid = ?").bytes(uid).run();
    delete_grants(database, uid);
  } else if (change.remove) {
    Query(database, "DELETE FROM aliases WHERE alias = ? AND uid = ?")
        .bytes(*change.remove)
        .bytes(uid)
        .run();
  }
}

/// How far change_all() has come.
struct Count {
  std::uint64_t total;
  const std::function<void(std::uint64_t, std::uint64_t)>& sink;
  std::uint64_t done = 0;
  void one_more() {
    if (++done; sink) sink(done, total);
  }
};

[[nodiscard]] std::uint64_t row_count(Database& database) {
  Query query(database,
              "SELECT (SELECT count(*) FROM keys) + (SELECT count(*) FROM aliases)"
              " + (SELECT count(*) FROM grants)");
  return query.next() ? static_cast<std::uint64_t>(query.number_at(0)) : 0;
}

/// In pages, so that no statement reads what another one writes meanwhile.
/// @param page    the next rows behind one, and the first ones behind an empty one.
/// @param change  Result<void>(Row&), and stores it.
template <class Row, class Page, class Change>
[[nodiscard]] Result<void> change_rows(Page page, Change change, Count& count) {
  Row last;
  for (;;) {
    std::vector<Row> rows = page(last);
    if (rows.empty()) return {};
    for (Row& row : rows) {
      if (const Result<void> r = change(row); !r) return r;
      count.one_more();
    }
    last = std::move(rows.back());
  }
}

[[nodiscard]] Result<void> change_keys(Database& database,
                                       const std::function<Result<void>(KeyRow&)>& change,
                                       Count& count) {
  const auto page = [&](const KeyRow& after) {
    Query query(database,
                "SELECT " JWEKMS_KEY_COLUMNS " FROM keys WHERE uid > ? ORDER BY uid LIMIT 100");
    query.bytes(after.uid);
    std::vector<KeyRow> rows;
    while (query.next()) rows.push_back(key_row(query));
    return rows;
  };
  const auto store = [&](KeyRow& row) -> Result<void> {
    if (const Result<void> r = change(row); !r) return r;
    Query query(database, "UPDATE keys SET iv = ?, sealed = ?, tag = ? WHERE uid = ?");
    query.bytes(row.iv).bytes(row.sealed).bytes(row.tag).bytes(row.uid).run();
    return {};
  };
  return change_rows<KeyRow>(page, store, count);
}

[[nodiscard]] Result<void> change_aliases(Database& database,
                                          const std::function<Result<void>(AliasRow&)>& change,
                                          Count& count) {
  const auto page = [&](const AliasRow& after) {
    Query query(database,
                "SELECT alias, uid, iv, tag FROM aliases WHERE alias > ? ORDER BY alias LIMIT 100");
    query.bytes(after.alias);
    std::vector<AliasRow> rows;
    while (query.next()) rows.push_back(alias_row(query));
    return rows;
  };
  const auto store = [&](AliasRow& row) -> Result<void> {
    if (const Result<void> r = change(row); !r) return r;
    Query query(database, "UPDATE aliases SET iv = ?, tag = ? WHERE alias = ?");
    query.bytes(row.iv).bytes(row.tag).bytes(row.alias).run();
    return {};
  };
  return change_rows<AliasRow>(page, store, count);
}

[[nodiscard]] Result<void> change_grants(Database& database,
                                         const std::function<Result<void>(GrantRow&)>& change,
                                         Count& count) {
  const auto page = [&](const GrantRow& after) {
    Query query(database, "SELECT " JWEKMS_GRANT_COLUMNS
                          " FROM grants WHERE (uid, principal) > (?, ?)"
                          " ORDER BY uid, principal LIMIT 100");
    return all_grants(query.bytes(after.uid).bytes(after.principal));
  };
  const auto store = [&](GrantRow& row) -> Result<void> {
    if (const Result<void> r = change(row); !r) return r;
    Query query(database, "UPDATE grants SET iv = ?, tag = ? WHERE uid = ? AND principal = ?");
    query.bytes(row.iv).bytes(row.tag).bytes(row.uid).bytes(row.principal).run();
    return {};
  };
  return change_rows<GrantRow>(page, store, count);
}

/// SQLite would make the file itself, but readable by all.
[[nodiscard]] Result<void> make_file(const std::string& path) {
  struct stat about {};
  if (stat(path.c_str(), &about) == 0) return {};
  if (errno != ENOENT) return Error{Errc::unavailable, 0, "the database cannot be reached"};
  const Result<bool> made = make_new_file(path, {});
  if (!made) return made.error();
  return {};
}

class SqliteStore final : public Store {
  template <class Call>
  [[nodiscard]] auto use(Call call) {
    return connections_.get().use(call);
  }

  /// Runs a call within a transaction that holds the write lock from its start. What the call
  /// reports as done is committed, and on disk, before it is returned; an error undoes it.
  template <class Call>
  [[nodiscard]] auto change(Call call) {
    return use([&](Database& database) {
      Transaction transaction(database);
      auto result = call(database);
      if (result) transaction.commit();
      return result;
    });
  }

 public:
  SqliteStore(const std::string& path, std::chrono::milliseconds busy_timeout, Sharing sharing)
      : path_(path), connections_([=](SqliteConnection* inherited, const auto&) {
          return std::make_unique<SqliteConnection>(path, busy_timeout, sharing, inherited);
        }) {}

  Result<void> open() override {
    if (path_.empty() || path_.find('\0') != std::string::npos)
      return Error{Errc::bad_request, 0, "malformed path of a database"};
    if (const Result<void> made = make_file(path_); !made) return made;
    return use([](Database&) -> Result<void> { return {}; });
  }

  Result<std::vector<std::uint8_t>> meta(
      std::string_view name,
      const std::function<Result<std::vector<std::uint8_t>>()>& make) override {
    using Value = std::vector<std::uint8_t>;
    const auto find = [name](Database& database) -> std::optional<Value> {
      Query query(database, "SELECT value FROM meta WHERE name = ?");
      query.text(name);
      if (!query.next()) return std::nullopt;
      return query.bytes_at(0);
    };
    return use([&](Database& database) -> Result<Value> {
      if (std::optional<Value> value = find(database)) return *std::move(value);
      Transaction transaction(database);
      if (std::optional<Value> value = find(database)) return *std::move(value);
      if (database.number("SELECT EXISTS (SELECT 1 FROM keys)") != 0) return damaged_file;
      Result<Value> made = make();
      if (!made) return made;
      Query(database, "INSERT INTO meta (name, value) VALUES (?, ?)").text(name).bytes(*made).run();
      transaction.commit();
      return made;
    });
  }

  Result<bool> replace_meta(std::string_view name, const std::vector<std::uint8_t>& from,
                            const std::vector<std::uint8_t>& to) override {
    return change([&](Database& database) -> Result<bool> {
      Query query(database, "UPDATE meta SET value = ? WHERE name = ? AND value = ?");
      return query.bytes(to).text(name).bytes(from).run() == 1;
    });
  }

  Result<std::optional<KeyRow>> find_key(std::string_view uid) override {
    return use([&](Database& database) -> Result<std::optional<KeyRow>> {
      Query query(database, "SELECT " JWEKMS_KEY_COLUMNS " FROM keys WHERE uid = ?");
      if (!query.bytes(uid).next()) return std::optional<KeyRow>{};
      return std::optional<KeyRow>{key_row(query)};
    });
  }

  Result<std::optional<AliasRow>> find_alias(std::string_view alias) override {
    return use([&](Database& database) -> Result<std::optional<AliasRow>> {
      Query query(database, "SELECT alias, uid, iv, tag FROM aliases WHERE alias = ?");
      if (!query.bytes(alias).next()) return std::optional<AliasRow>{};
      return std::optional<AliasRow>{alias_row(query)};
    });
  }

  Result<std::vector<AliasRow>> aliases_of(std::string_view uid) override {
    return use([&](Database& database) -> Result<std::vector<AliasRow>> {
      Query query(database, "SELECT alias, uid, iv, tag FROM aliases WHERE uid = ? ORDER BY alias");
      query.bytes(uid);
      std::vector<AliasRow> rows;
      while (query.next()) rows.push_back(alias_row(query));
      return rows;
    });
  }

  Result<std::vector<KeyRow>> page(std::string_view after, std::size_t limit) override {
    return use([&](Database& database) -> Result<std::vector<KeyRow>> {
      Query query(database,
                  "SELECT " JWEKMS_KEY_COLUMNS " FROM keys WHERE uid > ? ORDER BY uid LIMIT ?");
      query.bytes(after).number(static_cast<std::int64_t>(limit));
      std::vector<KeyRow> rows;
      while (query.next()) rows.push_back(key_row(query));
      return rows;
    });
  }

  Result<std::optional<Stamp>> stamp(std::string_view name) override {
    return use([&](Database& database) -> Result<std::optional<Stamp>> {
      Query query(database,
                  "SELECT uid, version, state FROM keys WHERE uid = ?1"
                  " OR uid = (SELECT uid FROM aliases WHERE alias = ?1)");
      if (!query.bytes(name).next()) return std::optional<Stamp>{};
      return std::optional<Stamp>{{query.text_at(0), query.number_at(1), query.number_at(2)}};
    });
  }

  Result<void> insert(const KeyRow& row, std::span<const AliasRow> aliases) override {
    return change([&](Database& database) -> Result<void> {
      if (is_taken(database, row)) return taken;
      delete_grants(database, row.uid);  // of a key of another provider that had the name once
      Query query(database, "INSERT INTO keys (" JWEKMS_KEY_COLUMNS
                            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
      bind_fields(query.bytes(row.uid), row).run();
      return insert_aliases(database, aliases);
    });
  }

  Result<bool> update(const KeyRow& row, const AliasChange& aliases) override {
    return change([&](Database& database) -> Result<bool> {
      Query query(database,
                  "UPDATE keys SET type = ?, bits = ?, algs = ?, enc = ?, state = ?,"
                  " may_decrypt = ?, may_encrypt = ?, owner = ?, parent = ?, created_at = ?,"
                  " version = ?, iv = ?, sealed = ?, tag = ? WHERE uid = ? AND version = ?");
      bind_fields(query, row).bytes(row.uid).number(row.version - 1);
      if (query.run() != 1) return false;
      delete_aliases(database, row.uid, aliases);
      if (const Result<void> r = insert_aliases(database, aliases.add); !r) return r.error();
      return true;
    });
  }

  Result<std::uint64_t> lease_encryptions(std::string_view uid, std::uint64_t most,
                                          std::uint64_t limit) override {
    return change([&](Database& database) -> Result<std::uint64_t> {
      Query find(database, "SELECT taken FROM encryption_counts WHERE uid = ?");
      const std::int64_t used = find.bytes(uid).next() ? find.number_at(0) : 0;
      if (used < 0) return damaged_file;
      const std::uint64_t left = limit - std::min(static_cast<std::uint64_t>(used), limit);
      if (left == 0) return std::uint64_t{0};
      // The last ones are handed out in small blocks, so that no process sits on all of them.
      const std::uint64_t grant = std::clamp<std::uint64_t>(left / 16, 1, most);
      Query(database,
            "INSERT INTO encryption_counts (uid, taken) VALUES (?, ?)"
            " ON CONFLICT (uid) DO UPDATE SET taken = taken + excluded.taken")
          .bytes(uid)
          .number(static_cast<std::int64_t>(grant))
          .run();
      return grant;
    });
  }

  Result<std::vector<GrantRow>> grants_to(std::string_view uid,
                                          std::string_view principal) override {
    return use([&](Database& database) -> Result<std::vector<GrantRow>> {
      Query query(database, "SELECT " JWEKMS_GRANT_COLUMNS
                            " FROM grants WHERE uid = ? AND principal IN (?, ?)");
      query.bytes(uid).bytes(principal).bytes(every_principal);
      return all_grants(query);
    });
  }

  Result<std::vector<GrantRow>> grants_of(std::string_view uid) override {
    return use([&](Database& database) -> Result<std::vector<GrantRow>> {
      Query query(database,
                  "SELECT " JWEKMS_GRANT_COLUMNS " FROM grants WHERE uid = ? ORDER BY principal");
      return all_grants(query.bytes(uid));
    });
  }

  Result<bool> put_grant(const GrantRow& row) override {
    return change([&](Database& database) -> Result<bool> {
      Query find(database, "SELECT version FROM grants WHERE uid = ? AND principal = ?");
      const bool exists = find.bytes(row.uid).bytes(row.principal).next();
      if (row.version != (exists ? find.number_at(0) : 0) + 1) return false;
      Query(database,
            "INSERT OR REPLACE INTO grants (" JWEKMS_GRANT_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?)")
          .bytes(row.uid)
          .bytes(row.principal)
          .number(row.permissions)
          .number(row.version)
          .bytes(row.iv)
          .bytes(row.tag)
          .run();
      return true;
    });
  }

  Result<bool> remove_grant(std::string_view uid, std::string_view principal) override {
    return change([&](Database& database) -> Result<bool> {
      Query query(database, "DELETE FROM grants WHERE uid = ? AND principal = ?");
      return query.bytes(uid).bytes(principal).run() != 0;
    });
  }

  Result<void> remove_grants(std::string_view uid) override {
    return change([&](Database& database) -> Result<void> {
      delete_grants(database, uid);
      return {};
    });
  }

  Result<void> change_all(
      std::string_view name, const std::vector<std::uint8_t>& from,
      const std::vector<std::uint8_t>& to, const RowChanges& changes,
      const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) override {
    return change([&](Database& database) -> Result<void> {
      Query entry(database, "UPDATE meta SET value = ? WHERE name = ? AND value = ?");
      if (entry.bytes(to).text(name).bytes(from).run() != 1)
        return Error{Errc::conflict, 0, "the database was changed by somebody else"};
      Count count{.total = row_count(database), .sink = progress};
      if (const Result<void> r = change_keys(database, changes.key, count); !r) return r;
      if (const Result<void> r = change_aliases(database, changes.alias, count); !r) return r;
      return change_grants(database, changes.grant, count);
    });
  }

  Result<bool> scrub() override {
    return use([](Database& database) -> Result<bool> {
      return database.number("PRAGMA wal_checkpoint(TRUNCATE)") == 0;
    });
  }

 private:
  const std::string path_;
  PerProcess<SqliteConnection> connections_;
};

}  // namespace

std::shared_ptr<Store> make_sqlite_store(const std::string& path,
                                         std::chrono::milliseconds busy_timeout, Sharing sharing) {
  return std::make_shared<SqliteStore>(path, busy_timeout, sharing);
}

}  // namespace jwekms::db

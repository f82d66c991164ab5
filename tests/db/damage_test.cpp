// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <stdexcept>

#include "check.hpp"
#include "providers/db/record.hpp"
#include "providers/db/sqlite_connection.hpp"

using namespace jwekms;
using namespace jwekms::db;
using namespace jwekms::db::test;

namespace {

/// A database with a key of each kind and an alias each, and a copy of its rows.
struct Fixture {
  Fixture() {
    const auto db = open_db(dir);
    ImportKey rsa = rsa_import(rsa_der(), "rsa");
    rsa.owner = "alice";
    (void)db->import(rsa).value();
    (void)db->create(oct_request("oct")).value();
    (void)db->create(oct_request("two")).value();
    (void)db->add_alias("rsa", "rsa alias").value();
    (void)db->add_alias("oct", "oct alias").value();
  }
  /// What a new process sees; nothing of it may be anything but "damaged".
  void check_damaged(const std::string& uid, const std::string& alias) {
    const auto db = open_db(dir);
    CHECK(says_damaged(db->resolve(uid)));
    if (!alias.empty()) CHECK(says_damaged(db->resolve(alias)));
    CHECK(says_damaged(db->list({})));
    CHECK(says_damaged(db->set_state(uid, KeyState::compromised)));
    CHECK(says_damaged(db->add_alias(uid, "another")));
  }
  void check_sound() {
    const auto db = open_db(dir);
    for (const char* kid : {"rsa", "oct", "two", "rsa alias", "oct alias"}) {
      INFO(kid);
      CHECK(works(*db, kid));
    }
    CHECK(db->list({}).value().keys.size() == 3);
  }
  TempDir dir;
  std::string path = dir.file("keys.db");
};

const char* const keep_rows =
    "CREATE TEMP TABLE kept AS SELECT * FROM keys;"
    "CREATE TEMP TABLE kept_aliases AS SELECT * FROM aliases";
const char* const restore_rows =
    "PRAGMA foreign_keys = OFF; DELETE FROM aliases; DELETE FROM keys;"
    "INSERT INTO keys SELECT * FROM kept; INSERT INTO aliases SELECT * FROM kept_aliases";

}  // namespace

TEST_CASE("an edited key row is damaged, whatever was edited", "[db]") {
  Fixture f;
  SQLite::Database other = raw(f.path);
  other.exec(keep_rows);
  const std::vector<std::string> edits{
      "type = 1", "type = 2", "type = 3", "bits = bits + 1", "bits = 0", "algs = ''",
      "algs = 'dir RSA-OAEP'", "algs = 'RSA-OAEP'", "algs = algs || ' '", "enc = 'A128GCM'",
      "enc = enc || 'x'", "state = 2", "state = 3", "state = 4", "state = 0", "may_decrypt = 0",
      "may_encrypt = 0", "may_encrypt = 2", "owner = x'6d616c6c6f7279'", "parent = x'00'",
      "created_at = created_at - 1", "version = version + 1", "version = -1",
      // Moves a byte over the border of two neighbouring fields.
      "algs = substr(algs, 1, length(algs) - 1), enc = substr(algs, -1) || enc",
      "iv = zeroblob(12)", "iv = substr(iv, 1, 11)", "iv = x''", "iv = CAST(iv || x'00' AS BLOB)",
      "sealed = x''", "sealed = substr(sealed, 1, length(sealed) - 1)",
      "sealed = substr(sealed, 2)", "sealed = CAST(sealed || x'00' AS BLOB)",
      "sealed = zeroblob(length(sealed))", "tag = zeroblob(16)", "tag = substr(tag, 1, 15)",
      "tag = x''", "tag = substr(tag, 1, 12)", "tag = CAST(tag || x'00' AS BLOB)"};
  for (const std::string uid : {"rsa", "oct"}) {
    for (const std::string& edit : edits) {
      INFO(uid << ": " << edit);
      SQLite::Statement statement(
          other, "UPDATE keys SET " + edit + " WHERE uid = ?1 AND (" + "SELECT 1)");
      statement.bind(1, uid.data(), static_cast<int>(uid.size()));
      statement.exec();
      // Some edits change nothing in one of the two rows.
      if (other.execAndGet("SELECT count(*) FROM (SELECT * FROM keys EXCEPT SELECT * FROM kept)")
              .getInt() != 0)
        f.check_damaged(uid, uid + " alias");
      other.exec(restore_rows);
    }
  }
  f.check_sound();
}

TEST_CASE("a flipped bit anywhere in a sealed secret is damage", "[db]") {
  Fixture f;
  SQLite::Database other = raw(f.path);
  other.exec(keep_rows);
  for (const char* column : {"iv", "sealed", "tag"}) {
    const int size = other
                         .execAndGet(std::string("SELECT length(") + column +
                                     ") FROM keys WHERE uid = CAST('oct' AS BLOB)")
                         .getInt();
    for (int i = 0; i < size; ++i) {
      SQLite::Statement read(
          other, std::string("SELECT ") + column + " FROM keys WHERE uid = CAST('oct' AS BLOB)");
      REQUIRE(read.executeStep());
      std::string bytes = read.getColumn(0).getString();
      read.reset();
      bytes[static_cast<std::size_t>(i)] =
          static_cast<char>(bytes[static_cast<std::size_t>(i)] ^ 1);
      SQLite::Statement write(
          other, std::string("UPDATE keys SET ") + column + " = ? WHERE uid = CAST('oct' AS BLOB)");
      write.bind(1, bytes.data(), size);
      write.exec();
      INFO(column << " " << i);
      CHECK(says_damaged(open_db(f.dir)->resolve("oct")));
      other.exec(restore_rows);
    }
  }
  f.check_sound();
}

TEST_CASE("swapped secrets are damage", "[db]") {
  Fixture f;
  SQLite::Database other = raw(f.path);
  other.exec(keep_rows);
  const std::string from_other_row =
      " FROM kept WHERE kept.uid IN (CAST('oct' AS BLOB), CAST('two' AS BLOB))"
      " AND kept.uid <> keys.uid) WHERE uid IN (CAST('oct' AS BLOB), CAST('two' AS BLOB))";
  for (const std::string columns : {"sealed", "tag", "iv", "iv, sealed, tag", "sealed, tag"}) {
    INFO(columns);
    other.exec("UPDATE keys SET (" + columns + ") = (SELECT " + columns + from_other_row);
    f.check_damaged("oct", "oct alias");
    f.check_damaged("two", "");
    other.exec(restore_rows);
  }
  // The whole rows, under each other's UIDs.
  other.exec("PRAGMA foreign_keys = OFF");
  other.exec(
      "UPDATE keys SET uid = x'00' WHERE uid = CAST('oct' AS BLOB);"
      "UPDATE keys SET uid = CAST('oct' AS BLOB) WHERE uid = CAST('two' AS BLOB);"
      "UPDATE keys SET uid = CAST('two' AS BLOB) WHERE uid = x'00'");
  f.check_damaged("oct", "oct alias");
  f.check_damaged("two", "");
  other.exec(restore_rows);
  f.check_sound();
}

TEST_CASE("a renamed or copied row is damage", "[db]") {
  Fixture f;
  SQLite::Database other = raw(f.path);
  other.exec(keep_rows);
  other.exec("PRAGMA foreign_keys = OFF");
  other.exec("UPDATE keys SET uid = CAST('mine' AS BLOB) WHERE uid = CAST('two' AS BLOB)");
  f.check_damaged("mine", "");
  CHECK(code_of(open_db(f.dir)->resolve("two")) == "not_found");
  other.exec(restore_rows);
  // A row that its alias points to and that is gone.
  other.exec("DELETE FROM keys WHERE uid = CAST('oct' AS BLOB)");
  CHECK(says_damaged(open_db(f.dir)->resolve("oct alias")));
  other.exec(restore_rows);
  f.check_sound();
}

TEST_CASE("a redirected, forged or edited alias is damage", "[db]") {
  Fixture f;
  SQLite::Database other = raw(f.path);
  other.exec(keep_rows);
  const auto damaged_after = [&](const std::string& edit, const std::string& alias,
                                 const std::string& owner) {
    INFO(edit);
    other.exec(edit);
    const auto db = open_db(f.dir);
    CHECK(says_damaged(db->resolve(alias)));
    CHECK(says_damaged(db->remove_alias(owner, alias)));
    CHECK(says_damaged(db->resolve(owner)));  // it would list the alias
    CHECK(says_damaged(db->list({})));
    other.exec(restore_rows);
  };
  const std::string where = " WHERE alias = CAST('oct alias' AS BLOB)";
  damaged_after("UPDATE aliases SET uid = CAST('rsa' AS BLOB)" + where, "oct alias", "rsa");
  damaged_after("UPDATE aliases SET uid = CAST('two' AS BLOB)" + where, "oct alias", "two");
  damaged_after("UPDATE aliases SET alias = CAST('new' AS BLOB)" + where, "new", "oct");
  damaged_after("INSERT INTO aliases SELECT CAST('new' AS BLOB), uid, iv, tag FROM aliases" + where,
                "new", "oct");
  damaged_after("UPDATE aliases SET tag = zeroblob(16)" + where, "oct alias", "oct");
  damaged_after("UPDATE aliases SET tag = substr(tag, 1, 15)" + where, "oct alias", "oct");
  damaged_after("UPDATE aliases SET tag = x''" + where, "oct alias", "oct");
  damaged_after("UPDATE aliases SET iv = zeroblob(12)" + where, "oct alias", "oct");
  damaged_after("UPDATE aliases SET iv = x''" + where, "oct alias", "oct");
  damaged_after(
      "UPDATE aliases SET (iv, tag) = (SELECT iv, tag FROM keys WHERE uid = x'6f6374')" + where,
      "oct alias", "oct");
  f.check_sound();
}

TEST_CASE("a destroyed key cannot be brought back by an edit", "[db]") {
  Fixture f;
  SQLite::Database other = raw(f.path);
  other.exec(keep_rows);
  (void)open_db(f.dir)->set_state("oct", KeyState::destroyed).value();
  other.exec("UPDATE keys SET state = 1 WHERE uid = CAST('oct' AS BLOB)");
  f.check_damaged("oct", "");
  other.exec(
      "UPDATE keys SET (iv, sealed, tag) = (SELECT iv, sealed, tag FROM kept"
      " WHERE kept.uid = keys.uid) WHERE uid = CAST('oct' AS BLOB)");
  f.check_damaged("oct", "");
  other.exec("UPDATE keys SET state = 4 WHERE uid = CAST('oct' AS BLOB)");
  f.check_damaged("oct", "");
}

TEST_CASE("an edited row stays unused while the key is cached, too", "[db]") {
  Fixture f;
  DatabaseOptions options = options_in(f.dir);
  options.cache_ttl = std::chrono::milliseconds(0);
  const auto db = open_db(options);
  CHECK(works(*db, "oct"));
  raw(f.path).exec("UPDATE keys SET version = version + 1 WHERE uid = CAST('oct' AS BLOB)");
  CHECK(says_damaged(db->resolve("oct")));
  raw(f.path).exec("UPDATE keys SET version = version - 1 WHERE uid = CAST('oct' AS BLOB)");
  CHECK(works(*db, "oct"));
  raw(f.path).exec("UPDATE keys SET state = 2 WHERE uid = CAST('oct' AS BLOB)");
  CHECK(says_damaged(db->resolve("oct")));
}

TEST_CASE("triggers and views in the file are not run", "[db]") {
  Fixture f;
  raw(f.path).exec("CREATE TRIGGER t AFTER INSERT ON keys BEGIN DELETE FROM keys; END");
  const auto db = open_db(f.dir);
  (void)db->create(oct_request("new")).value();
  CHECK(works(*db, "oct"));
  CHECK(works(*db, "new"));
}

TEST_CASE("a file that is no key database is left alone", "[db]") {
  const TempDir dir;
  const std::string path = dir.file("keys.db");
  SECTION("garbage") {
    std::ofstream(path) << std::string(8192, 'x');
    CHECK(code_of(try_open(options_in(dir))) == "internal_error");
  }
  for (const char* version : {"0", "1", "2"}) {
    DYNAMIC_SECTION("another program's database, of schema version " << version) {
      SQLite::Database(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
          .exec("CREATE TABLE t (a); PRAGMA user_version = " + std::string(version));
      const Bytes before = read_file(path);
      const auto opened = try_open(options_in(dir));
      CHECK(code_of(opened) == "internal_error");
      CHECK(opened.error().text == damaged_file.text);
      CHECK(read_file(path) == before);
    }
  }
  CHECK_FALSE(std::filesystem::exists(dir.file("keys.db.kek")));
}

TEST_CASE("a schema version that never was is damage, and nothing is migrated from it", "[db]") {
  Fixture f;
  for (const char* version : {"-1", "-2147483648"}) {
    raw(f.path).exec("PRAGMA user_version = " + std::string(version));
    const auto opened = try_open(options_in(f.dir));
    CHECK(code_of(opened) == "internal_error");
    CHECK(opened.error().text == damaged_file.text);
  }
  raw(f.path).exec("PRAGMA user_version = 1");
  f.check_sound();
}

TEST_CASE("a database of a newer version is refused in clear words", "[db]") {
  Fixture f;
  raw(f.path).exec("PRAGMA user_version = 2");
  const auto opened = try_open(options_in(f.dir));
  CHECK(code_of(opened) == "internal_error");
  CHECK(opened.error().text ==
        std::string("the database was written by a newer version of this library"));
  raw(f.path).exec("PRAGMA user_version = 1");
  f.check_sound();
}

namespace {

/// A database beside which one can write as a newer version of this library would.
struct Newer {
  Newer() {
    options.kek = bytes;
    std::ranges::copy(bytes, kek.fill(bytes.size(), InsecureSecretAccess::token()).begin());
    db = open_db(options);
    (void)db->create(oct_request("old")).value();
    store = make_store(options);
    if (!store->open()) throw std::runtime_error("the store");
  }
  TempDir dir;
  Bytes bytes = Bytes(32, 9);
  Kek kek;
  DatabaseOptions options = options_in(dir);
  std::shared_ptr<KeyProvider> db;
  std::shared_ptr<Store> store;
};

}  // namespace

TEST_CASE("a key of a newer version is refused in clear words, and others serve", "[db]") {
  const Newer newer;
  const std::shared_ptr<KeyProvider>& db = newer.db;
  KeyInfo info;
  info.uid = "new";
  info.type = static_cast<KeyType>(3);
  REQUIRE(newer.store->insert(seal_record(*library(), newer.kek, info, Bytes(16)).value(), {}));

  const auto says_newer = [](const auto& result) {
    return code_of(result) == "internal_error" &&
           result.error().text ==
               std::string("the key record was written by a newer version of this library");
  };
  CHECK(says_newer(db->resolve("new")));
  CHECK(says_newer(db->set_state("new", KeyState::destroyed)));
  CHECK(says_newer(db->list({})));
  CHECK(works(*db, "old"));
}

TEST_CASE("a permission of a newer version is not given, and others are", "[db]") {
  const Newer newer;
  const GrantRow row{"old", "bob", 1 << 0 | 1 << 6, 1, {}, {}};
  REQUIRE(newer.store->put_grant(seal_grant(*library(), newer.kek, row).value()).value());
  CHECK(newer.db->grants()->granted("old", "bob").value() == Permissions{Permission::decrypt});
}

TEST_CASE("the file says whose it is and how it is written", "[db]") {
  Fixture f;
  SQLite::Database other = raw(f.path);
  CHECK(other.execAndGet("PRAGMA user_version").getInt() == 1);
  CHECK(other.execAndGet("PRAGMA application_id").getInt() == 0x6A774B4D);
  CHECK(other.execAndGet("PRAGMA journal_mode").getString() == "wal");
  CHECK(other.execAndGet("PRAGMA integrity_check").getString() == "ok");
}

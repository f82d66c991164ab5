// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <csignal>

#include "check.hpp"

// A new key-encryption key, and every record sealed anew under it.

using namespace jwekms;
using namespace jwekms::db::test;
namespace fs = std::filesystem;

namespace {

constexpr int keys = 250;  // several pages

Options options_of(const TempDir& dir) {
  Options options;
  options.database = options_in(dir);
  options.database.busy_timeout = std::chrono::milliseconds(50);
  options.on_warning = [](std::string_view) {};
  return options;
}

std::string kek_path(const TempDir& dir) { return dir.file("keys.db.kek"); }
std::string uid(int i) { return "key-" + std::to_string(i); }

/// Keys of all kinds, aliases, grants, and a key that is destroyed.
void fill(const TempDir& dir) {
  const Kms kms = open(options_of(dir)).value();
  for (int i = 0; i < keys; ++i) (void)kms.create_key(oct_request(uid(i))).value();
  (void)kms.import_key(rsa_import(rsa_der(), "rsa")).value();
  (void)kms.create_key(oct_request("gone")).value();
  (void)kms.set_key_state("gone", KeyState::destroyed).value();
  kms.add_alias("rsa", "alias").value();
  kms.grant("rsa", "bob", {Permission::decrypt}).value();
  kms.grant("key-1", "*", {Permission::encrypt}).value();
}

/// Keys, aliases and grants.
constexpr std::uint64_t records = keys + 2 + 1 + 2;

void check_all(const TempDir& dir) {
  const auto db = open_db(dir);
  int good = 0;
  for (int i = 0; i < keys; ++i) good += works(*db, uid(i)) ? 1 : 0;
  CHECK(good == keys);
  CHECK(works(*db, "rsa"));
  CHECK(works(*db, "alias"));
  CHECK(code_of(db->resolve("gone")) == "not_found");
  const Kms kms = open(options_of(dir)).value();
  CHECK(kms.grants("rsa").value().at(0).principal == "bob");
  CHECK(kms.grants("key-1").value().at(0).principal == "*");
}

std::vector<std::string> seals(const TempDir& dir) {
  SQLite::Database database = raw(dir.file("keys.db"));
  SQLite::Statement all(database,
                        "SELECT iv || tag FROM keys UNION ALL SELECT iv || tag FROM aliases"
                        " UNION ALL SELECT iv || tag FROM grants");
  std::vector<std::string> found;
  while (all.executeStep()) found.push_back(all.getColumn(0).getString());
  std::ranges::sort(found);
  return found;
}

void copy_database(const TempDir& from, const TempDir& to) {
  fs::copy_file(from.file("keys.db"), to.file("keys.db"), fs::copy_options::overwrite_existing);
}

}  // namespace

TEST_CASE("a rotation seals everything anew, and tells how far it is", "[db][rotation]") {
  const TempDir dir, before;
  fill(dir);
  copy_database(dir, before);
  const Bytes old = read_file(kek_path(dir));
  const std::vector<std::string> old_seals = seals(dir);
  std::uint64_t told = 0;
  rotate_kek(options_of(dir), [&](std::uint64_t done, std::uint64_t total) {
    CHECK(done == ++told);
    CHECK(total == records);
  }).value();
  CHECK(told == records);
  check_all(dir);
  std::vector<std::string> both;
  const std::vector<std::string> new_seals = seals(dir);
  CHECK(new_seals.size() == records);
  std::ranges::set_intersection(old_seals, new_seals, std::back_inserter(both));
  CHECK(both.empty());

  CHECK(read_file(kek_path(dir)) != old);
  CHECK(read_file(kek_path(dir) + ".old") == old);
  CHECK_FALSE(fs::exists(kek_path(dir) + ".next"));
  // The old key opens what is old, and nothing else.
  fs::copy_file(kek_path(dir) + ".old", kek_path(before));
  check_all(before);
  copy_database(dir, before);
  CHECK(code_of(try_open(options_in(before))) == "crypto_failure");
}

TEST_CASE("a rotation that is killed has changed nothing and can be begun again",
          "[db][rotation]") {
  const TempDir dir;
  fill(dir);
  const Bytes old = read_file(kek_path(dir));
  const std::vector<std::string> old_seals = seals(dir);
  for (const std::uint64_t at : {std::uint64_t{1}, records / 2, records}) {
    const int ended = in_child([&] {
      (void)rotate_kek(options_of(dir), [&](std::uint64_t done, std::uint64_t) {
        if (done == at) (void)raise(SIGKILL);
      });
      return 0;
    });
    CHECK(ended == -1);
    CHECK(read_file(kek_path(dir)) == old);
    CHECK(seals(dir) == old_seals);
    check_all(dir);
  }
  CHECK(code_of(rotate_kek(options_of(dir))) == "ok");
  check_all(dir);
  CHECK(read_file(kek_path(dir)) != old);
}

TEST_CASE("who opens a database finishes what a rotation left of its key's file",
          "[db][rotation]") {
  const TempDir dir;
  fill(dir);
  const Bytes old = read_file(kek_path(dir));
  rotate_kek(options_of(dir)).value();
  const std::string path = kek_path(dir);
  const Bytes fresh = read_file(path);
  // As it is when the database has been changed and the file has not; then half-way.
  fs::rename(path, path + ".next");
  SECTION("nothing was done") { fs::rename(path + ".old", path); }
  SECTION("the old file has its name") { fs::copy_file(path + ".old", path); }
  SECTION("the file in use is missing") {}
  check_all(dir);
  CHECK(read_file(path) == fresh);
  CHECK_FALSE(fs::exists(path + ".next"));
  CHECK(read_file(path + ".old") == old);
}

TEST_CASE("a file that an interrupted rotation left does no harm", "[db][rotation]") {
  const TempDir dir, other;
  fill(dir);
  (void)open_db(other);
  fs::copy_file(kek_path(other), kek_path(dir) + ".next");
  const Bytes old = read_file(kek_path(dir));
  check_all(dir);
  CHECK(read_file(kek_path(dir)) == old);
  CHECK(code_of(rotate_kek(options_of(dir))) == "ok");
  CHECK(read_file(kek_path(dir)) != read_file(kek_path(other)));
  check_all(dir);
}

TEST_CASE("nobody else has the database open during a rotation", "[db][rotation]") {
  const TempDir dir;
  fill(dir);
  const std::vector<std::string> old_seals = seals(dir);
  {
    const auto somebody = open_db(dir);
    CHECK(code_of(rotate_kek(options_of(dir))) == "unavailable");
    CHECK(works(*somebody, "rsa"));
  }
  CHECK(seals(dir) == old_seals);
  std::string meanwhile;
  const auto try_meanwhile = [&](std::uint64_t done, std::uint64_t) {
    if (done != 5) return;
    const std::string program = "python3 -c \"import sqlite3,sys; c=sqlite3.connect('" +
                                dir.file("keys.db") +
                                "',timeout=0); c.execute('select count(*) from keys')\" 2>&1";
    FILE* ran = popen(program.c_str(), "r");
    std::array<char, 4096> said{};
    meanwhile.assign(said.data(), std::fread(said.data(), 1, said.size(), ran));
    (void)pclose(ran);
  };
  CHECK(code_of(rotate_kek(options_of(dir), try_meanwhile)) == "ok");
  CHECK(meanwhile.find("database is locked") != std::string::npos);
  check_all(dir);
}

TEST_CASE("the old key's file is never lost to the next rotation", "[db][rotation]") {
  const TempDir dir;
  fill(dir);
  rotate_kek(options_of(dir)).value();
  const Bytes first = read_file(kek_path(dir) + ".old"), second = read_file(kek_path(dir));
  CHECK(code_of(rotate_kek(options_of(dir))) == "conflict");
  CHECK(read_file(kek_path(dir) + ".old") == first);
  CHECK(read_file(kek_path(dir)) == second);
  fs::remove(kek_path(dir) + ".old");
  CHECK(code_of(rotate_kek(options_of(dir))) == "ok");
  CHECK(read_file(kek_path(dir) + ".old") == second);
  check_all(dir);
}

TEST_CASE("a damaged record stops a rotation, and nothing is changed", "[db][rotation]") {
  const TempDir dir;
  fill(dir);
  for (const char* damage :
       {"UPDATE keys SET owner = x'61' WHERE uid = CAST('key-99' AS BLOB)",
        "UPDATE aliases SET tag = zeroblob(16)", "UPDATE grants SET permissions = 255"}) {
    const TempDir damaged;
    copy_database(dir, damaged);
    fs::copy_file(kek_path(dir), kek_path(damaged));
    raw(damaged.file("keys.db")).exec(damage);
    const std::vector<std::string> old_seals = seals(damaged);
    CHECK(says_damaged(rotate_kek(options_of(damaged))));
    CHECK(seals(damaged) == old_seals);
    CHECK(works(*open_db(damaged), "key-1"));
  }
}

TEST_CASE("a rotation that cannot be", "[db][rotation]") {
  const TempDir dir;
  CHECK(code_of(rotate_kek(options_of(dir))) == "not_found");
  CHECK_FALSE(fs::exists(dir.file("keys.db")));
  CHECK(code_of(rotate_kek({})) == "bad_request");
  const Bytes handed_in(32, 7);
  Options options = options_of(dir);
  options.database.kek = handed_in;
  (void)open(options).value();
  CHECK(code_of(rotate_kek(options)) == "bad_request");
  CHECK(code_of(open(options)) == "ok");
}

// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "check.hpp"

using namespace jwekms;
using namespace jwekms::db::test;
using namespace std::chrono_literals;
using support::Child;
using support::Signal;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

DatabaseOptions with_ttl(const TempDir& dir, std::chrono::milliseconds ttl) {
  DatabaseOptions options = options_in(dir);
  options.cache_ttl = ttl;
  return options;
}

void set_encryptions(const TempDir& dir, std::int64_t count) {
  raw(dir.file("keys.db"))
      .exec("INSERT OR REPLACE INTO encryption_counts VALUES (CAST('k' AS BLOB), " +
            std::to_string(count) + ")");
}
std::int64_t encryptions(const TempDir& dir) {
  return raw(dir.file("keys.db"))
      .execAndGet("SELECT coalesce(max(taken), 0) FROM encryption_counts")
      .getInt64();
}

std::shared_ptr<const ContentKey> content_key(const KeyProvider& db, std::string_view kid) {
  return db.resolve(kid).value()->content_key(row(Enc::A256GCM)).value();
}

}  // namespace

TEST_CASE("another process's revocation is seen within the bound", "[db]") {
  constexpr auto ttl = 300ms;
  const TempDir dir;
  const Signal made, cached, revoked, noticed;
  const Child other([&] {
    made.wait();
    const auto db = open_db(with_ttl(dir, ttl));
    for (const char* kid : {"deactivated", "destroyed", "alias"})
      if (!works(*db, kid)) return 1;
    cached.send();
    revoked.wait();
    const Clock::time_point deadline = Clock::now() + ttl;
    // Kept in use all the while.
    while (Clock::now() < deadline) (void)db->resolve("destroyed");
    if (code_of(db->resolve("destroyed")) != "not_found") return 2;
    if (code_of(db->resolve("alias")) != "not_found") return 3;
    const auto key = db->resolve("deactivated");
    return key && (*key)->info().state == KeyState::deactivated ? 0 : 4;
  });
  const auto db = open_db(dir);
  for (const char* uid : {"deactivated", "destroyed", "third"})
    (void)db->create(oct_request(uid)).value();
  (void)db->add_alias("third", "alias").value();
  made.send();
  cached.wait();
  (void)db->set_state("deactivated", KeyState::deactivated).value();
  (void)db->set_state("destroyed", KeyState::destroyed).value();
  (void)db->remove_alias("third", "alias").value();
  revoked.send();
  CHECK(other.exit_code() == 0);
}

TEST_CASE("a change by this process takes effect at once", "[db]") {
  const TempDir dir;
  const auto db = open_db(with_ttl(dir, 1h));
  (void)db->create(oct_request("k")).value();
  (void)db->add_alias("k", "a").value();
  CHECK(db->resolve("k").value()->info().aliases.size() == 1);
  CHECK(works(*db, "a"));
  (void)db->remove_alias("k", "a").value();
  CHECK(code_of(db->resolve("a")) == "not_found");
  CHECK(db->resolve("k").value()->info().aliases.empty());
  (void)db->set_state("k", KeyState::destroyed).value();
  CHECK(code_of(db->resolve("k")) == "not_found");
}

TEST_CASE("an alias that another process moved leads to its new key", "[db]") {
  const TempDir dir;
  const auto db = open_db(with_ttl(dir, 0ms));
  (void)db->create(oct_request("one")).value();
  (void)db->create(oct_request("two")).value();
  (void)db->add_alias("one", "a").value();
  CHECK(db->resolve("a").value()->info().uid == "one");
  const auto other = open_db(dir);
  (void)other->remove_alias("one", "a").value();
  (void)other->add_alias("two", "a").value();
  CHECK(db->resolve("a").value()->info().uid == "two");
  CHECK(db->resolve("one").value()->info().aliases.empty());
}

TEST_CASE("the cache keeps to its bound", "[db]") {
  const TempDir dir;
  for (const std::size_t entries : {0U, 1U, 2U, 5U}) {
    DatabaseOptions options = options_for(dir.file("keys-" + std::to_string(entries)));
    options.cache_entries = entries;
    const auto db = open_db(options);
    for (int i = 0; i < 10; ++i) (void)db->create(oct_request(std::to_string(i))).value();
    for (int round = 0; round < 3; ++round)
      for (int i = 0; i < 10; ++i) {
        const auto key = db->resolve(std::to_string(i)).value();
        CHECK(key->info().uid == std::to_string(i));
        CHECK(works(*key));
      }
  }
}

TEST_CASE("encryptions are leased durably and stop at 2^32", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  (void)db->create(oct_request("k")).value();
  const auto key = content_key(*db, "k");
  CHECK(encryptions(dir) == 0);
  CHECK(encrypt(*key, {1}));
  CHECK(encryptions(dir) == 64);
  for (int i = 0; i < 100; ++i) CHECK(encrypt(*key, {1}));
  CHECK(encryptions(dir) == 64 + 128);

  constexpr std::int64_t limit = std::int64_t{1} << 32;
  set_encryptions(dir, limit - 50);
  const auto again = open_db(dir);
  const auto near_end = content_key(*again, "k");
  int done = 0;
  Result<Message> last = encrypt(*near_end, {1});
  for (; last && done < 100; ++done) last = encrypt(*near_end, {1});
  CHECK(done == 50);
  CHECK(code_of(last) == "forbidden");
  CHECK(last.error().text == std::string("this key's encryptions are used up"));
  CHECK(encryptions(dir) == limit);
  // It still decrypts.
  set_encryptions(dir, 0);
  const Message m = encrypt(*near_end, {1}).value();
  set_encryptions(dir, limit);
  CHECK(decrypt(*content_key(*open_db(dir), "k"), m));
  for (const std::int64_t beyond : {limit + 1, INT64_MAX}) {
    set_encryptions(dir, beyond);
    CHECK(code_of(encrypt(*content_key(*open_db(dir), "k"), {1})) == "forbidden");
  }
  set_encryptions(dir, -1);
  CHECK(code_of(encrypt(*content_key(*open_db(dir), "k"), {1})) == "internal_error");
}

TEST_CASE("two processes never use one lease", "[db]") {
  constexpr std::int64_t limit = std::int64_t{1} << 32;
  constexpr int left = 3000;
  const TempDir dir;
  const Signal made;
  int counts[2];
  REQUIRE(pipe(counts) == 0);
  const auto use_up = [&] {
    const auto db = open_db(dir);
    const auto key = content_key(*db, "k");
    int done = 0;
    for (; encrypt(*key, {1}); ++done) {
    }
    return done;
  };
  const Child other([&] {
    made.wait();
    const int done = use_up();
    return write(counts[1], &done, sizeof done) == sizeof done ? 0 : 1;
  });
  (void)open_db(dir)->create(oct_request("k")).value();
  set_encryptions(dir, limit - left);
  made.send();
  const int mine = use_up();
  int theirs = 0;
  REQUIRE(read(counts[0], &theirs, sizeof theirs) == sizeof theirs);
  CHECK(other.exit_code() == 0);
  CHECK(mine + theirs == left);
}

TEST_CASE("a database that somebody else has locked is unavailable, not empty", "[db]") {
  const TempDir dir;
  DatabaseOptions options = options_in(dir);
  options.busy_timeout = 50ms;
  options.cache_ttl = 0ms;
  const auto db = open_db(options);
  (void)db->create(oct_request("k")).value();
  CHECK(works(*db, "k"));

  SECTION("for writing") {
    SQLite::Database other = raw(dir.file("keys.db"));
    other.exec("BEGIN EXCLUSIVE");
    CHECK(code_of(db->create(oct_request("new"))) == "unavailable");
    CHECK(code_of(db->set_state("k", KeyState::destroyed)) == "unavailable");
    CHECK(code_of(db->add_alias("k", "a")) == "unavailable");
    // Readers go on.
    CHECK(db->resolve("k"));
    CHECK(code_of(db->resolve("nobody")) == "not_found");
    CHECK(code_of(try_open(options)) == "ok");
    other.exec("COMMIT");
    CHECK(code_of(db->create(oct_request("new"))) == "ok");
  }
  SECTION("altogether") {
    const TempDir second;
    options.path = second.file("keys.db");
    (void)open_db(options)->create(oct_request("k")).value();
    SQLite::Database other = raw(options.path);
    other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
    CHECK(code_of(try_open(options)) == "unavailable");
  }
}

TEST_CASE("a database file that was moved away is unavailable", "[db]") {
  const TempDir dir;
  DatabaseOptions options = options_in(dir);
  options.cache_ttl = 0ms;
  const auto db = open_db(options);
  (void)db->create(oct_request("k")).value();
  fs::rename(options.path, dir.file("aside"));
  CHECK(code_of(db->resolve("k")) == "unavailable");
  CHECK(code_of(db->create(oct_request("new"))) == "unavailable");
  CHECK_FALSE(fs::exists(options.path));
  fs::rename(dir.file("aside"), options.path);
  CHECK(works(*db, "k"));
  CHECK(code_of(db->create(oct_request("new"))) == "ok");
}

TEST_CASE("a forked child goes on with the provider", "[db]") {
  const TempDir dir;
  auto db = open_db(dir);
  (void)db->import(rsa_import(rsa_der(), "rsa")).value();
  (void)db->create(oct_request("oct")).value();
  const auto held = db->resolve("rsa").value();
  const auto held_content_key = content_key(*db, "oct");
  CHECK(encrypt(*held_content_key, {1}));
  const Message m = encrypt(*held_content_key, {1, 2, 3}).value();
  const std::int64_t before = encryptions(dir);

  const Signal parent_closed, child_wrote;
  const Child child([&] {
    if (!works(*held)) return 1;
    if (!works(*db, "rsa") || !works(*db, "oct")) return 2;
    const auto back = decrypt(*content_key(*db, "oct"), m);
    if (!back || *back != Bytes{1, 2, 3}) return 3;
    if (!encrypt(*held_content_key, {1})) return 4;
    if (!db->create(oct_request("by child"))) return 5;
    child_wrote.send();
    parent_closed.wait();
    if (!db->create(oct_request("by child, later"))) return 6;
    const Child grandchild([&] {
      if (!works(*db, "by child")) return 1;
      return db->create(oct_request("by grandchild")) ? 0 : 2;
    });
    return grandchild.exit_code() == 0 ? 0 : 7;
  });
  child_wrote.wait();
  CHECK(works(*db, "by child"));
  CHECK(encryptions(dir) > before);
  (void)db->create(oct_request("by parent")).value();
  // The parent's last connection must not take the child's log away.
  db.reset();
  parent_closed.send();
  CHECK(child.exit_code() == 0);
  const auto again = open_db(dir);
  for (const char* uid :
       {"by child", "by child, later", "by grandchild", "by parent", "oct", "rsa"})
    CHECK(works(*again, uid));
}

TEST_CASE("a forked child may close the provider, and open the database again", "[db]") {
  const TempDir dir;
  auto db = open_db(dir);
  (void)db->create(oct_request("k")).value();
  CHECK(in_child([&] {
          // With an inherited handle in the way SQLite's locks would be none.
          if (code_of(try_open(options_in(dir))) != "unavailable") return 1;
          db.reset();
          const auto mine = try_open(options_in(dir));
          if (!mine || !works(**mine, "k")) return 2;
          return (*mine)->create(oct_request("by child")) ? 0 : 3;
        }) == 0);
  CHECK(works(*db, "by child"));
  CHECK(code_of(db->create(oct_request("after"))) == "ok");
}

TEST_CASE("a key-encryption key that was handed in does not cross a fork", "[db]") {
  const TempDir dir;
  const Bytes kek(32, 9);
  DatabaseOptions options = options_in(dir);
  options.kek = kek;
  auto db = open_db(options);
  (void)db->create(oct_request("k")).value();
  CHECK(works(*db, "k"));
  CHECK(in_child([&] {
          if (code_of(db->resolve("k")) != "unavailable") return 1;
          if (code_of(db->create(oct_request("new"))) != "unavailable") return 2;
          db.reset();
          return works(*open_db(options), "k") ? 0 : 3;
        }) == 0);
  CHECK(works(*db, "k"));
}

TEST_CASE("a fork in the middle of another thread's call does not hang the child", "[db]") {
  const TempDir dir;
  DatabaseOptions options = options_in(dir);
  options.busy_timeout = 30s;
  const auto db = open_db(options);
  (void)db->create(oct_request("k")).value();
  SQLite::Database other = raw(dir.file("keys.db"));
  other.exec("BEGIN IMMEDIATE");
  std::thread blocked([&] { (void)db->create(oct_request("waits for the lock")); });
  // Until the thread is inside, a child finds the provider at rest.
  const auto child = [&] {
    return in_child([&] {
      const std::string found = code_of(db->resolve("k"));
      return found == "unavailable" ? 0 : found == "ok" ? 2 : 1;
    });
  };
  int status = 2;
  for (int i = 0; i < 500 && status == 2; ++i) {
    std::this_thread::sleep_for(20ms);
    status = child();
  }
  CHECK(status == 0);
  other.exec("COMMIT");
  blocked.join();
  CHECK(works(*db, "k"));
  CHECK(works(*db, "waits for the lock"));
}

TEST_CASE("threads share a provider while its keys change", "[db]") {
  const TempDir dir;
  DatabaseOptions options = with_ttl(dir, 1ms);
  options.cache_entries = 6;
  const auto db = open_db(options);
  for (int i = 0; i < 8; ++i) (void)db->create(oct_request("k" + std::to_string(i))).value();
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = t; !stop; ++i) {
        const std::string uid = "k" + std::to_string(i % 8);
        const auto key = db->resolve(uid);
        if (!key || (*key)->info().uid != uid || !works(**key)) ++wrong;
      }
    });
  for (int i = 0; i < 30; ++i) {
    const std::string uid = "k" + std::to_string(i % 8);
    const std::string alias = "alias " + std::to_string(i);
    if (!db->add_alias(uid, alias) || !works(*db, alias) || !db->remove_alias(uid, alias)) ++wrong;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

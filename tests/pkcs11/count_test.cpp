// SPDX-License-Identifier: Apache-2.0
#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <map>

#include "token.hpp"

// Encryptions under an AES key of a token are counted in the database, for all processes.

using namespace token;

namespace {

constexpr std::int64_t limit = std::int64_t{1} << 32;

SQLite::Database raw_database(const std::string& path) {
  return SQLite::Database(path, SQLite::OPEN_READWRITE, 5000);
}

std::int64_t count_of(const std::string& path, const std::string& uid) {
  SQLite::Database database = raw_database(path);
  SQLite::Statement find(database, "SELECT taken FROM encryption_counts WHERE uid = ?");
  find.bind(1, uid.data(), static_cast<int>(uid.size()));
  return find.executeStep() ? find.getColumn(0).getInt64() : 0;
}

void set_count(const std::string& path, const std::string& uid, std::int64_t count) {
  SQLite::Database database = raw_database(path);
  SQLite::Statement set(database, "INSERT OR REPLACE INTO encryption_counts VALUES (?, ?)");
  set.bind(1, uid.data(), static_cast<int>(uid.size()));
  set.bind(2, count);
  set.exec();
}

/// A key for `dir`, gone at the end of the test.
class DirKey {
 public:
  explicit DirKey(const char* label) : uid(prefix() + label), kms_(open()) { make(); }
  ~DirKey() { (void)kms_.set_key_state(uid, KeyState::destroyed); }
  DirKey(const DirKey&) = delete;
  DirKey& operator=(const DirKey&) = delete;
  void make() { (void)kms_.create_key({.uid = uid, .type = KeyType::oct}).value(); }
  void destroy() { (void)kms_.set_key_state(uid, KeyState::destroyed).value(); }

  const std::string uid;

 private:
  const Kms kms_;
};

std::string encrypt_once(const Kms& kms, const std::string& uid) {
  return token::encrypt(kms, uid, Alg::dir, Enc::A256GCM, "counted");
}

/// Encrypts until that is refused: how often it was done, -1 for another end.
int use_up(const std::string& database, const std::string& uid) {
  const Kms kms = try_open(options(), database).value();
  for (int done = 0; done < 1000; ++done) {
    const std::string answer = encrypt_once(kms, uid);
    if (answer == "error: forbidden") return done;
    if (answer.starts_with("error:")) break;
  }
  return -1;
}

}  // namespace

TEST_CASE("encryptions under an HSM key are leased from the database and stop at 2^32") {
  if (!expected().gcm) return;  // refused: keys_test.cpp
  const support::TempDir dir;
  const std::string database = dir.file("keys");
  DirKey key("counted");
  const Kms kms = try_open(options(), database).value();
  CHECK(count_of(database, key.uid) == 0);
  const std::string text = encrypt_once(kms, key.uid);
  CHECK(decrypt(kms, text) == "counted");
  CHECK(count_of(database, key.uid) == 64);
  // Another Kms takes a block of its own, and a key that is looked up again goes on with its own.
  const Kms other = try_open(options(), database).value();
  CHECK(decrypt(kms, encrypt_once(other, key.uid)) == "counted");
  CHECK(decrypt(kms, encrypt_once(kms, key.uid)) == "counted");
  CHECK(count_of(database, key.uid) == 128);

  // A key made anew under the same label goes on with the count.
  key.destroy();
  key.make();
  const Kms anew = try_open(options(), database).value();
  CHECK(decrypt(anew, encrypt_once(anew, key.uid)) == "counted");
  CHECK(count_of(database, key.uid) == 192);

  set_count(database, key.uid, limit - 20);
  CHECK(use_up(database, key.uid) == 20);
  CHECK(count_of(database, key.uid) == limit);
  const Kms full = try_open(options(), database).value();
  CHECK(encrypt_once(full, key.uid) == "error: forbidden");
  // It still decrypts.
  set_count(database, key.uid, 0);
  const std::string last = encrypt_once(full, key.uid);
  set_count(database, key.uid, limit);
  CHECK(decrypt(try_open(options(), database).value(), last) == "counted");
}

TEST_CASE("two UIDs of one key share its count, however its slot is described") {
  if (!expected().gcm) return;  // refused: keys_test.cpp
  const support::TempDir dir;
  const DirKey key("two-uids");
  const auto opened = [&] {
    Options all;
    all.hsms = {options(), options()};
    const Kms keep = open();
    const Raw raw;
    all.hsms[1].slots[0] = {.number = 3, .slot_id = raw.slot, .pin = variable("PIN")};
    all.database.path = dir.file("keys");
    all.policy = Policy::permissive();
    all.on_warning = [](std::string_view) {};
    return jwekms::open(all);
  };
  const std::string other = "hsm::" + expected().model + "_1::3::two-uids";
  const Kms kms = opened().value();
  const std::string text = encrypt_once(kms, key.uid);
  CHECK(decrypt(kms, text, other) == "counted");
  CHECK(decrypt(kms, encrypt_once(kms, other), key.uid) == "counted");
  // One count for each UID, and one for the key.
  std::map<std::string, std::int64_t> counts;
  {
    SQLite::Database database = raw_database(dir.file("keys"));
    SQLite::Statement all(database, "SELECT uid, taken FROM encryption_counts");
    while (all.executeStep())
      counts[std::string(static_cast<const char*>(all.getColumn(0).getBlob()),
                         static_cast<std::size_t>(all.getColumn(0).getBytes()))] =
          all.getColumn(1).getInt64();
  }
  REQUIRE(counts.size() == 3);
  std::string own;
  for (const auto& [name, taken] : counts) {
    CHECK(taken == 64);
    if (name != key.uid && name != other) own = name;
  }
  set_count(dir.file("keys"), own, limit);
  const Kms full = opened().value();
  CHECK(encrypt_once(full, key.uid) == "error: forbidden");
  CHECK(encrypt_once(full, other) == "error: forbidden");
}

TEST_CASE("two processes share an HSM key's count") {
  if (!expected().gcm) return;  // refused: keys_test.cpp
  constexpr int left = 300;
  const support::TempDir dir;
  const std::string database = dir.file("keys");
  const DirKey key("shared-count");
  { const Kms made = try_open(options(), database).value(); }
  set_count(database, key.uid, limit - left);
  int counts[2];
  REQUIRE(pipe(counts) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const int done = use_up(database, key.uid);
    _exit(write(counts[1], &done, sizeof done) == sizeof done ? 0 : 1);
  }
  const int mine = use_up(database, key.uid);
  int theirs = 0;
  REQUIRE(read(counts[0], &theirs, sizeof theirs) == sizeof theirs);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(mine >= 0);
  CHECK(theirs >= 0);
  CHECK(mine + theirs == left);
}

TEST_CASE("a killed process loses its block and gives nothing back") {
  if (!expected().gcm) return;  // refused: keys_test.cpp
  const support::TempDir dir;
  const std::string database = dir.file("keys");
  const DirKey key("killed");
  const pid_t child = fork();
  if (child == 0) {
    const Kms kms = try_open(options(), database).value();
    for (int i = 0; i < 10; ++i)
      if (encrypt_once(kms, key.uid).starts_with("error:")) _exit(1);
    (void)raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(count_of(database, key.uid) == 64);
  const Kms kms = try_open(options(), database).value();
  CHECK(decrypt(kms, encrypt_once(kms, key.uid)) == "counted");
  CHECK(count_of(database, key.uid) == 128);
}

TEST_CASE("a forked child counts for itself") {
  if (!expected().gcm) return;  // refused: keys_test.cpp
  const support::TempDir dir;
  const std::string database = dir.file("keys");
  const DirKey key("fork-count");
  const Kms kms = try_open(options(), database).value();
  CHECK(decrypt(kms, encrypt_once(kms, key.uid)) == "counted");
  const pid_t child = fork();
  if (child == 0) {
    const std::string text = encrypt_once(kms, key.uid);
    _exit(decrypt(kms, text) == "counted" ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(count_of(database, key.uid) == 128);
  CHECK(decrypt(kms, encrypt_once(kms, key.uid)) == "counted");
  CHECK(count_of(database, key.uid) == 128);
}

TEST_CASE("what cannot be counted is not encrypted") {
  if (!expected().gcm) return;  // refused: keys_test.cpp
  const support::TempDir dir;
  Options all;
  all.hsms.push_back(options());
  all.database.path = dir.file("keys");
  all.database.busy_timeout = std::chrono::milliseconds(50);
  all.on_warning = [](std::string_view) {};
  const DirKey key("locked-count");
  const Kms kms = jwekms::open(all).value();
  const std::string text = encrypt_once(open(), key.uid);
  SQLite::Database other = raw_database(all.database.path);
  other.exec("BEGIN IMMEDIATE");
  CHECK(encrypt_once(kms, key.uid) == "error: unavailable");
  CHECK(decrypt(kms, text) == "counted");
  other.exec("COMMIT");
  CHECK(decrypt(kms, encrypt_once(kms, key.uid)) == "counted");
}

// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <sstream>

#include "check.hpp"
#include "core/kek_wrapper.hpp"

// A database whose key-encryption key an HSM wraps; the HSM is played by this file.

using namespace jwekms;
using namespace jwekms::db::test;
namespace fs = std::filesystem;

namespace {

/// "Wraps" by a mask, behind the number of the key.
class FakeHsm final : public core::KekWrapper {
 public:
  explicit FakeHsm(std::uint8_t key) : key_(key) {}

  Result<core::WrappedKek> wrap(const Kek& kek) override {
    ++calls;
    if (down) return out_of_reach;
    const auto bytes = kek.bytes(InsecureSecretAccess::token());
    core::WrappedKek wrapped{"MASK", "hsm::other::0::key-" + std::to_string(key_), {key_}};
    for (const std::uint8_t b : bytes) wrapped.bytes.push_back(b ^ mask());
    return wrapped;
  }
  Result<void> unwrap(const core::WrappedKek& wrapped, Kek& kek) override {
    ++calls;
    if (down) return out_of_reach;
    if (wrapped.mechanism != "MASK")
      return Error{Errc::unsupported_algorithm, 0, "another mechanism"};
    if (wrapped.bytes.size() != Kek::capacity + 1 || wrapped.bytes[0] != key_)
      return Error{Errc::crypto_failure, 0, "another key"};
    const auto room = kek.fill(Kek::capacity, InsecureSecretAccess::token());
    for (std::size_t i = 0; i < room.size(); ++i) room[i] = wrapped.bytes[i + 1] ^ mask();
    return {};
  }

  /// The key that is wrapped in `entry`, every bit turned around.
  [[nodiscard]] Bytes inverted_key(const Bytes& entry) const {
    Bytes key(entry.end() - 28 - Kek::capacity, entry.end() - 28);
    for (std::uint8_t& b : key) b = static_cast<std::uint8_t>(~(b ^ mask()));
    return key;
  }

  std::atomic<int> calls = 0;
  std::atomic<bool> down = false;

 private:
  static constexpr Error out_of_reach{Errc::unavailable, 0, "the HSM is out of reach"};
  [[nodiscard]] std::uint8_t mask() const { return static_cast<std::uint8_t>(0xA0 ^ key_); }
  const std::uint8_t key_;
};

Result<std::shared_ptr<KeyProvider>> open_with(const TempDir& dir,
                                               const std::shared_ptr<FakeHsm>& hsm) {
  const DatabaseOptions options = options_in(dir);
  return db::open_database(library(), db::make_store(options), options, hsm, {}, {});
}

Bytes entry_of(const TempDir& dir) {
  SQLite::Database database = raw(dir.file("keys.db"));
  SQLite::Statement find(database, "SELECT value FROM meta WHERE name = 'kek'");
  if (!find.executeStep()) return {};
  const auto* data = static_cast<const std::uint8_t*>(find.getColumn(0).getBlob());
  return {data, data + find.getColumn(0).getBytes()};
}
void set_entry(const TempDir& dir, const Bytes& entry) {
  SQLite::Database database = raw(dir.file("keys.db"));
  SQLite::Statement set(database, "UPDATE meta SET value = ? WHERE name = 'kek'");
  set.bind(1, entry.data(), static_cast<int>(entry.size()));
  set.exec();
}

/// How often something stands in the writable memory of this process, given with every bit turned
/// around, so that the search does not find itself.
int count_in_memory(const Bytes& inverted) {
  int found = 0;
  const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::string rights;
    words >> std::hex >> begin >> dash >> end >> rights;
    if (!rights.starts_with("rw") || end - begin > (std::uintptr_t{1} << 30)) continue;
    Bytes page(end - begin);
    const ssize_t got = pread(memory, page.data(), page.size(), static_cast<off_t>(begin));
    if (got <= 0) continue;
    for (std::uint8_t& b : page) b = static_cast<std::uint8_t>(~b);
    for (auto at = page.begin();; ++at) {
      at = std::search(at, page.begin() + got, inverted.begin(), inverted.end());
      if (at == page.begin() + got) break;
      ++found;
    }
    std::fill(page.begin(), page.end(), std::uint8_t{0});
  }
  (void)close(memory);
  return found;
}

}  // namespace

TEST_CASE("an HSM wraps the key of a new database, and unwraps it later", "[db]") {
  const TempDir dir;
  const auto hsm = std::make_shared<FakeHsm>(1);
  (void)open_with(dir, hsm).value()->create(oct_request("k")).value();
  CHECK_FALSE(fs::exists(dir.file("keys.db.kek")));
  const Bytes entry = entry_of(dir);
  const int before = hsm->calls;
  const auto db = open_with(dir, hsm).value();
  CHECK(works(*db, "k"));
  CHECK(hsm->calls == before + 1);
  CHECK(entry_of(dir) == entry);
}

TEST_CASE("a rotation has the HSM wrap a new key", "[db][rotation]") {
  const TempDir dir;
  const auto hsm = std::make_shared<FakeHsm>(1);
  (void)open_with(dir, hsm).value()->create(oct_request("k")).value();
  const Bytes old = entry_of(dir);
  const DatabaseOptions options = options_in(dir);
  const auto rotate = [&] {
    return db::rotate_kek(library(), db::make_store(options, db::Sharing::alone), options, hsm, {});
  };
  CHECK(code_of(rotate()) == "ok");
  CHECK(hsm->inverted_key(entry_of(dir)) != hsm->inverted_key(old));
  CHECK(works(*open_with(dir, hsm).value(), "k"));
  hsm->down = true;
  CHECK(code_of(rotate()) == "unavailable");
  hsm->down = false;
  CHECK(code_of(rotate()) == "ok");
  CHECK(works(*open_with(dir, hsm).value(), "k"));
  // Who puts the old entry back has a key that opens nothing.
  set_entry(dir, old);
  CHECK_FALSE(works(*open_with(dir, hsm).value(), "k"));
}

TEST_CASE("the key is in one locked page and in no file", "[db]") {
  const TempDir dir;
  const auto hsm = std::make_shared<FakeHsm>(1);
  const auto db = open_with(dir, hsm).value();
  (void)db->create(oct_request("k")).value();
  const Bytes inverted = hsm->inverted_key(entry_of(dir));
  CHECK(count_in_memory(inverted) == 1);
  for (const auto& file : fs::directory_iterator(dir.path())) {
    Bytes bytes = read_file(file.path());
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(~b);
    INFO(file.path().filename());
    CHECK(std::search(bytes.begin(), bytes.end(), inverted.begin(), inverted.end()) == bytes.end());
  }
  // The search does find what is there.
  Bytes planted = inverted;
  for (std::uint8_t& b : planted) b = static_cast<std::uint8_t>(~b);
  CHECK(count_in_memory(inverted) > 1);
  std::fill(planted.begin(), planted.end(), std::uint8_t{0});
}

TEST_CASE("an HSM that is away loses nothing and makes nothing", "[db]") {
  const TempDir dir;
  const auto hsm = std::make_shared<FakeHsm>(1);
  hsm->down = true;
  CHECK(code_of(open_with(dir, hsm)) == "unavailable");
  CHECK(entry_of(dir).empty());
  hsm->down = false;
  const auto db = open_with(dir, hsm).value();
  (void)db->create(oct_request("k")).value();
  hsm->down = true;
  CHECK(code_of(open_with(dir, hsm)) == "unavailable");
  CHECK(works(*db, "k"));  // who has the key needs the HSM no more
  hsm->down = false;
  CHECK(works(*open_with(dir, hsm).value(), "k"));
}

TEST_CASE("another HSM key opens nothing", "[db]") {
  const TempDir dir, other;
  const auto hsm = std::make_shared<FakeHsm>(1);
  (void)open_with(dir, hsm).value()->create(oct_request("k")).value();
  CHECK(code_of(open_with(dir, std::make_shared<FakeHsm>(2))) == "crypto_failure");
  // Nor does another database's entry, though the HSM unwraps it.
  (void)open_with(other, hsm).value()->create(oct_request("k")).value();
  const Bytes mine = entry_of(dir);
  set_entry(dir, entry_of(other));
  const auto db = open_with(dir, hsm).value();
  CHECK(says_damaged(db->resolve("k")));
  Bytes mixed = entry_of(other);
  std::copy(mine.end() - 28, mine.end(), mixed.end() - 28);
  set_entry(dir, mixed);
  CHECK(code_of(open_with(dir, hsm)) == "crypto_failure");
  set_entry(dir, mine);
  CHECK(works(*open_with(dir, hsm).value(), "k"));
}

TEST_CASE("every change to the entry is seen", "[db]") {
  const TempDir dir;
  const auto hsm = std::make_shared<FakeHsm>(1);
  (void)open_with(dir, hsm).value()->create(oct_request("k")).value();
  const Bytes good = entry_of(dir);
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= 1;
    set_entry(dir, bad);
    INFO(i);
    const std::string code = code_of(open_with(dir, hsm));
    CHECK(
        (code == "crypto_failure" || code == "internal_error" || code == "unsupported_algorithm"));
  }
  for (const std::size_t size : {1U, 28U, 29U, 30U, 60U}) {
    set_entry(dir, Bytes(good.begin(), good.begin() + size));
    CHECK(code_of(open_with(dir, hsm)) != "ok");
  }
  set_entry(dir, good);
  CHECK(works(*open_with(dir, hsm).value(), "k"));
}

TEST_CASE("a key in a file and one that an HSM wraps are not taken for each other", "[db]") {
  const auto hsm = std::make_shared<FakeHsm>(1);
  SECTION("wrapped, and opened with a file") {
    const TempDir dir;
    (void)open_with(dir, hsm).value()->create(oct_request("k")).value();
    const auto opened = try_open(options_in(dir));
    CHECK(code_of(opened) == "crypto_failure");
    CHECK(std::string(opened.error().text).find("wrapped by an HSM") != std::string::npos);
    CHECK_FALSE(fs::exists(dir.file("keys.db.kek")));
    const Bytes handed_in(32, 7);
    DatabaseOptions options = options_in(dir);
    options.kek = handed_in;
    CHECK(code_of(try_open(options)) == "crypto_failure");
    CHECK(works(*open_with(dir, hsm).value(), "k"));
  }
  SECTION("in a file, and opened with an HSM") {
    const TempDir dir;
    (void)open_db(dir)->create(oct_request("k")).value();
    const auto opened = open_with(dir, hsm);
    CHECK(code_of(opened) == "crypto_failure");
    CHECK(std::string(opened.error().text).find("in a file") != std::string::npos);
    CHECK(works(*open_db(dir), "k"));
  }
}

TEST_CASE("a forked child asks the HSM again", "[db]") {
  const TempDir dir;
  const auto hsm = std::make_shared<FakeHsm>(1);
  const auto db = open_with(dir, hsm).value();
  (void)db->create(oct_request("k")).value();
  CHECK(in_child([&] {
          const int before = hsm->calls;
          hsm->down = true;
          if (code_of(db->create(oct_request("new"))) != "unavailable") return 1;
          hsm->down = false;
          if (!works(*db, "k")) return 2;
          if (!db->create(oct_request("by child"))) return 3;
          return hsm->calls > before ? 0 : 4;
        }) == 0);
  CHECK(works(*db, "by child"));
}

TEST_CASE("eight processes that make a database with an HSM at once agree on it", "[db]") {
  const TempDir dir;
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      const std::string uid = "key-" + std::to_string(i);
      const auto db = open_with(dir, std::make_shared<FakeHsm>(1));
      _exit(db && (*db)->create(oct_request(uid)) && works(**db, uid) ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  const auto db = open_with(dir, std::make_shared<FakeHsm>(1)).value();
  for (int i = 0; i < 8; ++i) CHECK(works(*db, "key-" + std::to_string(i)));
}

TEST_CASE("a database moves from a file to an HSM, and from one HSM key to another", "[db]") {
  const TempDir dir;
  const auto first = std::make_shared<FakeHsm>(1), second = std::make_shared<FakeHsm>(2);
  const DatabaseOptions options = options_in(dir);
  const auto held = open_db(dir);
  (void)held->create(oct_request("k")).value();
  const auto rewrap = [&](const std::shared_ptr<FakeHsm>& from, FakeHsm& to) {
    return code_of(db::rewrap_kek(library(), db::make_store(options), options, from, to));
  };
  second->down = true;
  CHECK(rewrap(nullptr, *second) == "unavailable");
  CHECK(works(*open_db(dir), "k"));
  second->down = false;

  CHECK(rewrap(nullptr, *first) == "ok");
  CHECK(code_of(try_open(options)) == "crypto_failure");
  CHECK(works(*open_with(dir, first).value(), "k"));
  CHECK(rewrap(nullptr, *second) == "crypto_failure");  // it is not in the file any more
  CHECK(rewrap(second, *second) == "crypto_failure");

  const Bytes old = entry_of(dir);
  CHECK(rewrap(first, *second) == "ok");
  CHECK(code_of(open_with(dir, first)) == "crypto_failure");
  CHECK(works(*open_with(dir, second).value(), "k"));
  CHECK(works(*held, "k"));  // who has the database open goes on
  (void)held->create(oct_request("later")).value();
  CHECK(works(*open_with(dir, second).value(), "later"));
  // What the old key had wrapped is gone from the files.
  const Bytes wrapped(old.end() - 28 - 32, old.end() - 28);
  for (const auto& file : fs::directory_iterator(dir.path())) {
    const Bytes bytes = read_file(file.path());
    CHECK(std::search(bytes.begin(), bytes.end(), wrapped.begin(), wrapped.end()) == bytes.end());
  }
}

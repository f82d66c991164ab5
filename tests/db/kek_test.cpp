// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include "check.hpp"

using namespace jwekms;
using namespace jwekms::db::test;
namespace fs = std::filesystem;

TEST_CASE("a key-encryption key file is made once, with a warning", "[db]") {
  const TempDir dir;
  std::vector<std::string> warnings;
  const WarningSink warn = [&](std::string_view text) { warnings.emplace_back(text); };
  (void)try_open(options_in(dir), warn).value()->create(oct_request("k")).value();
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("new key-encryption key file") != std::string::npos);
  CHECK(warnings[0].find(dir.path()) == std::string::npos);

  const std::string path = dir.file("keys.db.kek");
  struct stat about {};
  REQUIRE(stat(path.c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0600);
  CHECK(about.st_size == 44);
  CHECK(about.st_nlink == 1);
  const Bytes text = read_file(path);
  CHECK(text.back() == '\n');

  CHECK(works(*try_open(options_in(dir), warn).value(), "k"));
  CHECK(warnings.size() == 1);
  CHECK(read_file(path) == text);
  std::size_t files = 0;  // nothing temporary stays behind
  for (const auto& entry : fs::directory_iterator(dir.path())) files += entry.is_regular_file();
  CHECK(files == 2);
}

TEST_CASE("a key-encryption key may be elsewhere, or be handed in", "[db]") {
  const TempDir dir;
  DatabaseOptions options = options_in(dir);
  SECTION("elsewhere") {
    options.kek_path = dir.file("elsewhere");
    (void)open_db(options)->create(oct_request("k")).value();
    CHECK(works(*open_db(options), "k"));
    CHECK(code_of(try_open(options_in(dir))) == "unavailable");
  }
  SECTION("handed in") {
    const Bytes kek(32, 7), other(32, 8);
    options.kek = kek;
    (void)open_db(options)->create(oct_request("k")).value();
    CHECK(works(*open_db(options), "k"));
    options.kek = other;
    CHECK(code_of(try_open(options)) == "crypto_failure");
  }
  CHECK_FALSE(fs::exists(dir.file("keys.db.kek")));
}

TEST_CASE("another database's key-encryption key is seen when opening", "[db]") {
  const TempDir dir, other;
  (void)open_db(dir)->create(oct_request("k")).value();
  (void)open_db(other)->create(oct_request("k")).value();
  fs::copy_file(other.file("keys.db.kek"), dir.file("keys.db.kek"),
                fs::copy_options::overwrite_existing);
  const auto opened = try_open(options_in(dir));
  CHECK(code_of(opened) == "crypto_failure");
}

TEST_CASE("a key-encryption key file that others can reach is refused", "[db]") {
  const TempDir dir;
  (void)open_db(dir)->create(oct_request("k")).value();
  const std::string path = dir.file("keys.db.kek");
  for (const mode_t mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0601U, 0644U, 0666U}) {
    REQUIRE(chmod(path.c_str(), mode) == 0);
    INFO(std::oct << mode);
    CHECK(code_of(try_open(options_in(dir))) == "forbidden");
  }
  for (const mode_t mode : {0600U, 0400U, 0700U}) {
    REQUIRE(chmod(path.c_str(), mode) == 0);
    CHECK(works(*open_db(dir), "k"));
  }
  if (geteuid() == 0) {
    REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
    CHECK(code_of(try_open(options_in(dir))) == "forbidden");
  }
}

TEST_CASE("what is not a regular file is no key-encryption key", "[db]") {
  const TempDir dir;
  (void)open_db(dir)->create(oct_request("k")).value();
  const std::string path = dir.file("keys.db.kek");
  fs::rename(path, dir.file("real"));
  SECTION("a symbolic link") {
    fs::create_symlink(dir.file("real"), path);
    CHECK(code_of(try_open(options_in(dir))) == "forbidden");
  }
  SECTION("a FIFO, without hanging") {
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    CHECK(code_of(try_open(options_in(dir))) == "forbidden");
  }
  SECTION("a directory") {
    REQUIRE(mkdir(path.c_str(), 0700) == 0);
    CHECK(code_of(try_open(options_in(dir))) == "forbidden");
  }
}

TEST_CASE("a new database makes no key through a dangling link", "[db]") {
  const TempDir dir;
  fs::create_symlink(dir.file("elsewhere"), dir.file("keys.db.kek"));
  CHECK(code_of(try_open(options_in(dir))) == "forbidden");
  CHECK_FALSE(fs::exists(dir.file("elsewhere")));
}

TEST_CASE("a key-encryption key file with other contents is damaged", "[db]") {
  const TempDir dir;
  (void)open_db(dir)->create(oct_request("k")).value();
  const std::string path = dir.file("keys.db.kek");
  const Bytes good = read_file(path);
  const auto with = [&](const Bytes& contents) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(contents.data()),
               static_cast<std::streamsize>(contents.size()));
    return code_of(try_open(options_in(dir)));
  };
  CHECK(with({}) == "internal_error");
  CHECK(with(Bytes(good.begin(), good.end() - 1)) == "internal_error");
  Bytes bad = good;
  bad.push_back('\n');
  CHECK(with(bad) == "internal_error");
  bad = good;
  bad[3] = '=';
  CHECK(with(bad) == "internal_error");
  bad = good;
  bad[43] = 'A';
  CHECK(with(bad) == "internal_error");
  bad = good;
  bad[3] = good[3] == 'A' ? 'B' : 'A';
  CHECK(with(bad) == "crypto_failure");
  CHECK(with(good) == "ok");
}

TEST_CASE("a missing key-encryption key file is never replaced", "[db]") {
  const TempDir dir;
  const std::string path = dir.file("keys.db.kek");
  SECTION("of a database with keys") { (void)open_db(dir)->create(oct_request("k")).value(); }
  SECTION("of a database without keys") { (void)open_db(dir); }
  fs::rename(path, dir.file("aside"));
  const auto opened = try_open(options_in(dir));
  CHECK(code_of(opened) == "unavailable");
  CHECK(opened.error().text == std::string("the key-encryption key file is missing"));
  CHECK_FALSE(fs::exists(path));
  fs::rename(dir.file("aside"), path);
  CHECK(code_of(try_open(options_in(dir))) == "ok");
}

TEST_CASE("a database whose key check was removed gets no new key", "[db]") {
  const TempDir dir;
  (void)open_db(dir)->create(oct_request("k")).value();
  raw(dir.file("keys.db")).exec("DELETE FROM meta");
  fs::remove(dir.file("keys.db.kek"));
  CHECK(code_of(try_open(options_in(dir))) == "internal_error");
  CHECK_FALSE(fs::exists(dir.file("keys.db.kek")));
}

TEST_CASE("eight processes that make a database at once agree on it", "[db]") {
  for (int round = 0; round < 10; ++round) {
    const TempDir dir;
    int gate[2];
    REQUIRE(pipe(gate) == 0);
    std::vector<pid_t> children;
    for (int i = 0; i < 8; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        char go = 0;
        (void)close(gate[1]);
        (void)!read(gate[0], &go, 1);  // ends when the parent closes the pipe
        const std::string uid = "key-" + std::to_string(i);
        const auto db = try_open(options_in(dir));
        if (!db) _exit(10 + static_cast<int>(db.error().code));
        if (!(*db)->create(oct_request(uid))) _exit(2);
        _exit(works(**db, uid) ? 0 : 3);
      }
      children.push_back(child);
    }
    (void)close(gate[0]);
    (void)close(gate[1]);
    for (const pid_t child : children) {
      int status = 0;
      REQUIRE(waitpid(child, &status, 0) == child);
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 0);
    }
    const auto db = open_db(dir);
    for (int i = 0; i < 8; ++i) CHECK(works(*db, "key-" + std::to_string(i)));
    CHECK(db->list({}).value().keys.size() == 8);
  }
}

// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <spawn.h>

#include <chrono>
#include <csignal>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "check.hpp"

using namespace jwekms;
using namespace jwekms::db::test;

namespace {

using Clock = std::chrono::steady_clock;

/// The writer, as a process of its own, with its acknowledgements.
class Writer {
 public:
  Writer(const std::string& database, const std::string& der, const std::string& prefix) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    std::vector<std::string> words{JWEKMS_CRASH_WRITER, database, der, prefix};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    REQUIRE(posix_spawn(&pid_, JWEKMS_CRASH_WRITER, &actions, nullptr, arguments.data(), environ) ==
            0);
    posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    out_ = ends[0];
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { (void)close(out_); }

  void wait_for_first_line() {
    pollfd ready{out_, POLLIN, 0};
    REQUIRE(poll(&ready, 1, 20'000) == 1);
  }

  /// Kills it and returns what it had acknowledged.
  [[nodiscard]] std::vector<std::string> kill_now() {
    REQUIRE(kill(pid_, SIGKILL) == 0);
    int status = 0;
    REQUIRE(waitpid(pid_, &status, 0) == pid_);
    // Had it failed by itself, it would have exited.
    INFO("exit status " << WEXITSTATUS(status));
    CHECK(WIFSIGNALED(status));
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(out_, buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(n));
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

}  // namespace

TEST_CASE("whatever was acknowledged is there after a crash", "[db][crash]") {
  const char* wanted = std::getenv("JWEKMS_CRASH_LOOPS");
  const int loops = wanted != nullptr ? std::atoi(wanted) : 200;
  const TempDir dir;
  const std::string database = dir.file("keys.db");
  const std::string der = dir.file("rsa.der");
  std::ofstream(der, std::ios::binary)
      .write(reinterpret_cast<const char*>(rsa_der().data()),
             static_cast<std::streamsize>(rsa_der().size()));

  std::mt19937 random(std::random_device{}());
  std::uniform_int_distribution<int> microseconds(0, 40'000);
  std::map<std::string, char> acknowledged;  // the last that was said of a UID
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < loops; ++i) {
    Writer writer(database, der, std::to_string(i));
    // Mostly while it writes; every fourth time at any point since its start.
    if (i % 4 != 0) writer.wait_for_first_line();
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds(random)));
    const std::vector<std::string> lines = writer.kill_now();
    for (const std::string& line : lines) acknowledged[line.substr(1)] = line[0];
    const auto db = open_db(options_for(database));
    for (const std::string& line : lines) {
      const std::string uid = line.substr(1);
      INFO("loop " << i << ": " << line);
      if (acknowledged[uid] == '+') CHECK(works(*db, uid));
      if (acknowledged[uid] == '-') CHECK(code_of(db->resolve(uid)) == "not_found");
    }
  }
  const auto db = open_db(options_for(database));
  std::size_t lost = 0, revived = 0;
  for (const auto& [uid, last] : acknowledged) {
    const std::string found = code_of(db->resolve(uid));
    if (last == '+' && found != "ok") ++lost;
    if (last == '-' && found != "not_found") ++revived;
  }
  CHECK(lost == 0);
  CHECK(revived == 0);
  CHECK(acknowledged.size() > static_cast<std::size_t>(loops / 2));
  CHECK(raw(database).execAndGet("PRAGMA integrity_check").getString() == "ok");
  // What was not acknowledged may be there as well, but never in part.
  ListKeys page;
  for (bool more = true; more;) {
    const Result<KeyPage> keys = db->list(page);
    REQUIRE(keys);
    more = keys->more;
    if (!keys->keys.empty()) page.after = keys->keys.back().uid;
  }
  const auto seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  WARN(loops << " kills, " << acknowledged.size() << " acknowledged keys, " << lost << " lost, "
             << revived << " revived, " << seconds << " s");
}

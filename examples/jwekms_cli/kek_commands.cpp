// SPDX-License-Identifier: Apache-2.0
// The key-encryption key of a database: who guards it, and a new one.
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "commands.hpp"
#include "failure.hpp"
#include "files.hpp"
#include "json.hpp"
#include "jwekms/open.hpp"
#include "text.hpp"

namespace cli {

using namespace jwekms;

namespace {

/// A line on the terminal that counts, and goes away in the end. Elsewhere nothing: a log wants no
/// such line.
class Progress {
 public:
  explicit Progress(const char* what) : what_(what), watched_(isatty(STDERR_FILENO) == 1) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() {
    if (shown_) (void)std::fputs("\r\033[K", stderr);
  }

  void tell(std::uint64_t done, std::uint64_t total) {
    const Clock::time_point now = Clock::now();
    if (!watched_ || (shown_ && done != total && now < next_)) return;
    (void)std::fprintf(stderr, "\rjwekms: %s: %llu of %llu (%llu %%)", what_,
                       static_cast<unsigned long long>(done),
                       static_cast<unsigned long long>(total),
                       static_cast<unsigned long long>(100 * done / total));
    (void)std::fflush(stderr);
    shown_ = true;
    next_ = now + std::chrono::milliseconds(100);
  }

 private:
  using Clock = std::chrono::steady_clock;
  const char* what_;
  const bool watched_;
  bool shown_ = false;
  Clock::time_point next_{};
};

/// A database's own key is for the host, whoever may do what with the keys in it.
void refuse_principals(const Session& session) {
  if (!session.principal.empty()) fail_usage("--as is for keys, not for the database itself");
}

void rewrap(const Session& session, const std::string& uid) {
  refuse_principals(session);
  take(jwekms::rewrap_database(session.options(), uid), uid);
  if (session.json)
    write_text(JsonObject().text("key_encryption_key", uid).line());
  else
    write_text("Done. From now on the configuration needs, under [db]:\nkey_encryption_key = " +
               json_string(uid) + '\n');
}

void add_rewrap(CLI::App& app, Session& session) {
  const auto uid = std::make_shared<std::string>();
  CLI::App& command =
      add_command(app, session, "rewrap", "Have a key in an HSM guard the database, from now on",
                  [&session, uid] { rewrap(session, *uid); });
  command.add_option("--to", *uid, "The HSM's key, AES-256: hsm::MODEL::SLOT::LABEL")
      ->type_name("UID")
      ->required();
  command.footer(
      "Moves the database's key-encryption key from its file, or from another key of an HSM, under "
      "that key. The key-encryption key stays the same, so destroy the old file or HSM key: with a "
      "copy of either, an old copy of the database still opens.");
}

void rotate(const Session& session) {
  refuse_principals(session);
  const Options options = session.options();
  std::uint64_t records = 0;
  {
    Progress progress("sealing records anew");
    const auto told = [&](std::uint64_t done, std::uint64_t total) {
      records = done;
      progress.tell(done, total);
    };
    take(jwekms::rotate_kek(options, told), options.database.path);
  }
  if (session.json)
    write_text(JsonObject().number("records", static_cast<double>(records)).line());
  else
    write_text("Done: " + std::to_string(records) + (records == 1 ? " record is" : " records are") +
               " under a new key.\n");
  const bool in_file = options.database.key_encryption_key.empty();
  const std::string& path = options.database.kek_path;
  if (in_file)
    session.warn("the key before is in " +
                 in_quotes((path.empty() ? options.database.path + ".kek" : path) + ".old") +
                 ": destroy it when no copy of the database from before is to be opened again");
}

void add_rotate(CLI::App& app, Session& session) {
  CLI::App& command = add_command(app, session, "rotate",
                                  "Give the database a new key-encryption key, and seal it anew",
                                  [&session] { rotate(session); });
  command.footer(
      "For when the key-encryption key may be known to somebody, or is old. No server may have the "
      "database open meanwhile. It may be interrupted at any time, and then has changed nothing. "
      "The new key is kept where the one before was: in the file, or wrapped by the HSM's key.");
}

}  // namespace

void add_kek_commands(CLI::App& app, Session& session) {
  add_rewrap(app, session);
  add_rotate(app, session);
}

}  // namespace cli

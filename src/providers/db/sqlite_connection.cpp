// SPDX-License-Identifier: Apache-2.0
#include "providers/db/sqlite_connection.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <new>
#include <sstream>
#include <thread>

namespace jwekms::db {

namespace {

using Clock = std::chrono::steady_clock;

constexpr Error unreachable{Errc::unavailable, 0, "the database cannot be reached"};
constexpr Error locked{Errc::unavailable, 0, "the database is locked by somebody else"};

/// "jwKM", in the file's header.
constexpr std::int32_t application_id = 0x6A774B4D;

/// Step i brings a database from schema version i to i + 1. Steps are added and never changed.
/// From the second on, a step is to have the database to itself, as change_all() has: an older
/// version that has it open would go on by the schema before. capi/UPGRADING.md promises that.
constexpr const char* migrations[] = {
    R"sql(
CREATE TABLE meta (
  name TEXT PRIMARY KEY NOT NULL,
  value BLOB NOT NULL
) STRICT;
CREATE TABLE keys (
  uid BLOB PRIMARY KEY NOT NULL,
  type INTEGER NOT NULL,
  bits INTEGER NOT NULL,
  algs TEXT NOT NULL,
  enc TEXT NOT NULL,
  state INTEGER NOT NULL,
  may_decrypt INTEGER NOT NULL,
  may_encrypt INTEGER NOT NULL,
  owner BLOB NOT NULL,
  parent BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  version INTEGER NOT NULL,
  iv BLOB NOT NULL,
  sealed BLOB NOT NULL,
  tag BLOB NOT NULL
) STRICT;
CREATE TABLE aliases (
  alias BLOB PRIMARY KEY NOT NULL,
  uid BLOB NOT NULL REFERENCES keys (uid),
  iv BLOB NOT NULL,
  tag BLOB NOT NULL
) STRICT;
CREATE INDEX aliases_by_uid ON aliases (uid);
CREATE TABLE encryption_counts (
  uid BLOB PRIMARY KEY NOT NULL,
  taken INTEGER NOT NULL
) STRICT;
CREATE TABLE grants (
  uid BLOB NOT NULL,
  principal BLOB NOT NULL,
  permissions INTEGER NOT NULL,
  version INTEGER NOT NULL,
  iv BLOB NOT NULL,
  tag BLOB NOT NULL,
  PRIMARY KEY (uid, principal)
) STRICT;
)sql"};
constexpr int schema_version = std::size(migrations);

[[nodiscard]] bool is_busy(const SqliteFailure& failure) noexcept {
  const int code = failure.primary();
  return code == SQLITE_BUSY || code == SQLITE_LOCKED;
}

/// The file may come from anywhere: nothing in its schema is run on our behalf.
void distrust_schema(sqlite3* handle) {
  (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  (void)sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
}

[[nodiscard]] std::int64_t schema_version_of(Database& database) {
  return database.number("PRAGMA user_version");
}

/// Whether a file is empty as yet, or a database that this version can use. Changes nothing.
[[nodiscard]] Result<void> recognise(Database& database) {
  // Tables first: another process may just be making them and, in the same transaction, the
  // version.
  const bool empty = database.number("SELECT count(*) FROM sqlite_schema") == 0;
  const std::int64_t version = schema_version_of(database);
  if (version == 0) return empty ? Result<void>{} : damaged_file;  // else somebody else's database
  if (version < 0 || database.number("PRAGMA application_id") != application_id)
    return damaged_file;
  if (version <= schema_version) return {};
  return Error{Errc::internal_error, 0,
               "the database was written by a newer version of this library"};
}

[[nodiscard]] Result<void> configure(Database& database, Sharing sharing) {
  distrust_schema(database.handle());
  // Before the log is first looked at, or others could go on reading.
  if (sharing == Sharing::alone) database.run("PRAGMA locking_mode = EXCLUSIVE");
  database.run(
      "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;"
      "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;");
  if (const Result<void> r = recognise(database); !r) return r;
  if (database.text("PRAGMA journal_mode = WAL") != "wal")
    return Error{Errc::unavailable, 0, "the database's file system does not support its log"};
  // Each commit is on disk before it is answered.
  database.run("PRAGMA synchronous = FULL");
  return {};
}

[[nodiscard]] Result<void> migrate(Database& database) {
  if (schema_version_of(database) == schema_version) return {};
  Transaction transaction(database);
  if (const Result<void> r = recognise(database); !r) return r;  // another process may be faster
  const std::int64_t from = schema_version_of(database);
  database.run("PRAGMA application_id = " + std::to_string(application_id));
  for (std::int64_t step = from; step < schema_version; ++step) database.run(migrations[step]);
  database.run("PRAGMA user_version = " + std::to_string(schema_version));
  transaction.commit();
  return {};
}

/// Whether others hold file locks on the database and this process does not, although a connection
/// in WAL mode holds some for as long as it is open. So it is when a connection inherited through
/// fork, of another store, made SQLite believe that it had them already. Linux alone tells.
[[nodiscard]] bool lacks_locks(const std::string& path) {
  struct stat about {};
  const std::string pid = std::to_string(getpid());
  std::error_code failed;
  // A /proc of another process id namespace would speak of others.
  if (std::filesystem::read_symlink("/proc/self", failed) != pid) return false;
  if (stat(path.c_str(), &about) != 0) return false;
  // "1: POSIX  ADVISORY  READ 11670 fe:00:9986291 1073741826 1073742335". The device number is not
  // compared: some file systems show another one here than to stat(2).
  const std::string inode = ':' + std::to_string(about.st_ino);
  bool held_by_others = false;
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, advisory, access, owner, file;
    words >> number >> kind >> advisory >> access >> owner >> file;
    if (!file.ends_with(inode)) continue;
    if (owner == pid) return false;
    held_by_others = true;
  }
  return held_by_others;
}

/// A file that was moved away or replaced would take commits that nobody finds again. What stands
/// in its place now may be another database, with another key-encryption key: it is not opened.
[[nodiscard]] Result<void> check_in_place(Database& database) {
  int moved = 0;
  const int code = sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (code != SQLITE_OK) return unreachable;
  if (moved != 0) return Error{Errc::unavailable, 0, "the database file was moved or replaced"};
  return {};
}

}  // namespace

Error error_of(const SqliteFailure& failure) {
  switch (failure.primary()) {
    case SQLITE_NOMEM: throw std::bad_alloc();
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return locked;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_INTERRUPT:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_NOLFS:
    case SQLITE_AUTH: return unreachable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT: return damaged_file;
    default: break;
  }
  if (failure.code == SQLITE_CONSTRAINT_PRIMARYKEY || failure.code == SQLITE_CONSTRAINT_UNIQUE)
    return {Errc::conflict, 0, "the UID or alias exists already"};
  return {Errc::internal_error, 0, "a database call failed"};
}

SqliteConnection::SqliteConnection(std::string path, std::chrono::milliseconds busy_timeout,
                                   Sharing sharing, SqliteConnection* inherited)
    : path_(std::move(path)),
      busy_timeout_(busy_timeout),
      sharing_(sharing),
      inherited_(inherited) {}

SqliteConnection::~SqliteConnection() { close_inherited(); }

void SqliteConnection::close_inherited() noexcept {
  if (inherited_ == nullptr || inherited_->in_use_.load()) return;
  inherited_->close_inherited();
  if (inherited_->database_) {
    // No checkpoint: that would take locks and delete the log.
    (void)sqlite3_db_config(inherited_->database_->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                            nullptr);
    inherited_->database_.reset();
  }
  inherited_ = nullptr;
}

Result<void> SqliteConnection::make_ready() {
  if (database_) return check_in_place(*database_);
  close_inherited();
  if (inherited_ != nullptr)
    return Error{Errc::unavailable, 0, "the process was forked during a database call"};
  const Clock::time_point deadline = Clock::now() + busy_timeout_;
  for (;;) {
    try {
      const Result<void> opened = open();
      if (!opened) database_.reset();
      return opened;
    } catch (const SqliteFailure& failure) {
      database_.reset();
      // Some of the locks taken while opening are not waited for by SQLite itself.
      if (!is_busy(failure) || Clock::now() >= deadline) return error_of(failure);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Result<void> SqliteConnection::open() {
  // SQLite gives names that begin with ':' a meaning of their own.
  const std::string path = path_.starts_with(':') ? "./" + path_ : path_;
  database_.emplace(path, busy_timeout_);
  if (const Result<void> r = configure(*database_, sharing_); !r) return r;
  if (const Result<void> r = migrate(*database_); !r) return r;
  if (lacks_locks(path))
    return Error{Errc::unavailable, 0,
                 "the process inherited another handle of this database through fork"};
  return {};
}

}  // namespace jwekms::db

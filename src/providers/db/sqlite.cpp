// SPDX-License-Identifier: Apache-2.0
#include "providers/db/sqlite.hpp"

#include <algorithm>
#include <climits>

namespace jwekms::db {

namespace {

void check(sqlite3* database, int code) {
  if (code == SQLITE_OK) return;
  // Of the last call that took the trouble to set it.
  const int extended = sqlite3_extended_errcode(database);
  throw SqliteFailure{(extended & 0xFF) == (code & 0xFF) ? extended : code};
}

}  // namespace

Database::Database(const std::string& path, std::chrono::milliseconds busy_timeout) {
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(handle);  // to be closed even when it did not open
  if (handle == nullptr) throw SqliteFailure{SQLITE_NOMEM};
  check(handle, code);
  const auto timeout = std::clamp<std::chrono::milliseconds::rep>(busy_timeout.count(), 0, INT_MAX);
  check(handle, sqlite3_busy_timeout(handle, static_cast<int>(timeout)));
}

void Database::run(const std::string& sql) {
  check(handle(), sqlite3_exec(handle(), sql.c_str(), nullptr, nullptr, nullptr));
}

std::int64_t Database::number(const char* sql) {
  Query query(*this, sql);
  if (!query.next()) throw SqliteFailure{SQLITE_ERROR};
  return query.number_at(0);
}

std::string Database::text(const char* sql) {
  Query query(*this, sql);
  if (!query.next()) throw SqliteFailure{SQLITE_ERROR};
  return query.text_at(0);
}

Query::Query(Database& database, const char* sql) : database_(database.handle()) {
  sqlite3_stmt* statement = nullptr;
  check(database_, sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr));
  statement_.reset(statement);
}

Query& Query::bytes(const void* data, std::size_t size) {
  // A null pointer would be NULL rather than no bytes.
  check(database_, sqlite3_bind_blob64(statement_.get(), ++bound_, size == 0 ? "" : data, size,
                                       SQLITE_TRANSIENT));
  return *this;
}

Query& Query::text(std::string_view value) {
  check(database_,
        sqlite3_bind_text64(statement_.get(), ++bound_, value.empty() ? "" : value.data(),
                            value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Query& Query::number(std::int64_t value) {
  check(database_, sqlite3_bind_int64(statement_.get(), ++bound_, value));
  return *this;
}

bool Query::next() {
  const int code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) check(database_, code);
  return code == SQLITE_ROW;
}

int Query::run() {
  if (next()) throw SqliteFailure{SQLITE_MISUSE};
  return sqlite3_changes(database_);
}

std::int64_t Query::number_at(int i) { return sqlite3_column_int64(statement_.get(), i); }

std::string_view Query::view_at(int i) {
  // In this order: the first call may change the form of the column, and with it the size.
  const void* data = sqlite3_column_blob(statement_.get(), i);
  const int size = sqlite3_column_bytes(statement_.get(), i);
  if (data != nullptr) return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
  // Empty, NULL, or no memory.
  if (sqlite3_errcode(database_) == SQLITE_NOMEM) throw SqliteFailure{SQLITE_NOMEM};
  return {};
}

std::string Query::text_at(int i) { return std::string(view_at(i)); }

std::vector<std::uint8_t> Query::bytes_at(int i) {
  const std::string_view view = view_at(i);
  return {view.begin(), view.end()};
}

Transaction::~Transaction() {
  // Fails where SQLite has undone it by itself.
  if (open_) (void)sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace jwekms::db

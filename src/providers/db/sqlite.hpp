// SPDX-License-Identifier: Apache-2.0
#pragma once

// SQLite's handles and their owners. By hand, as SQLiteCpp brings a constructor that would run
// whenever this library is loaded (tests/capi/check_objects.py).

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace jwekms::db {

/// What a call of SQLite returned, thrown by everything below and caught by SqliteConnection.
struct SqliteFailure {
  int code;  ///< An extended result code.
  [[nodiscard]] int primary() const noexcept { return code & 0xFF; }
};

/// A connection. Not thread-safe.
class Database {
 public:
  /// Opens a file that exists. Throws SqliteFailure.
  Database(const std::string& path, std::chrono::milliseconds busy_timeout);

  /// Runs statements. Throws SqliteFailure.
  void run(const std::string& sql);
  /// The first column of the first row, of a statement that gives one. Throws SqliteFailure.
  [[nodiscard]] std::int64_t number(const char* sql);
  /// number() for a text.
  [[nodiscard]] std::string text(const char* sql);

  [[nodiscard]] sqlite3* handle() const noexcept { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const noexcept { (void)sqlite3_close(handle); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

/// A statement whose parameters are bound in turn: bytes as BLOB, JOSE names as TEXT. What is bound
/// is copied. Everything throws SqliteFailure.
class Query {
 public:
  Query(Database& database, const char* sql);

  Query& bytes(const void* data, std::size_t size);
  Query& bytes(std::string_view value) { return bytes(value.data(), value.size()); }
  Query& bytes(const std::vector<std::uint8_t>& value) { return bytes(value.data(), value.size()); }
  Query& text(std::string_view value);
  Query& number(std::int64_t value);

  /// Whether there is another row.
  [[nodiscard]] bool next();
  /// Runs a statement that gives no rows; returns the number of rows it changed.
  int run();

  // Columns of the row at hand, from 0.
  [[nodiscard]] std::int64_t number_at(int i);
  [[nodiscard]] std::string text_at(int i);
  [[nodiscard]] std::vector<std::uint8_t> bytes_at(int i);

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { (void)sqlite3_finalize(statement); }
  };
  /// The bytes of a column, TEXT or BLOB.
  [[nodiscard]] std::string_view view_at(int i);
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

/// Holds the write lock from its start, and is undone unless it is committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {
    database_.run("BEGIN IMMEDIATE");
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  /// Throws SqliteFailure; the transaction is then undone.
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace jwekms::db

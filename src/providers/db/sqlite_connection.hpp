// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "jwekms/result.hpp"
#include "providers/db/sqlite.hpp"
#include "providers/db/store.hpp"

namespace jwekms::db {

/// What an exception means. Throws std::bad_alloc when SQLite ran out of memory.
[[nodiscard]] Error error_of(const SqliteFailure& failure);

inline constexpr Error damaged_file{Errc::internal_error, 0,
                                    "the database file is damaged or is no key database"};

/// One process's connection to a database file, which it opens when it is first used.
///
/// A connection must not cross a fork. SQLite keeps its file locks by process, in tables that a
/// child inherits: a second connection beside the inherited one would believe to hold locks that it
/// does not have, and the parent, when it closes, would delete the log with the child's commits.
/// So the child first closes what it inherited, in a way that touches nothing but its own memory
/// and descriptors. When the fork came in the middle of a call this is impossible, and the child
/// gets no connection.
class SqliteConnection {
 public:
  /// @param inherited  the parent's connection, in a forked child; else null.
  SqliteConnection(std::string path, std::chrono::milliseconds busy_timeout, Sharing sharing,
                   SqliteConnection* inherited);
  ~SqliteConnection();

  /// Runs call(Database&), which returns a Result, alone on the connection.
  template <class Call>
  [[nodiscard]] auto use(Call call) -> decltype(call(std::declval<Database&>())) {
    const std::lock_guard lock(mutex_);
    const InUse in_use(in_use_);
    if (const Result<void> ready = make_ready(); !ready) return ready.error();
    try {
      return call(*database_);
    } catch (const SqliteFailure& failure) {
      return error_of(failure);
    }
  }

 private:
  struct InUse {
    explicit InUse(std::atomic<bool>& flag) noexcept : flag_(flag) { flag_.store(true); }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;
    ~InUse() { flag_.store(false); }
    std::atomic<bool>& flag_;
  };
  [[nodiscard]] Result<void> make_ready();
  [[nodiscard]] Result<void> open();
  void close_inherited() noexcept;

  const std::string path_;
  const std::chrono::milliseconds busy_timeout_;
  const Sharing sharing_;
  SqliteConnection* inherited_;
  std::mutex mutex_;
  std::atomic<bool> in_use_ = false;
  std::optional<Database> database_;
};

}  // namespace jwekms::db

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace rest {

enum class Level : std::uint8_t { info, warning, error };

/// One line for the operator, on standard error. Thread-safe.
void log(Level level, std::string_view text);

/// What is worth knowing of one request afterwards. Views of the caller's.
struct AuditRecord {
  std::string_view principal{};  ///< Empty: nobody was let in.
  std::string_view method{};     ///< How they were known: "token", "certificate", ...
  std::string_view remote{};
  std::string_view operation{};
  std::string_view kid{};     ///< As the request names it; any bytes.
  std::string_view uid{};     ///< The key that it led to.
  std::string_view other{};   ///< AuditEvent::other.
  std::string_view result{};  ///< "ok", or the error's name.
  int status = 0;
  std::chrono::nanoseconds duration{};
};

/// JSON lines, appended to a file or to standard output: whole lines, also where several processes
/// write. Holds nothing of a request but the names in it. Thread-safe.
class AuditLog {
 public:
  /// @param path  empty: standard output.
  explicit AuditLog(std::string path) : path_(std::move(path)) {}
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;
  ~AuditLog();

  /// At the start, and again after the file was moved away. The file's mode is 0640.
  /// @return false when it cannot be opened; the one before stays in use.
  [[nodiscard]] bool open();
  void write(const AuditRecord& record);
  /// Lines that could not be written.
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

 private:
  void close() noexcept;

  const std::string path_;
  std::mutex mutex_;
  int fd_ = -1;
  std::atomic<std::uint64_t> lost_{0};
};

/// A JSON string with its quotes, of one line for every reader. What is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string json_string(std::string_view bytes);

}  // namespace rest

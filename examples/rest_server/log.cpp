// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>

#include "jwekms/json.hpp"

namespace rest {

namespace {

[[nodiscard]] std::string utc_now() {
  timespec now{};
  (void)clock_gettime(CLOCK_REALTIME, &now);
  std::tm utc{};
  (void)gmtime_r(&now.tv_sec, &utc);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  const std::string milliseconds = std::to_string(1000 + now.tv_nsec / 1000000).substr(1);
  return std::string(text.data(), size) + '.' + milliseconds + 'Z';
}

/// A member with its comma; nothing when there is nothing to say.
void add(std::string& line, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  line.append(",\"").append(name).append("\":").append(json_string(value));
}

}  // namespace

void log(Level level, std::string_view text) {
  std::string line = "jwekms-server: ";
  if (level == Level::warning) line += "warning: ";
  if (level == Level::error) line += "error: ";
  line.append(text).append("\n");
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

std::string json_string(std::string_view bytes) {
  std::string out = "\"";
  while (!bytes.empty()) {
    const auto c = static_cast<unsigned char>(bytes[0]);
    std::size_t size = c < 0x80 ? 1 : jwekms::json::detail::utf8_size(bytes);
    if (size == 0) {
      out += "\\ufffd";
      size = 1;
    } else if (c == '"' || c == '\\') {
      out.append("\\").append(1, bytes[0]);
    } else if (c < 0x20 || c == 0x7F) {
      std::array<char, 8> escape{};
      (void)std::snprintf(escape.data(), escape.size(), "\\u%04x", c);
      out += escape.data();
    } else {
      out += bytes.substr(0, size);
    }
    bytes.remove_prefix(size);
  }
  return out += '"';
}

AuditLog::~AuditLog() { close(); }

void AuditLog::close() noexcept {
  if (fd_ > STDERR_FILENO) (void)::close(fd_);
}

bool AuditLog::open() {
  int fd = STDOUT_FILENO;
  if (!path_.empty())
    fd = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                S_IRUSR | S_IWUSR | S_IRGRP);
  if (fd < 0) return false;
  const std::lock_guard lock(mutex_);
  close();
  fd_ = fd;
  return true;
}

void AuditLog::write(const AuditRecord& record) {
  std::string line = "{\"time\":\"" + utc_now() + '"';
  add(line, "principal", record.principal);
  add(line, "method", record.method);
  add(line, "remote", record.remote);
  add(line, "operation", record.operation);
  add(line, "kid", record.kid);
  add(line, "uid", record.uid);
  add(line, "other", record.other);
  add(line, "result", record.result);
  line += ",\"status\":" + std::to_string(record.status);
  const auto microseconds =
      std::chrono::duration_cast<std::chrono::microseconds>(record.duration).count();
  line += ",\"duration_us\":" + std::to_string(microseconds) + "}\n";
  const std::lock_guard lock(mutex_);
  // One write a line, so that lines of several processes do not mix.
  if (::write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ++lost_;
}

}  // namespace rest

// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

constexpr std::uint32_t none = 0xFFFF;

/// The code of a character that some reader takes for the end of a line, or a terminal for a
/// command: the controls of ASCII and of Latin-1, and Unicode's two separators. Else `none`.
[[nodiscard]] std::uint32_t line_breaking(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7F ? byte(0) : none;
  if (character.size() == 2) return byte(0) == 0xC2 && byte(1) < 0xA0 ? byte(1) : none;
  if (character == "\u2028") return 0x2028;
  if (character == "\u2029") return 0x2029;
  return none;
}

void add_escape(std::string& out, std::uint32_t unit) {
  std::array<char, 8> escape{};
  (void)std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(unit));
  out += escape.data();
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
    const std::size_t size = c < 0x80 ? 1 : jwekms::json::detail::utf8_size(bytes);
    const std::string_view character = bytes.substr(0, std::max<std::size_t>(size, 1));
    if (size == 0)
      out += "\\ufffd";
    else if (c == '"' || c == '\\')
      out.append("\\").append(character);
    else if (const std::uint32_t unit = line_breaking(character); unit != none)
      add_escape(out, unit);
    else
      out += character;
    bytes.remove_prefix(character.size());
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

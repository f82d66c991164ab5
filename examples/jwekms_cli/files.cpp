// SPDX-License-Identifier: Apache-2.0
#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "failure.hpp"
#include "text.hpp"

namespace cli {

namespace {

constexpr std::size_t first_size = std::size_t{1} << 16;

/// A file that closes itself, or a standard stream, which stays open.
class Descriptor {
 public:
  Descriptor(const std::string& path, int standard, int flags)
      : name_(path == "-" ? (standard == STDIN_FILENO ? "standard input" : "standard output")
                          : in_quotes(path)),
        owned_(path != "-"),
        fd_(owned_ ? ::open(path.c_str(), flags | O_CLOEXEC, 0600) : standard) {
    if (fd_ < 0) fail_system(standard == STDIN_FILENO ? "read" : "write");
  }
  ~Descriptor() {
    if (owned_ && fd_ >= 0) (void)::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[noreturn]] void fail_system(const char* what) const {
    fail("cannot " + std::string(what) + ' ' + name_ + ": " + std::strerror(errno));
  }
  /// Some errors of a write come up here alone.
  void close() {
    if (owned_ && ::close(std::exchange(fd_, -1)) != 0) fail_system("write");
  }

 private:
  std::string name_;
  bool owned_;
  int fd_;
};

/// Room for the whole of a file, so that its bytes are not copied as they come.
[[nodiscard]] std::size_t expected_size(int fd) noexcept {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) return first_size;
  return static_cast<std::size_t>(status.st_size) + 1;
}

}  // namespace

Bytes read_input(const std::string& path, std::size_t limit) {
  const Descriptor file(path, STDIN_FILENO, O_RDONLY);
  if (path == "-" && input_is_terminal() && isatty(STDERR_FILENO) == 1)
    (void)std::fputs("jwekms: reading from the terminal; Ctrl-D ends\n", stderr);
  Bytes bytes(std::min(expected_size(file.get()), limit + 1));
  std::size_t size = 0;
  for (;;) {
    if (size == bytes.size()) {
      if (size > limit)
        fail(jwekms::Error{jwekms::Errc::too_large, 0, "the input is above the limit"},
             path == "-" ? std::string_view() : std::string_view(path));
      bytes.resize(std::min(2 * size, limit + 1));
    }
    const ssize_t got = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) file.fail_system("read");
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

void write_output(const std::string& path, std::span<const std::uint8_t> bytes) {
  Descriptor file(path, STDOUT_FILENO, O_WRONLY | O_CREAT | O_TRUNC);
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    // Whoever read has seen enough, as `head` does. (SIGPIPE may be ignored.)
    if (put < 0 && errno == EPIPE) throw Failure{};
    if (put < 0) file.fail_system("write");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  file.close();
}

void write_text(std::string_view text) { write_output("-", bytes_of(text)); }

bool output_is_terminal() noexcept { return isatty(STDOUT_FILENO) == 1; }
bool input_is_terminal() noexcept { return isatty(STDIN_FILENO) == 1; }

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
#include "providers/db/new_file.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace jwekms::db {

namespace {

constexpr Error cannot_create{Errc::unavailable, 0, "a file of the database cannot be created"};

[[nodiscard]] bool write_all(int fd, std::span<const std::uint8_t> bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

/// A name beside `path` that nobody else uses.
[[nodiscard]] std::string temporary_name(const std::string& path) {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number)
    number = static_cast<std::uint64_t>(getpid());
  char suffix[32];
  (void)std::snprintf(suffix, sizeof suffix, ".new-%016llx",
                      static_cast<unsigned long long>(number));
  return path + suffix;
}

}  // namespace

bool sync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "."
                                : slash == 0               ? "/"
                                                           : path.substr(0, slash);
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.open() && fsync(fd.get()) == 0;
}

Fd::~Fd() {
  if (fd_ >= 0) (void)close(fd_);
}

Result<bool> make_new_file(const std::string& path, std::span<const std::uint8_t> contents) {
  const std::string temporary = temporary_name(path);
  {
    const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       S_IRUSR | S_IWUSR));
    if (!fd.open()) return cannot_create;
    if (!write_all(fd.get(), contents) || fsync(fd.get()) != 0) {
      (void)unlink(temporary.c_str());
      return cannot_create;
    }
    // Closed before the name appears. Closing any descriptor of a database drops the locks that
    // SQLite holds on it for the whole process.
  }
  // link(2), unlike rename(2), fails when the name is taken: of several processes one wins.
  const bool made = link(temporary.c_str(), path.c_str()) == 0;
  const bool taken = !made && errno == EEXIST;
  (void)unlink(temporary.c_str());
  if (!made && !taken) return cannot_create;
  if (!sync_directory_of(path)) return cannot_create;
  return made;
}

}  // namespace jwekms::db

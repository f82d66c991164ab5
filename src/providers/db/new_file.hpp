// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "jwekms/result.hpp"

namespace jwekms::db {

/// Makes a file with mode 0600 that appears at `path` whole or not at all, and is on disk when this
/// returns. Never replaces what is there, nor follows a symbolic link.
/// @return true if this call made it, false if something was there.
/// Errors: unavailable.
[[nodiscard]] Result<bool> make_new_file(const std::string& path,
                                         std::span<const std::uint8_t> contents);

/// A name is on disk when its directory is. False: it could not be told to be.
[[nodiscard]] bool sync_directory_of(const std::string& path);

/// A file descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();
  [[nodiscard]] bool open() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace jwekms::db

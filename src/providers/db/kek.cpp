// SPDX-License-Identifier: Apache-2.0
#include "providers/db/kek.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>

#include "jwekms/base64url.hpp"
#include "providers/db/new_file.hpp"

namespace jwekms::db {

namespace {

constexpr std::size_t text_bytes = base64url::encoded_size(Kek::capacity);
constexpr std::size_t file_bytes = text_bytes + 1;

constexpr Error unreadable{Errc::unavailable, 0, "the key-encryption key file cannot be read"};
constexpr Error not_regular{Errc::forbidden, 0,
                            "the key-encryption key file is not a regular file"};
constexpr Error foreign_owner{Errc::forbidden, 0,
                              "the key-encryption key file belongs to another user"};
constexpr Error too_open{Errc::forbidden, 0,
                         "the key-encryption key file is open to group or others; it needs mode "
                         "0600"};
constexpr Error damaged_file{Errc::internal_error, 0, "the key-encryption key file is damaged"};

/// Looks at what was opened, so that nothing can change in between.
[[nodiscard]] Result<void> check_file(const Fd& fd) noexcept {
  struct stat about {};
  if (fstat(fd.get(), &about) != 0) return unreadable;
  if (!S_ISREG(about.st_mode)) return not_regular;
  if (about.st_uid != geteuid() && about.st_uid != 0) return foreign_owner;
  if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) return too_open;
  if (about.st_size != static_cast<off_t>(file_bytes)) return damaged_file;
  return {};
}

[[nodiscard]] bool read_exactly(int fd, std::span<std::uint8_t> out) noexcept {
  while (!out.empty()) {
    const ssize_t n = read(fd, out.data(), out.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

HeldKek::HeldKek() : page_(sizeof(Kek)) {
  new (page_.bytes(InsecureSecretAccess::token()).data()) Kek;
}

HeldKek::HeldKek(std::span<const std::uint8_t, Kek::capacity> bytes) : HeldKek() {
  std::ranges::copy(bytes, to_fill().fill(Kek::capacity, InsecureSecretAccess::token()).begin());
}

Kek& HeldKek::to_fill() noexcept {
  return *std::launder(reinterpret_cast<Kek*>(page_.bytes(InsecureSecretAccess::token()).data()));
}
const Kek& HeldKek::kek() const noexcept {
  return *std::launder(
      reinterpret_cast<const Kek*>(page_.bytes(InsecureSecretAccess::token()).data()));
}

Result<HeldKek> HeldKek::random(const crypto::Library& library) {
  HeldKek held;
  const Result<void> drawn =
      library.random(held.to_fill().fill(Kek::capacity, InsecureSecretAccess::token()));
  if (!drawn) return drawn.error();
  return held;
}

Result<std::optional<HeldKek>> read_kek_file(const std::string& path) {
  // O_NONBLOCK: opening a FIFO that somebody put there must not hang.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd.open()) {
    if (errno == ENOENT) return std::optional<HeldKek>{};
    return errno == ELOOP ? not_regular : unreadable;
  }
  if (const Result<void> r = check_file(fd); !r) return r.error();
  crypto::SecretBuffer file(file_bytes);
  const std::span<std::uint8_t> bytes = file.bytes(InsecureSecretAccess::token());
  if (!read_exactly(fd.get(), bytes)) return unreadable;

  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), text_bytes);
  crypto::SecretBuffer decoded(Kek::capacity);
  const std::span<std::uint8_t> key = decoded.bytes(InsecureSecretAccess::token());
  if (bytes.back() != '\n' || !base64url::decode_secret(text, key.data())) return damaged_file;
  return std::optional<HeldKek>{HeldKek(key.first<Kek::capacity>())};
}

std::string next_kek_path(const std::string& path) { return path + ".next"; }
std::string old_kek_path(const std::string& path) { return path + ".old"; }

Result<void> make_next_kek_file(const crypto::Library& library, const std::string& path) {
  constexpr Error old_is_there{Errc::conflict, 0,
                               "the key file before the last rotation, \".old\", is still there"};
  struct stat about {};
  if (lstat(old_kek_path(path).c_str(), &about) == 0) return old_is_there;
  (void)unlink(next_kek_path(path).c_str());
  const Result<bool> made = make_kek_file(library, next_kek_path(path));
  if (!made) return made.error();
  return *made ? Result<void>{} : Error{Errc::conflict, 0, "somebody else is rotating the key"};
}

Result<void> promote_next_kek_file(const std::string& path) {
  constexpr Error failed{Errc::unavailable, 0, "the new key file cannot take its place"};
  // link(2) first: there is a file in use at any time.
  if (link(path.c_str(), old_kek_path(path).c_str()) != 0 && errno != EEXIST && errno != ENOENT)
    return failed;
  if (std::rename(next_kek_path(path).c_str(), path.c_str()) != 0 && errno != ENOENT) return failed;
  return sync_directory_of(path) ? Result<void>{} : failed;
}

Result<bool> make_kek_file(const crypto::Library& library, const std::string& path) {
  const Result<HeldKek> fresh = HeldKek::random(library);
  if (!fresh) return fresh.error();
  crypto::SecretBuffer file(file_bytes);
  const std::span<std::uint8_t> bytes = file.bytes(InsecureSecretAccess::token());
  base64url::encode_secret(fresh->kek().bytes(InsecureSecretAccess::token()),
                           reinterpret_cast<char*>(bytes.data()));
  bytes.back() = '\n';
  return make_new_file(path, bytes);
}

}  // namespace jwekms::db

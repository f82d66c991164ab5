// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/pin.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace jwekms::pkcs11 {

namespace {

constexpr std::size_t longest = 256;
constexpr std::string_view file_mark = "file:";
constexpr std::string_view env_mark = "env:";
constexpr Error too_long{Errc::bad_request, 0, "the HSM's PIN is too long"};
constexpr Error no_file{Errc::unavailable, 0, "the file with the HSM's PIN cannot be read"};

[[nodiscard]] Result<void> fill(Pin& pin, std::string_view text) {
  if (text.size() > pin.size()) return too_long;
  std::ranges::copy(text, pin.bytes(InsecureSecretAccess::token()).begin());
  pin.truncate(text.size());
  return {};
}

/// Straight into the Pin: a stream would leave a copy in its buffer.
[[nodiscard]] Result<void> fill_from_file(Pin& pin, const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return no_file;
  const auto room = pin.bytes(InsecureSecretAccess::token());
  std::size_t size = 0;
  ssize_t got = 1;
  while (got > 0 && size < room.size()) {
    got = read(fd, room.data() + size, room.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
  }
  (void)close(fd);
  if (got < 0) return no_file;
  if (got > 0) return too_long;
  if (size > 0 && room[size - 1] == '\n') --size;
  pin.truncate(size);
  return {};
}

}  // namespace

Result<std::shared_ptr<const Pin>> read_pin(const std::string& reference) {
  auto pin = std::make_shared<Pin>(longest, crypto::InChildren::the_same);
  Result<void> filled;
  if (reference.starts_with(file_mark)) {
    filled = fill_from_file(*pin, reference.c_str() + file_mark.size());
  } else if (reference.starts_with(env_mark)) {
    const char* value = std::getenv(reference.c_str() + env_mark.size());
    if (value == nullptr)
      return Error{Errc::bad_request, 0, "the environment variable with the HSM's PIN is not set"};
    filled = fill(*pin, value);
  } else {
    filled = fill(*pin, reference);
  }
  if (!filled) return filled.error();
  return std::shared_ptr<const Pin>(std::move(pin));
}

}  // namespace jwekms::pkcs11

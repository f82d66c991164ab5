// SPDX-License-Identifier: Apache-2.0
#include "ask.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "failure.hpp"
#include "files.hpp"

namespace cli {

namespace {

constexpr int max_passphrase_bytes = 1024;

[[nodiscard]] bool has_terminal() noexcept {
  const int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (fd >= 0) (void)close(fd);
  return fd >= 0;
}

}  // namespace

Bytes ask_passphrase(const char* prompt, const std::string& otherwise) {
  // OpenSSL would take it from standard input, where the key itself may come from.
  if (!has_terminal()) fail_usage("there is no terminal to ask for a passphrase on", otherwise);
  Bytes passphrase(max_passphrase_bytes + 1);
  char* text = reinterpret_cast<char*>(passphrase.data());
  // It restores the terminal after a signal, too.
  if (EVP_read_pw_string(text, max_passphrase_bytes, prompt, 0) != 0)
    fail("no passphrase was given", otherwise);
  passphrase.resize(std::strlen(text));
  return passphrase;
}

bool ask_yes(const std::string& question, const std::string& otherwise) {
  if (!input_is_terminal()) fail_usage("there is nobody to confirm this", otherwise);
  (void)std::fprintf(stderr, "%s [y/N] ", question.c_str());
  std::array<char, 16> answer{};
  if (std::fgets(answer.data(), answer.size(), stdin) == nullptr) return false;
  const std::string_view said = trimmed(answer.data());
  return said == "y" || said == "Y" || said == "yes";
}

}  // namespace cli

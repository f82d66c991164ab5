// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms.h"

/// A folder that goes when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "jwekms-capi-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

struct Free {
  void operator()(jwekms_ctx* ctx) const { jwekms_close(ctx); }
  void operator()(jwekms_key_info* info) const { jwekms_key_info_free(info); }
  void operator()(jwekms_key_list* list) const { jwekms_key_list_free(list); }
};
using Ctx = std::unique_ptr<jwekms_ctx, Free>;
using Info = std::unique_ptr<jwekms_key_info, Free>;
using List = std::unique_ptr<jwekms_key_list, Free>;

inline constexpr std::array<std::uint8_t, 32> test_kek{1, 2, 3, 4, 5, 6, 7, 8};

/// Options for a database with a key-encryption key from the host. `path` must outlive them.
inline jwekms_open_options open_options(std::string_view path) {
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  options.database_path = path.data();
  options.database_path_len = path.size();
  options.kek = test_kek.data();
  options.kek_len = test_kek.size();
  return options;
}

inline Ctx open_ctx(const jwekms_open_options& options) {
  jwekms_ctx* ctx = nullptr;
  jwekms_error error = JWEKMS_ERROR_INIT;
  const jwekms_status status = jwekms_open(&options, &ctx, &error);
  INFO(error.text);
  REQUIRE(status == JWEKMS_OK);
  return Ctx{ctx};
}

inline Info create(const Ctx& ctx, std::string_view uid, std::int32_t type = 0,
                   std::string_view enc = {}) {
  jwekms_create_key_options options = JWEKMS_CREATE_KEY_OPTIONS_INIT;
  options.type = type;
  options.uid = uid.data();
  options.uid_len = uid.size();
  options.enc = enc.data();
  options.enc_len = enc.size();
  jwekms_key_info* info = nullptr;
  jwekms_error error = JWEKMS_ERROR_INIT;
  const jwekms_status status = jwekms_create_key(ctx.get(), &options, &info, &error);
  INFO(error.text);
  REQUIRE(status == JWEKMS_OK);
  return Info{info};
}

/// A database with an RSA key "rsa" and a symmetric key "oct", made once for all tests that leave
/// it as it is.
struct Keyring {
  TemporaryFolder folder;
  std::string path = folder.file("keys.db");
  Ctx ctx = open_ctx(open_options(path));
  Keyring() {
    create(ctx, "rsa");
    create(ctx, "oct", JWEKMS_KEY_TYPE_OCT);
  }
};
inline const Keyring& keyring() {
  static const Keyring keyring;
  return keyring;
}

inline jwekms_encrypt_options encrypt_to(std::string_view key, std::string_view alg = {}) {
  jwekms_encrypt_options options = JWEKMS_ENCRYPT_OPTIONS_INIT;
  options.key = key.data();
  options.key_len = key.size();
  options.alg = alg.data();
  options.alg_len = alg.size();
  return options;
}

inline std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Encrypts into an ample buffer.
inline std::string encrypt(const Ctx& ctx, std::string_view message,
                           const jwekms_encrypt_options& options) {
  std::string token(message.size() * 2 + 8192, '\0');
  std::size_t size = token.size();
  jwekms_error error = JWEKMS_ERROR_INIT;
  const auto plaintext = bytes_of(message);
  const jwekms_status status = jwekms_encrypt(ctx.get(), plaintext.data(), plaintext.size(),
                                              &options, token.data(), &size, &error);
  INFO(error.text);
  REQUIRE(status == JWEKMS_OK);
  token.resize(size);
  return token;
}

struct Decrypted {
  jwekms_status status;
  std::string plaintext;
};

/// Decrypts into a buffer of the size that the library asks for.
inline Decrypted decrypt(const jwekms_ctx* ctx, std::string_view token,
                         const jwekms_decrypt_options* options = nullptr) {
  std::size_t size = 0;
  if (const jwekms_status status =
          jwekms_decrypt(ctx, token.data(), token.size(), options, nullptr, &size, nullptr);
      status != JWEKMS_OK)
    return {status, {}};
  std::vector<std::uint8_t> out(size);
  const jwekms_status status =
      jwekms_decrypt(ctx, token.data(), token.size(), options, out.data(), &size, nullptr);
  return {status, std::string(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size))};
}

/// What a text getter of a handle gives; both ways of telling its end must agree.
template <class Handle>
std::string text_of(const char* (*get)(const Handle*, std::size_t*), const Handle* handle) {
  std::size_t size = 99;
  const char* text = get(handle, &size);
  REQUIRE(text != nullptr);
  REQUIRE(std::string_view(text) == std::string_view(text, size));
  REQUIRE(get(handle, nullptr) == text);
  return text;
}

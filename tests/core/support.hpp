// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/library.hpp"
#include "crypto/rsa_key.hpp"
#include "jwekms/base64url.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"
#include "jwekms/secret.hpp"

/// What the tests of the core share: bytes, keys that are made once, folders that go away.
namespace support {

using namespace jwekms;
using Bytes = std::vector<std::uint8_t>;
/// To loop over: literals alone would be ints.
using Sizes = std::initializer_list<std::size_t>;

inline std::span<const std::uint8_t> bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string b64(std::span<const std::uint8_t> bytes) {
  std::string out(base64url::encoded_size(bytes.size()), '\0');
  base64url::encode(bytes, out.data());
  return out;
}

inline Bytes from_b64(std::string_view text) {
  Bytes out(base64url::decoded_size(text.size()));
  if (!base64url::decode(text, out.data())) throw std::invalid_argument("not base64url");
  return out;
}

inline Bytes from_hex(std::string_view digits) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(
        static_cast<std::uint8_t>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  return out;
}

/// `size` bytes that look different at every offset and from `seed` to `seed`; a shorter one is the
/// beginning of a longer one.
inline Bytes pattern(std::size_t size, unsigned seed = 1) {
  Bytes out(size);
  std::uint32_t x = 2654435761U * (seed + 1);
  for (std::uint8_t& byte : out) {
    x = x * 1664525U + 1013904223U;
    byte = static_cast<std::uint8_t>(x >> 24);
  }
  return out;
}

/// The text with another letter of base64url at `at`; not for a last letter, with its spare bits.
inline std::string with_other_letter(std::string text, std::size_t at) {
  text.at(at) = text.at(at) == 'A' ? 'B' : 'A';
  return text;
}

inline bool all_zero(std::span<const std::uint8_t> bytes) noexcept {
  for (const std::uint8_t byte : bytes)
    if (byte != 0) return false;
  return true;
}

/// "ok", or the name of the error: reads well in a failed check.
template <class T>
std::string_view code_of(const Result<T>& result) noexcept {
  return result ? "ok" : name(result.error().code);
}

inline const std::shared_ptr<const crypto::Library>& library() {
  static const auto opened = crypto::Library::open("").value();
  return opened;
}

/// One key of each size for the whole program: making them takes seconds.
inline const std::shared_ptr<const crypto::RsaKey>& rsa_key(std::uint32_t bits = 2048) {
  static const auto make = [](std::uint32_t size) {
    return crypto::RsaKey::generate(library(), size).value();
  };
  if (bits == 4096) {
    static const auto key = make(4096);
    return key;
  }
  if (bits == 3072) {
    static const auto key = make(3072);
    return key;
  }
  static const auto key = make(2048);
  return key;
}

inline const std::shared_ptr<const crypto::RsaKey>& other_rsa_key() {
  static const auto key = crypto::RsaKey::generate(library(), 2048).value();
  return key;
}

inline Bytes pkcs8(const crypto::RsaKey& key) {
  const crypto::SecretBuffer der = key.to_pkcs8().value();
  const auto raw = der.bytes(InsecureSecretAccess::token());
  return {raw.begin(), raw.end()};
}

inline Cek make_cek(std::span<const std::uint8_t> raw) {
  Cek cek;
  const auto room = cek.fill(raw.size(), InsecureSecretAccess::token());
  std::copy(raw.begin(), raw.end(), room.begin());
  return cek;
}

inline Bytes raw(const Cek& cek) {
  const auto secret = cek.bytes(InsecureSecretAccess::token());
  return {secret.begin(), secret.end()};
}

/// A folder of its own that goes away with its contents.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "jwekms-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace support

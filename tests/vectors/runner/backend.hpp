// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vector_file.hpp"

namespace vectors {

/// What a call answered.
struct Answer {
  std::string code;   ///< "ok" or the error's name.
  std::string bytes;  ///< When ok: the plaintext, the token, or the UID of the key that was made.
  std::string fault;  ///< What else the call did wrong; empty if nothing.

  [[nodiscard]] bool ok() const noexcept { return code == "ok"; }
};

/// One of the library's interfaces, open on a fresh key database of its own.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  [[nodiscard]] virtual Answer import_jwk(std::string_view jwk) = 0;
  /// @param key  empty: the token names it.
  [[nodiscard]] virtual Answer decrypt(std::string_view token, std::string_view key) = 0;
  [[nodiscard]] virtual Answer unwrap(std::string_view token, std::string_view key) = 0;
  /// A compact token under a symmetric key, with `dir`.
  [[nodiscard]] virtual Answer encrypt(std::string_view plaintext, std::string_view uid,
                                       std::string_view enc) = 0;
};

/// Both throw std::runtime_error when the database cannot be made.
[[nodiscard]] std::unique_ptr<Backend> open_cpp(const std::filesystem::path& database,
                                                PolicyKind policy);
[[nodiscard]] std::unique_ptr<Backend> open_c(const std::filesystem::path& database,
                                              PolicyKind policy);

}  // namespace vectors

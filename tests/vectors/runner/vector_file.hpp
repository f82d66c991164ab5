// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Files of tokens with what is expected of them: schema jwe-vectors/1.
namespace vectors {

/// The policies that a file is run under: all that is implemented, or what nobody configured.
enum class PolicyKind : std::uint8_t { all, by_default };

[[nodiscard]] constexpr std::string_view name(PolicyKind kind) noexcept {
  return kind == PolicyKind::all ? "all" : "default";
}

struct Case {
  std::string id;
  std::string token;
  std::string kid;  ///< The key that is meant; empty for none.
  bool unwrap = false;
  bool caller_names_key = false;
  bool default_policy_only = false;
  std::string serialization;
  std::vector<std::string> algs;  ///< One for each recipient; as the file says, the token may lie.
  std::string enc;
  std::vector<std::string> expect, expect_by_default;  ///< "ok" or an error code, any of these.
  std::optional<std::string> plaintext;

  [[nodiscard]] const std::vector<std::string>& expected(PolicyKind kind) const noexcept {
    return kind == PolicyKind::all ? expect : expect_by_default;
  }
};

struct KeyText {
  std::string kid;
  std::string jwk;
};

struct VectorFile {
  std::string suite;
  std::vector<KeyText> keys;
  std::vector<Case> cases;
};

/// A vector in which this project's rules differ, and why.
struct Exception {
  std::string suite, id;  ///< Shell patterns: fnmatch(3).
  std::string expect;     ///< The only code that then passes.
  std::string reason;
};

/// Both throw std::runtime_error for a file that cannot be read or is not of its schema.
[[nodiscard]] VectorFile read_vector_file(const std::string& path);
[[nodiscard]] std::vector<Exception> read_exceptions(const std::string& path);

}  // namespace vectors

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "bytes.hpp"
#include "jwekms/policy.hpp"

namespace cli {

/// A token as it came from a file or standard input.
class Token {
 public:
  [[nodiscard]] static Token read(const std::string& path, const jwekms::Policy& policy);

  /// Without the newline that a file ends with.
  [[nodiscard]] std::string_view text() const noexcept;
  /// The `kid` of the protected header, to name the key by; empty when there is none to be read.
  [[nodiscard]] std::string kid(const jwekms::Policy& policy) const;

 private:
  explicit Token(Bytes bytes) : bytes_(std::move(bytes)) {}
  Bytes bytes_;
};

[[nodiscard]] std::string base64url_of(std::span<const std::uint8_t> bytes);

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "jwekms/config.hpp"
#include "jwt.hpp"

namespace rest {

/// Somebody who was let in, and how they were known.
struct Principal {
  std::string name{};
  std::string_view method{};  ///< "token", "jwt", "certificate" or "anonymous". Empty: nobody.

  [[nodiscard]] bool known() const noexcept { return !method.empty(); }
};

/// Who a request comes from. Immutable; a reload makes a new one. Thread-safe.
class Authenticator {
 public:
  /// @return null, with `problem` saying why, when a file is missing or useless.
  [[nodiscard]] static std::shared_ptr<const Authenticator> load(const jwekms::AuthOptions& options,
                                                                 std::string& problem);

  /// @param authorization  the header of that name. When there is one, and be it empty, it alone
  ///                       counts: no fallback to the certificate.
  /// @param subject        of a verified client certificate; empty when there is none.
  [[nodiscard]] Principal identify(std::optional<std::string_view> authorization,
                                   std::string_view subject) const;

 private:
  explicit Authenticator(jwekms::AuthOptions options) : options_(std::move(options)) {}
  [[nodiscard]] Principal claimed(std::optional<std::string_view> authorization,
                                  std::string_view subject) const;
  [[nodiscard]] Principal by_token(std::string_view token) const;

  jwekms::AuthOptions options_;
  std::unique_ptr<const JwtVerifier> jwt_;
};

}  // namespace rest

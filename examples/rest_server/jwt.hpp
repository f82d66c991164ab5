// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/config.hpp"

struct _cjose_jwk_int;

namespace rest {

/// Checks signed JWTs (RFC 7519, RFC 8725) against a set of public keys that is in a file.
///
/// Signatures and JWKs are cjose's work (OpenIDC, maintained, in Debian; libjwt of Debian 12 knows
/// neither JWK Sets nor PS256, and jwt-cpp is not there). Everything that a stranger's token says
/// is read by the library's strict JSON reader first: `alg` is taken from a list of three and must
/// suit the key, so that no HMAC and no `none` ever gets to cjose.
class JwtVerifier {
 public:
  /// @return null, with `problem` saying why, when the file holds no key to verify with.
  [[nodiscard]] static std::unique_ptr<const JwtVerifier> load(const jwekms::JwtOptions& options,
                                                               std::string& problem);

  /// The principal that a good token names; nothing for any other. Thread-safe.
  [[nodiscard]] std::optional<std::string> principal_of(std::string_view token,
                                                        std::chrono::seconds now) const;

 private:
  struct Release {
    void operator()(_cjose_jwk_int* key) const noexcept;
  };
  struct Key {
    std::string kid{};
    std::string alg{};  ///< Empty: what its type allows.
    std::unique_ptr<_cjose_jwk_int, Release> jwk{};
    bool rsa = false;
  };

  explicit JwtVerifier(jwekms::JwtOptions options) : options_(std::move(options)) {}
  [[nodiscard]] bool add_keys(std::string_view jwk_set);
  [[nodiscard]] const Key* key_for(std::string_view protected_json) const;
  [[nodiscard]] std::optional<std::string> checked_claims(std::string_view payload,
                                                          std::chrono::seconds now) const;

  jwekms::JwtOptions options_;
  std::vector<Key> keys_;
};

}  // namespace rest

// SPDX-License-Identifier: Apache-2.0
#include "auth.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

#include "jwekms/access.hpp"

namespace rest {

namespace {

using Digest = std::array<std::uint8_t, 32>;

[[nodiscard]] Digest sha256(std::string_view text) {
  Digest digest{};
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(), digest.data(), nullptr) !=
      1)
    throw std::runtime_error("no SHA-256");
  return digest;
}

/// What stands behind "Bearer" (RFC 6750 §2.1; the scheme in any case, RFC 9110 §11.1).
[[nodiscard]] std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() <= scheme.size()) return {};
  for (std::size_t i = 0; i < scheme.size(); ++i)
    if ((authorization[i] | 0x20) != (scheme[i] | 0x20)) return {};
  authorization.remove_prefix(scheme.size());
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  return authorization;
}

[[nodiscard]] std::chrono::seconds now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace

std::shared_ptr<const Authenticator> Authenticator::load(const jwekms::AuthOptions& options,
                                                         std::string& problem) {
  std::shared_ptr<Authenticator> made(new Authenticator(options));
  if (options.jwt) {
    made->jwt_ = JwtVerifier::load(*options.jwt, problem);
    if (!made->jwt_) return nullptr;
  }
  return made;
}

Principal Authenticator::identify(std::optional<std::string_view> authorization,
                                  std::string_view subject) const {
  Principal found = claimed(authorization, subject);
  // An issuer or a client CA may have named somebody what nobody can be called here.
  return jwekms::check_principal(found.name) ? found : Principal{};
}

Principal Authenticator::claimed(std::optional<std::string_view> authorization,
                                 std::string_view subject) const {
  if (authorization) {
    const std::string_view token = bearer_token(*authorization);
    return token.empty() ? Principal{} : by_token(token);
  }
  if (options_.client_certificates && !subject.empty())
    return {.name = std::string(subject), .method = "certificate"};
  if (!options_.configured()) return {.name = options_.anonymous, .method = "anonymous"};
  return {};
}

Principal Authenticator::by_token(std::string_view token) const {
  const Digest digest = sha256(token);
  // All are compared, in constant time each: nothing tells how far a guess was right.
  const jwekms::ApiToken* found = nullptr;
  for (const jwekms::ApiToken& each : options_.tokens)
    if (CRYPTO_memcmp(each.sha256.data(), digest.data(), digest.size()) == 0) found = &each;
  if (found != nullptr) return {.name = found->principal, .method = "token"};
  if (!jwt_) return {};
  std::optional<std::string> name = jwt_->principal_of(token, now());
  if (!name) return {};
  return {.name = *std::move(name), .method = "jwt"};
}

}  // namespace rest

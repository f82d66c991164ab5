// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Configuration files in TOML: what to open, and what the server program needs beside it.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/export.hpp"
#include "jwekms/open.hpp"
#include "jwekms/result.hpp"

namespace jwekms {

/// Files of a TLS listener, PEM. Read by the server at its start and again on SIGHUP.
struct TlsOptions {
  std::string certificate{};  ///< The server's certificate, then its chain. Empty: no TLS.
  std::string key{};          ///< The certificate's private key.
  std::string client_ca{};    ///< Client certificates are asked for and checked against these.
  bool require_client_certificate = false;  ///< Who has none is not served.
};

/// What one client may take of a server.
struct ServerLimits {
  std::size_t max_body_bytes = std::size_t{1} << 20;  ///< Beyond it: 413.
  std::size_t max_header_bytes = 16384;               ///< Request line and header: 431.
  std::size_t max_connections = 4096;                 ///< Beyond it, new ones wait unaccepted.
  std::chrono::milliseconds idle_timeout{60000};      ///< Between two requests.
  std::chrono::milliseconds request_timeout{30000};   ///< To send a whole request; to take a reply.
  std::uint32_t requests_per_second = 0;              ///< For each principal: 429. 0: no limit.
  /// Unwraps that may fail in a minute, for each principal: 429. An unwrap cannot hide whether the
  /// padding was good, and this many questions a minute decrypt nothing in a lifetime.
  std::uint32_t failed_unwraps_per_minute = 60;
};

/// A bearer token, known to the server by its hash alone.
struct ApiToken {
  std::string principal{};                ///< Who brings it.
  std::array<std::uint8_t, 32> sha256{};  ///< Of the token's characters.
};

/// Signed JWTs as bearer tokens (RFC 7519, RFC 8725), RS256, PS256 or ES256.
struct JwtOptions {
  std::string keys_path{};              ///< File with a JWK Set (RFC 7517). Read again on SIGHUP.
  std::string issuer{};                 ///< `iss`, exactly.
  std::string audience{};               ///< One of `aud`.
  std::string principal_claim = "sub";  ///< The claim that names the principal.
  std::chrono::seconds leeway{30};      ///< For `exp` and `nbf`.
};

/// How the server learns who is asking.
struct AuthOptions {
  /// A verified client certificate's subject is a principal, as RFC 4514 writes it:
  /// `CN=billing,O=Acme`.
  bool client_certificates = false;
  std::vector<ApiToken> tokens{};   ///< For `Authorization: Bearer jwekms_...`.
  std::optional<JwtOptions> jwt{};  ///< For any other bearer token.
  /// Who everybody is where nothing above is configured.
  std::string anonymous = "admin";

  /// Whether anybody has to say who they are.
  [[nodiscard]] bool configured() const noexcept {
    return client_certificates || !tokens.empty() || jwt.has_value();
  }
};

/// What the server program (examples/rest_server) needs beside a Kms. The library itself opens no
/// socket and uses nothing of it.
struct ServerOptions {
  std::string hostname = "127.0.0.1";  ///< Name or address to listen at.
  std::uint16_t port = 9998;           ///< 0: any that is free.
  std::size_t workers = 0;             ///< Threads for cryptography. 0: four for each processor.
  std::chrono::milliseconds shutdown_timeout{10000};  ///< For requests in flight, after SIGTERM.
  TlsOptions tls{};                                   ///< Whether it speaks TLS.
  ServerLimits limits{};                              ///< What one client may take.
  AuthOptions auth{};                                 ///< Who is asking.
  std::string audit_path{};  ///< JSON lines are appended. Empty: standard output.
};

/// What a configuration file says.
struct Config {
  Options kms{};                        ///< For jwekms::open.
  ServerOptions server{};               ///< For the server program.
  std::vector<std::string> warnings{};  ///< For the operator; never a secret's value.
};

/// One thing that is wrong with a configuration.
struct ConfigProblem {
  std::uint32_t line = 0;  ///< From 1; 0 when it is about no line.
  /// For people: `kms.toml:7: http.port: expected an integer from 0 to 65535, found a string`.
  /// Names keys and what was expected, never a value.
  std::string text{};
};

/// Reads a configuration, TOML 1.0; examples/rest_server/jwekms.toml documents every key. Strict:
/// an unknown key is an error, and so is a value of another type.
/// @param text      UTF-8.
/// @param name      path of the file, for messages; relative paths in the text are relative to its
///                  folder, so that a file means the same from wherever a program is started.
/// @param problems  all that is wrong, in the order of the text.
/// Errors: bad_request, when there are problems. Thread-safe.
[[nodiscard]] JWEKMS_API Result<Config> parse_config(std::string_view text, const std::string& name,
                                                     std::vector<ConfigProblem>& problems);

/// parse_config() of a file of at most 1 MiB. Warns where others may read a password in it.
/// Errors: bad_request, unavailable (the file cannot be read; there is a problem for this too).
[[nodiscard]] JWEKMS_API Result<Config> load_config(const std::string& path,
                                                    std::vector<ConfigProblem>& problems);

}  // namespace jwekms

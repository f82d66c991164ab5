// SPDX-License-Identifier: Apache-2.0
#include "config/read_server.hpp"

#include <charconv>

#include "jwekms/access.hpp"

namespace jwekms::config {

namespace {

constexpr Range milliseconds{1, 86400000};

void read_tls(Table& tls, TlsOptions& out) {
  tls.require("certificate", "a PEM file");
  tls.path("certificate", out.certificate);
  tls.require("key", "a PEM file");
  tls.path("key", out.key);
  tls.path("client_ca", out.client_ca);
  tls.boolean("require_client_certificate", out.require_client_certificate);
  if (out.require_client_certificate && out.client_ca.empty())
    tls.problem("require_client_certificate", "needs client_ca");
}

void read_limits(Table& limits, ServerLimits& out) {
  limits.integer("max_body_bytes", out.max_body_bytes, {1, INT64_C(1) << 32});
  limits.integer("max_header_bytes", out.max_header_bytes, {512, 1 << 20});
  limits.integer("max_connections", out.max_connections, {1, 1000000});
  limits.duration("idle_timeout_ms", out.idle_timeout, milliseconds);
  limits.duration("request_timeout_ms", out.request_timeout, milliseconds);
  limits.integer("requests_per_second", out.requests_per_second, {0, 1000000});
  limits.integer("failed_unwraps_per_minute", out.failed_unwraps_per_minute, {0, 1000000});
}

void read_http(Table& http, ServerOptions& out) {
  http.integer("port", out.port, {0, 65535});
  http.text("hostname", out.hostname);
  http.integer("workers", out.workers, {0, 1024});
  http.duration("shutdown_timeout_ms", out.shutdown_timeout, milliseconds);
  http.section("tls", [&](Table& tls) { read_tls(tls, out.tls); });
  http.section("limits", [&](Table& limits) { read_limits(limits, out.limits); });
}

[[nodiscard]] bool from_hex(std::string_view text, std::array<std::uint8_t, 32>& out) {
  if (text.size() != 2 * out.size()) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char* first = text.data() + 2 * i;
    const auto [end, ec] = std::from_chars(first, first + 2, out[i], 16);
    if (ec != std::errc{} || end != first + 2) return false;
  }
  return true;
}

void check_name(Table& table, std::string_view key, const std::string& name) {
  if (table.has(key) && !check_principal(name))
    table.problem(key, "expected a name of 1 to 256 bytes without control characters, not \"*\"");
}

void read_token(Table& table, std::vector<ApiToken>& out) {
  constexpr std::string_view expected = "the SHA-256 of the token, 64 hexadecimal digits";
  ApiToken token;
  std::string hex;
  table.require("principal", "a name");
  table.text("principal", token.principal);
  check_name(table, "principal", token.principal);
  table.require("sha256", expected);
  table.text("sha256", hex);
  if (table.has("sha256") && !from_hex(hex, token.sha256))
    table.problem("sha256", "expected " + std::string(expected));
  out.push_back(std::move(token));
}

void read_jwt(Table& jwt, JwtOptions& out) {
  jwt.require("keys", "a file with a JWK Set");
  jwt.path("keys", out.keys_path);
  jwt.require("issuer", "the `iss` of every token");
  jwt.text("issuer", out.issuer);
  jwt.require("audience", "what must be among the `aud` of every token");
  jwt.text("audience", out.audience);
  jwt.text("principal_claim", out.principal_claim);
  jwt.duration("leeway_s", out.leeway, {0, 3600});
}

void read_auth(Table& auth, AuthOptions& out) {
  auth.boolean("client_certificates", out.client_certificates);
  auth.text("anonymous", out.anonymous);
  check_name(auth, "anonymous", out.anonymous);
  auth.sections("tokens", [&](Table& token) { read_token(token, out.tokens); });
  auth.section("jwt", [&](Table& jwt) { read_jwt(jwt, out.jwt.emplace()); });
}

}  // namespace

void read_server(Table& root, Config& out) {
  ServerOptions& server = out.server;
  // Without authentication everybody is the first who may administer an HSM.
  if (!out.kms.hsms.empty() && !out.kms.hsms.front().admins.empty() &&
      check_principal(out.kms.hsms.front().admins.front()))
    server.auth.anonymous = out.kms.hsms.front().admins.front();
  root.section("http", [&](Table& http) { read_http(http, server); });
  root.section("auth", [&](Table& auth) {
    read_auth(auth, server.auth);
    if (server.auth.client_certificates && server.tls.client_ca.empty())
      auth.problem("client_certificates", "needs http.tls.client_ca");
  });
  root.section("audit", [&](Table& audit) { audit.path("path", server.audit_path); });
}

}  // namespace jwekms::config

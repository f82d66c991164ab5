// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

#include "../core/fake_provider.hpp"
#include "../core/kms_support.hpp"
#include "../core/make_token.hpp"
#include "jwekms/jwekms.hpp"

/// Calls of the REST service. When JWEKMS_SERVICE_RECORD names a file, every exchange is written to
/// it, one JSON object a line, for check_openapi.py.
namespace service_test {

using namespace jwekms;
using support::b64;
using support::bytes;

inline constexpr std::string_view keys = "/v1/crypto/keys";

/// What came back, with the body as text.
struct Reply {
  int status = 0;
  std::string type, body, allow, operation, kid;
  std::optional<Errc> error;

  /// A member of the body: strings resolved, everything else as it stands; "" when it is not there.
  [[nodiscard]] std::string operator[](std::string_view name) const {
    const Result<json::Value> root = json::read(body, {.max_depth = 32});
    if (!root) return "no JSON: " + body;
    const std::optional<json::Value> value = root->find(name);
    if (!value) return "";
    if (value->kind() != json::Kind::string) return std::string(value->text());
    std::string text(value->as_string().resolved_size(), '\0');
    (void)value->as_string().copy_to(text);
    return text;
  }
  /// "200" or "400 bad_request": reads well in a failed check.
  [[nodiscard]] std::string outcome() const {
    const std::string code = (*this)["error"];
    return std::to_string(status) + (code.empty() ? "" : " " + code);
  }
};

inline void record(const ServiceRequest& request, const Reply& reply) {
  static const char* const path = std::getenv("JWEKMS_SERVICE_RECORD");
  if (path == nullptr) return;
  const auto field = [](std::string_view name, std::string_view text) {
    return "\"" + std::string(name) + "\":\"" + b64(bytes(text)) + "\"";
  };
  std::ofstream(path, std::ios::app)
      << "{" << field("method", request.method) << "," << field("target", request.target) << ","
      << field("body", request.body) << ",\"status\":" << reply.status << ","
      << field("type", reply.type) << "," << field("allow", reply.allow) << ","
      << field("answer", reply.body) << "}\n";
}

inline Reply call(const Kms& kms, std::string_view method, std::string_view target,
                  std::string_view body = {}) {
  // Of the exact size and on the heap, so that the sanitizer sees a read past the end.
  const std::unique_ptr<char[]> exact(new char[body.size()]);
  std::ranges::copy(body, exact.get());
  const ServiceRequest request{method, target, {exact.get(), body.size()}};
  const ServiceResponse response = handle(kms, request);
  Reply reply{.status = response.status,
              .type = std::string(response.content_type),
              .body = std::string(response.body.view()),
              .allow = response.allow,
              .operation = std::string(response.operation),
              .kid = response.kid,
              .error = response.error};
  record(request, reply);
  return reply;
}
inline Reply post(const Kms& kms, std::string_view target, std::string_view body) {
  return call(kms, "POST", target, body);
}
inline Reply get(const Kms& kms, std::string_view target) { return call(kms, "GET", target); }

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Puts values where `{{name}}` stands.
inline std::string fill(std::string text, const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values) {
    const std::string mark = "{{" + name + "}}";
    for (std::size_t at; (at = text.find(mark)) != text.npos;) text.replace(at, mark.size(), value);
  }
  return text;
}

/// The use case's database, under its default policy, with "rsa" (whose private key the tests hold
/// too) and "oct".
struct Api {
  support::Database database{Policy{}};
  const Kms& kms = database.kms;
  std::shared_ptr<const crypto::RsaKey> rsa = support::rsa_key();

  Api() {
    (void)support::import_rsa(kms, "rsa", *rsa);
    (void)support::create_oct(kms, "oct");
  }
};

/// A header as the use case writes it.
inline std::string header(std::string_view alg, std::string_view enc, std::string_view kid) {
  return R"({"alg":")" + std::string(alg) + R"(","enc":")" + std::string(enc) + R"(","kid":")" +
         std::string(kid) + R"("})";
}

/// A good token for "rsa".
inline support::TokenParts token(const Api& api, std::string_view plaintext,
                                 Alg alg = Alg::RSA_OAEP_256, Enc enc = Enc::A256GCM) {
  return support::seal_for(*api.rsa, header(row(alg).name, row(enc).name, "rsa"), alg,
                           bytes(plaintext), enc);
}

/// The use case's bodies, verbatim but for what stands in angle brackets there.
inline std::string decrypt_body(const support::TokenParts& t) {
  return "{\n\"protected\": \"" + t.protected_b64 + "\",\n\"encrypted_key\": \"" + t.encrypted_key +
         "\",\n\"iv\": \"" + t.iv + "\",\n\"ciphertext\": \"" + t.ciphertext + "\",\n\"tag\": \"" +
         t.tag + "\"\n}";
}
inline std::string dir_body(const support::TokenParts& t) {
  return "{\n\"protected\": \"" + t.protected_b64 + "\",\n\"iv\": \"" + t.iv +
         "\",\n\"ciphertext\": \"" + t.ciphertext + "\",\n\"tag\": \"" + t.tag + "\"\n}";
}
inline std::string unwrap_body(const support::TokenParts& t) {
  return "{\n\"protected\": \"" + t.protected_b64 + "\",\n\"encrypted_key\": \"" + t.encrypted_key +
         "\"\n}";
}
inline std::string encrypt_body(std::string_view kid, std::string_view alg, std::string_view enc,
                                std::string_view data) {
  return "{\n\"kid\": \"" + std::string(kid) + "\",\n\"alg\": \"" + std::string(alg) +
         "\",\n\"enc\": \"" + std::string(enc) + "\",\n\"data\": \"" + b64(bytes(data)) + "\"\n}";
}

}  // namespace service_test

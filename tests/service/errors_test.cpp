// SPDX-License-Identifier: Apache-2.0

// Every row of the error table, by the request that brings it about.

#include "support.hpp"

using namespace service_test;
using support::TokenParts;

namespace {

TokenParts with(TokenParts t, std::string TokenParts::*part, std::string text) {
  t.*part = std::move(text);
  return t;
}

TokenParts with_header(const TokenParts& t, std::string_view json) {
  return with(t, &TokenParts::protected_b64, b64(bytes(json)));
}

/// The outcome of both operations that take an encrypted_key.
void check_both(const Api& api, const TokenParts& t, const std::string& expected) {
  CHECK(post(api.kms, "/v1/crypto/decrypt", decrypt_body(t)).outcome() == expected);
  CHECK(post(api.kms, "/v1/crypto/keys/unwrap", unwrap_body(t)).outcome() == expected);
}

}  // namespace

TEST_CASE("400: what is not base64url") {
  const Api api;
  const TokenParts good = token(api, "value");
  for (const std::string_view foreign : {"=", "!", " ", "+", "é"}) {
    for (std::string TokenParts::*part : {&TokenParts::protected_b64, &TokenParts::encrypted_key})
      check_both(api, with(good, part, good.*part + std::string(foreign)), "400 bad_request");
    for (std::string TokenParts::*part :
         {&TokenParts::iv, &TokenParts::ciphertext, &TokenParts::tag}) {
      const TokenParts bad = with(good, part, good.*part + std::string(foreign));
      CHECK(post(api.kms, "/v1/crypto/decrypt", decrypt_body(bad)).outcome() == "400 bad_request");
    }
  }
}

TEST_CASE("400: a header without kid, alg or enc") {
  const Api api;
  const TokenParts good = token(api, "value");
  for (const std::string_view json :
       {R"({"enc":"A256GCM","kid":"rsa"})", R"({"alg":"RSA-OAEP-256","kid":"rsa"})",
        R"({"alg":"RSA-OAEP-256","enc":"A256GCM"})", R"({"alg":1,"enc":"A256GCM","kid":"rsa"})",
        R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":""})", "[]", "", "{",
        R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rsa","kid":"rsa"})",
        R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rsa","crit":["b64"]})"})
    check_both(api, with_header(good, json), "400 bad_request");
}

TEST_CASE("400: an encrypted_key that is empty, missing or out of place") {
  const Api api;
  const TokenParts good = token(api, "value");
  check_both(api, with(good, &TokenParts::encrypted_key, ""), "400 bad_request");
  CHECK(post(api.kms, "/v1/crypto/decrypt", dir_body(good)).outcome() == "400 bad_request");
  CHECK(post(api.kms, "/v1/crypto/keys/unwrap", R"({"protected":")" + good.protected_b64 + "\"}")
            .outcome() == "400 bad_request");
  const TokenParts direct = with_header(good, header("dir", "A256GCM", "oct"));
  CHECK(post(api.kms, "/v1/crypto/decrypt", decrypt_body(direct)).outcome() == "400 bad_request");
}

TEST_CASE("400: an IV or a tag of another length") {
  const Api api;
  const TokenParts good = token(api, "value");
  for (const std::size_t size : {0U, 11U, 13U, 16U}) {
    const TokenParts bad = with(good, &TokenParts::iv, b64(support::pattern(size)));
    CHECK(post(api.kms, "/v1/crypto/decrypt", decrypt_body(bad)).outcome() == "400 bad_request");
  }
  for (std::size_t size = 0; size < 18; ++size) {
    const TokenParts bad = with(good, &TokenParts::tag, b64(support::pattern(size)));
    CHECK(post(api.kms, "/v1/crypto/decrypt", decrypt_body(bad)).outcome() ==
          (size == 16 ? "422 decryption_failed" : "400 bad_request"));
  }
}

TEST_CASE("403: a key whose state does not allow it") {
  const Api api;
  (void)api.kms.set_key_state("rsa", KeyState::deactivated).value();
  CHECK(post(api.kms, "/v1/crypto/encrypt", encrypt_body("rsa", "RSA-OAEP", "A256GCM", "v"))
            .outcome() == "403 forbidden");
  CHECK(post(api.kms, "/v1/crypto/decrypt", decrypt_body(token(api, "v"))).outcome() == "200");
  (void)api.kms.set_key_state("rsa", KeyState::compromised).value();
  check_both(api, token(api, "v"), "403 forbidden");
  std::string body = token(api, "v").flattened();
  body.insert(1, R"("kid":"oct","alg":"dir","enc":"A256GCM",)");
  CHECK(post(api.kms, "/v1/crypto/reencrypt", body).outcome() == "403 forbidden");
}

TEST_CASE("404: no such key") {
  const Api api;
  const TokenParts t =
      with_header(token(api, "v"), header("RSA-OAEP-256", "A256GCM", "somebody-else"));
  check_both(api, t, "404 not_found");
  check_both(api, with_header(t, header("RSA-OAEP-256", "A256GCM", "hsm::softhsm2::0::rsa")),
             "404 not_found");
  CHECK(
      post(api.kms, "/v1/crypto/encrypt", encrypt_body("none", "dir", "A256GCM", "v")).outcome() ==
      "404 not_found");
  std::string body = t.flattened();
  body.insert(1, R"("kid":"oct","alg":"dir","enc":"A256GCM",)");
  CHECK(post(api.kms, "/v1/crypto/reencrypt", body).outcome() == "404 not_found");
  for (const std::string_view method : {"GET", "DELETE"})
    CHECK(call(api.kms, method, "/v1/crypto/keys/none").outcome() == "404 not_found");
  CHECK(call(api.kms, "PATCH", "/v1/crypto/keys/none", "{}").outcome() == "404 not_found");
  CHECK(get(api.kms, "/v1/crypto/keys?prefix=hsm::softhsm2::").outcome() == "404 not_found");
}

TEST_CASE("413: above the configured size") {
  const support::Database database(
      support::policy_with([](Policy& p) { p.limits.max_token_bytes = 100; }));
  const std::string body = R"({"protected":")" + std::string(100, 'A') + R"("})";
  for (const std::string_view path :
       {"/v1/crypto/decrypt", "/v1/crypto/encrypt", "/v1/crypto/reencrypt",
        "/v1/crypto/keys/unwrap", "/v1/crypto/keys"})
    CHECK(post(database.kms, path, body).outcome() == "413 too_large");
  CHECK(call(database.kms, "PATCH", "/v1/crypto/keys/x", body).outcome() == "413 too_large");
  CHECK(post(database.kms, "/kmip/2_1", body).status == 413);
}

TEST_CASE("422: an algorithm that is unknown, off, or not for this operation") {
  const Api api;
  const TokenParts good = token(api, "value");
  for (const std::string_view alg : {"A128KW", "RSA1_5", "ECDH-ES", "PBES2-HS256+A128KW",
                                     "RSA-OAEP-512", "rsa-oaep", "none", ""})
    check_both(api, with_header(good, header(alg, "A256GCM", "rsa")), "422 unsupported_algorithm");
  for (const std::string_view enc : {"A128CBC-HS256", "a256gcm", ""})
    check_both(api, with_header(good, header("RSA-OAEP-256", enc, "rsa")),
               "422 unsupported_algorithm");
  check_both(api,
             with_header(good, R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa","zip":"DEF"})"),
             "422 unsupported_algorithm");
  for (const std::string_view kid : {"rsa", "oct"})
    CHECK(post(api.kms, "/v1/crypto/keys/unwrap",
               unwrap_body(with_header(good, header("dir", "A256GCM", kid))))
              .outcome() == "422 unsupported_algorithm");

  for (const std::string_view alg : {"A128KW", "RSA1_5", "RSA-OAEP-512", "none", ""}) {
    CHECK(post(api.kms, "/v1/crypto/encrypt", encrypt_body("rsa", alg, "A256GCM", "v")).outcome() ==
          "422 unsupported_algorithm");
    std::string body = good.flattened();
    body.insert(1, R"("kid":"oct","enc":"A256GCM","alg":")" + std::string(alg) + "\",");
    CHECK(post(api.kms, "/v1/crypto/reencrypt", body).outcome() == "422 unsupported_algorithm");
  }
  CHECK(post(api.kms, "/v1/crypto/encrypt", encrypt_body("rsa", "RSA-OAEP", "A512GCM", "v"))
            .outcome() == "422 unsupported_algorithm");
}

TEST_CASE("422: decryption_failed tells nothing of why") {
  const Api api;
  const TokenParts good = token(api, "value");
  const Reply expected =
      post(api.kms, "/v1/crypto/decrypt",
           decrypt_body(with(good, &TokenParts::tag, support::with_other_letter(good.tag, 3))));
  CHECK(expected.outcome() == "422 decryption_failed");
  const support::Bytes cek = support::pattern(32, 77);
  for (const TokenParts& bad :
       {with(good, &TokenParts::ciphertext, support::with_other_letter(good.ciphertext, 0)),
        with(good, &TokenParts::iv, support::with_other_letter(good.iv, 0)),
        with(good, &TokenParts::encrypted_key, support::with_other_letter(good.encrypted_key, 9)),
        with(good, &TokenParts::encrypted_key, b64(support::pattern(100))),
        with(good, &TokenParts::encrypted_key, support::wrap_b64(*api.rsa, Alg::RSA_OAEP, cek)),
        with(good, &TokenParts::encrypted_key,
             support::wrap_b64(*support::other_rsa_key(), Alg::RSA_OAEP_256, cek)),
        with(good, &TokenParts::encrypted_key,
             support::wrap_b64(*api.rsa, Alg::RSA_OAEP_256, support::pattern(16)))})
    CHECK(post(api.kms, "/v1/crypto/decrypt", decrypt_body(bad)).body == expected.body);

  const TokenParts corrupt =
      with(good, &TokenParts::encrypted_key, support::with_other_letter(good.encrypted_key, 9));
  CHECK(post(api.kms, "/v1/crypto/keys/unwrap", unwrap_body(corrupt)).outcome() ==
        "422 decryption_failed");
  std::string body = corrupt.flattened();
  body.insert(1, R"("kid":"oct","alg":"dir","enc":"A256GCM",)");
  CHECK(post(api.kms, "/v1/crypto/reencrypt", body).outcome() == "422 decryption_failed");
}

TEST_CASE("422: crypto_failure for a CEK of another size, and for the wrong kind of key") {
  const Api api;
  TokenParts t = token(api, "value");
  t.encrypted_key = support::wrap_b64(*api.rsa, Alg::RSA_OAEP_256, support::pattern(16));
  CHECK(post(api.kms, "/v1/crypto/keys/unwrap", unwrap_body(t)).outcome() == "422 crypto_failure");
  const TokenParts wrong_kind = with_header(t, header("RSA-OAEP-256", "A256GCM", "oct"));
  check_both(api, wrong_kind, "422 crypto_failure");
  CHECK(post(api.kms, "/v1/crypto/encrypt", encrypt_body("rsa", "dir", "A256GCM", "v")).outcome() ==
        "422 crypto_failure");
  const TokenParts direct = with_header(t, header("dir", "A256GCM", "rsa"));
  CHECK(post(api.kms, "/v1/crypto/decrypt", dir_body(direct)).outcome() == "422 crypto_failure");
}

TEST_CASE("503 and 500: an outage and a damaged record are what they are, everywhere") {
  for (const auto& [code, expected] : {std::pair{Errc::unavailable, "503 unavailable"},
                                       {Errc::internal_error, "500 internal_error"}}) {
    auto provider = std::make_shared<support::FakeProvider>();
    provider->add_rsa("rsa", support::rsa_key());
    provider->faults().resolve = Error{code, 0, "as ordered"};
    const Kms kms = support::kms_over(provider, Policy{});
    TokenParts t;
    t.protected_b64 = b64(bytes(header("RSA-OAEP-256", "A256GCM", "rsa")));
    t.encrypted_key = b64(support::pattern(256));
    t.iv = b64(support::pattern(12));
    t.tag = b64(support::pattern(16));
    CHECK(post(kms, "/v1/crypto/decrypt", decrypt_body(t)).outcome() == expected);
    CHECK(post(kms, "/v1/crypto/keys/unwrap", unwrap_body(t)).outcome() == expected);
    CHECK(post(kms, "/v1/crypto/encrypt", encrypt_body("rsa", "RSA-OAEP", "A256GCM", "v"))
              .outcome() == expected);
    std::string body = t.flattened();
    body.insert(1, R"("kid":"rsa","alg":"RSA-OAEP","enc":"A256GCM",)");
    CHECK(post(kms, "/v1/crypto/reencrypt", body).outcome() == expected);
    CHECK(get(kms, "/v1/crypto/keys/rsa").outcome() == expected);
    CHECK(call(kms, "PATCH", "/v1/crypto/keys/rsa", "{}").outcome() == expected);
  }
}

namespace {

/// Out of reach for everything but a look-up.
class DeadProvider final : public KeyProvider {
 public:
  explicit DeadProvider(Errc code) : fault_{code, 0, "as ordered"} {}
  Result<std::shared_ptr<const Key>> resolve(std::string_view) const override { return fault_; }
  Result<KeyInfo> create(const CreateKey&) override { return fault_; }
  Result<KeyInfo> import(const ImportKey&) override { return fault_; }
  Result<KeyPage> list(const ListKeys&) const override { return fault_; }
  Result<KeyInfo> set_state(std::string_view, KeyState) override { return fault_; }

 private:
  Error fault_;
};

}  // namespace

TEST_CASE("503, 500 and 403: of the operations on keys") {
  for (const auto& [code, expected] : {std::pair{Errc::unavailable, "503 unavailable"},
                                       {Errc::internal_error, "500 internal_error"},
                                       {Errc::forbidden, "403 forbidden"}}) {
    std::vector<std::shared_ptr<KeyProvider>> providers{std::make_shared<DeadProvider>(code)};
    const Kms kms(support::library(), std::move(providers), Policy{});
    CHECK(post(kms, keys, R"({"kty":"RSA"})").outcome() == expected);
    CHECK(post(kms, keys, R"({"jwk":{}})").outcome() == expected);
    CHECK(get(kms, keys).outcome() == expected);
    CHECK(get(kms, "/.well-known/jwks.json").outcome() == expected);
    CHECK(get(kms, "/v1/crypto/keys/x").outcome() == expected);
    CHECK(call(kms, "PATCH", "/v1/crypto/keys/x", "{}").outcome() == expected);
    CHECK(call(kms, "DELETE", "/v1/crypto/keys/x").outcome() == expected);
  }
}

TEST_CASE("404 and 405: paths and methods") {
  const Api api;
  for (const std::string_view path :
       {"", "/", "v1/crypto/decrypt", "/v1/crypto/decrypt/", "/v1/crypto", "/V1/crypto/decrypt",
        "/v1/crypto/keys/", "/v1/crypto/keys/a/b", "/v1/crypto/keys//", "/v1/crypto/keysx",
        "//v1/crypto/decrypt", "/v1/crypto/%64ecrypt", "/kmip/1_0"}) {
    const Reply reply = call(api.kms, "POST", path, "{}");
    CHECK(reply.outcome() == "404 not_found");
    CHECK(reply.operation.empty());
    CHECK(reply.allow.empty());
  }
  const auto allow = [&](std::string_view method, std::string_view path) {
    const Reply reply = call(api.kms, method, path);
    CHECK(reply.outcome() == "405 method_not_allowed");
    return reply.allow;
  };
  CHECK(allow("GET", "/v1/crypto/decrypt") == "POST");
  CHECK(allow("post", "/v1/crypto/encrypt") == "POST");
  CHECK(allow("PUT", "/v1/crypto/keys") == "POST, GET");
  CHECK(allow("POST", "/v1/crypto/keys/x") == "GET, PATCH, DELETE");
  CHECK(allow("PUT", "/v1/crypto/keys/unwrap") == "POST, GET, PATCH, DELETE");
  CHECK(allow("POST", "/.well-known/jwks.json") == "GET");
  CHECK(allow("", "/kmip/2_1") == "POST");
}

TEST_CASE("400: a query or a body where none belongs") {
  const Api api;
  CHECK(post(api.kms, "/v1/crypto/decrypt?x=1", decrypt_body(token(api, ""))).outcome() ==
        "400 bad_request");
  CHECK(get(api.kms, "/v1/crypto/keys/rsa?x").outcome() == "400 bad_request");
  CHECK(get(api.kms, "/v1/crypto/keys/rsa?").outcome() == "200");
  for (const std::string_view target :
       {"/v1/crypto/keys", "/v1/crypto/keys/rsa", "/.well-known/jwks.json"})
    CHECK(call(api.kms, "GET", target, "{}").outcome() == "400 bad_request");
  CHECK(call(api.kms, "DELETE", "/v1/crypto/keys/rsa", "{}").outcome() == "400 bad_request");
  CHECK(get(api.kms, "/v1/crypto/keys/rsa").outcome() == "200");
}

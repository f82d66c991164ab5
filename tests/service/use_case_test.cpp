// SPDX-License-Identifier: Apache-2.0

// The use case's requests as it writes them, and tokens that another library made.

#include "support.hpp"

using namespace service_test;

TEST_CASE("a token is decrypted in one request") {
  const Api api;
  const Reply reply = post(api.kms, "/v1/crypto/decrypt", decrypt_body(token(api, "value")));
  CHECK(reply.status == 200);
  CHECK(reply.type == "application/json");
  CHECK(reply.body == R"({"kid":"rsa","data":")" + b64(bytes("value")) + R"("})");
  CHECK(reply.operation == "decrypt");
  CHECK(reply.kid == "rsa");
  CHECK_FALSE(reply.error);
}

TEST_CASE("a value is encrypted, and the answer is a token as decrypt takes it") {
  const Api api;
  for (const std::string_view alg : {"RSA-OAEP", "RSA-OAEP-256"})
    for (const std::string_view enc : {"A128GCM", "A192GCM", "A256GCM"}) {
      const Reply made = post(api.kms, "/v1/crypto/encrypt", encrypt_body("rsa", alg, enc, "v"));
      REQUIRE(made.outcome() == "200");
      CHECK(support::text(support::from_b64(made["protected"])) == header(alg, enc, "rsa"));
      CHECK_FALSE(made["encrypted_key"].empty());
      CHECK(made["aad"].empty());
      CHECK(post(api.kms, "/v1/crypto/decrypt", made.body)["data"] == b64(bytes("v")));
    }
}

TEST_CASE("an aad is bound to its token") {
  const Api api;
  const std::string aad = b64(bytes("context"));
  const std::string body =
      R"({"kid":"rsa","alg":"RSA-OAEP-256","enc":"A256GCM","data":"","aad":")" + aad + R"("})";
  const Reply made = post(api.kms, "/v1/crypto/encrypt", body);
  REQUIRE(made.outcome() == "200");
  CHECK(made["aad"] == aad);
  CHECK(post(api.kms, "/v1/crypto/decrypt", made.body).outcome() == "200");
  std::string other = made.body;
  other.replace(other.find(aad), aad.size(), b64(bytes("Context")));
  CHECK(post(api.kms, "/v1/crypto/decrypt", other).outcome() == "422 decryption_failed");
}

TEST_CASE("encrypted_key is there and empty for dir") {
  const Api api;
  const Reply made =
      post(api.kms, "/v1/crypto/encrypt", encrypt_body("oct", "dir", "A256GCM", "v"));
  REQUIRE(made.outcome() == "200");
  CHECK(made.body.find(R"("encrypted_key":"",)") != std::string::npos);
  CHECK(post(api.kms, "/v1/crypto/decrypt", made.body)["data"] == b64(bytes("v")));
  CHECK(post(api.kms, "/v1/crypto/encrypt", encrypt_body("oct", "dir", "A128GCM", "v")).outcome() ==
        "422 crypto_failure");
}

TEST_CASE("a CEK is unwrapped once and used from then on") {
  const Api api;
  const support::Bytes cek = support::pattern(32, 77);  // what token() wraps
  const Reply kept = post(api.kms, "/v1/crypto/keys/unwrap", unwrap_body(token(api, "first")));
  REQUIRE(kept.status == 200);
  const std::string kid = kept["kid"];
  CHECK(kept.body ==
        R"({"kid":")" + kid + R"(","kty":"oct","alg":"A256GCM","key_ops":["encrypt","decrypt"]})");
  const support::TokenParts next =
      support::seal_token(header("dir", "A256GCM", kid), cek, bytes("second"));
  const Reply reply = post(api.kms, "/v1/crypto/decrypt", dir_body(next));
  CHECK(reply.body == R"({"kid":")" + kid + R"(","data":")" + b64(bytes("second")) + R"("})");
  const Reply info = get(api.kms, std::string(keys) + "/" + kid);
  CHECK(info["parent"] == "rsa");
  CHECK(info.body.find(b64(cek)) == std::string::npos);
}

TEST_CASE("an unwrapped key gets the name and the aliases it is given") {
  const Api api;
  std::string body = unwrap_body(token(api, ""));
  body.insert(1, R"("kid":"mine","aliases":["issuer-1","issuer-2"],"store_in_hsm":false,)");
  CHECK(post(api.kms, "/v1/crypto/keys/unwrap", body)["kid"] == "mine");
  CHECK(get(api.kms, "/v1/crypto/keys/issuer-2")["kid"] == "mine");
  CHECK(post(api.kms, "/v1/crypto/keys/unwrap", body).outcome() == "409 conflict");
}

TEST_CASE("the public half's kid is that of the private key") {
  const Api api;
  const Reply jwks = get(api.kms, "/.well-known/jwks.json");
  CHECK(jwks.status == 200);
  CHECK(jwks.type == "application/jwk-set+json");
  CHECK(jwks.body.find(R"("kid":"rsa")") != std::string::npos);
  CHECK(jwks.body.find(R"("d":)") == std::string::npos);
}

TEST_CASE("a token is re-encrypted for another key, and its aad goes with it") {
  const Api api;
  (void)support::create_rsa(api.kms, "next");
  for (const bool with_aad : {false, true}) {
    support::TokenParts t = token(api, "kept");
    if (with_aad) {
      t = support::seal_token(header("RSA-OAEP-256", "A256GCM", "rsa"), support::pattern(32, 77),
                              bytes("kept"), Enc::A256GCM, "context");
      t.encrypted_key = support::wrap_b64(*api.rsa, Alg::RSA_OAEP_256, support::pattern(32, 77));
    }
    std::string body = t.flattened();
    body.insert(1, R"("kid":"next","alg":"RSA-OAEP","enc":"A128GCM",)");
    const Reply made = post(api.kms, "/v1/crypto/reencrypt", body);
    REQUIRE(made.outcome() == "200");
    CHECK(support::text(support::from_b64(made["protected"])) ==
          header("RSA-OAEP", "A128GCM", "next"));
    CHECK(made["aad"] == t.aad.value_or(""));
    const Reply opened = post(api.kms, "/v1/crypto/decrypt", made.body);
    CHECK(opened["kid"] == "next");
    CHECK(opened["data"] == b64(bytes("kept")));
  }
}

namespace {

std::string text_of(const json::Value& object, std::string_view name) {
  const std::optional<json::Value> value = object.find(name);
  if (!value || value->kind() != json::Kind::string) return {};
  std::string text(value->as_string().resolved_size(), '\0');
  (void)value->as_string().copy_to(text);
  return text;
}

/// A case's token as decrypt's body; empty when it has members that the API does not take.
std::string as_body(const json::Value& one) {
  const std::string jwe = text_of(one, "jwe");
  const JweView view = parse_jwe(jwe, Limits{}).value();
  if (view.recipients || view.unprotected || view.recipient.header) return {};
  std::string body = R"({"protected":")" + std::string(view.protected_b64) +
                     R"(","encrypted_key":")" + std::string(view.recipient.encrypted_key_b64) +
                     R"(","iv":")" + std::string(view.iv_b64) + R"(","ciphertext":")" +
                     std::string(view.ciphertext_b64) + R"(","tag":")" + std::string(view.tag_b64) +
                     "\"";
  if (view.aad_b64) body += R"(,"aad":")" + std::string(*view.aad_b64) + "\"";
  return body + "}";
}

}  // namespace

TEST_CASE("keys and tokens of another library come through the API") {
  const std::string text = read_file(JWEKMS_TEST_DATA "/vectors/jwcrypto.json");
  const json::Value root = json::read(text).value();
  const support::Database database{Policy{}};
  for (const json::Value& jwk : root.find("keys")->elements()) {
    const bool known = text_of(jwk, "kty") != "EC";
    const Reply reply = post(database.kms, keys, R"({"jwk":)" + std::string(jwk.text()) + "}");
    CHECK(reply.outcome() == (known ? "201" : "422 unsupported_algorithm"));
    if (known) CHECK(reply["kid"] == text_of(jwk, "kid"));
  }
  int opened = 0, refused = 0;
  for (const json::Value& one : root.find("cases")->elements()) {
    const std::string body = as_body(one);
    if (body.empty()) continue;
    INFO(text_of(one, "id"));
    const Reply reply = post(database.kms, "/v1/crypto/decrypt", body);
    if (one.find("expect_core")) {
      CHECK(reply["error"] == text_of(one, "expect_core"));
      ++refused;
      continue;
    }
    REQUIRE(reply.outcome() == "200");
    CHECK(reply["kid"] == text_of(one, "kid"));
    CHECK(reply["data"] == text_of(one, "plaintext_b64u"));
    ++opened;
  }
  CHECK(opened > 40);
  CHECK(refused > 8);
}

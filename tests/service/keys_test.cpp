// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

using namespace service_test;

TEST_CASE("RSA keys are made") {
  const support::Database database{Policy{}};
  const Reply made =
      post(database.kms, keys,
           R"({"kty":"RSA","bits":3072,"alg":"RSA-OAEP-256","kid":"k","aliases":["a"]})");
  REQUIRE(made.outcome() == "201");
  CHECK(made["kid"] == "k");
  CHECK(made["kty"] == "RSA");
  CHECK(made["bits"] == "3072");
  CHECK(made["algs"] == R"(["RSA-OAEP-256"])");
  CHECK(made["key_ops"] == R"(["encrypt","decrypt"])");
  CHECK(made["state"] == "active");
  CHECK(made["aliases"] == R"(["a"])");
  CHECK(made["version"] == "1");
  CHECK(made["enc"].empty());
  CHECK(made.kid == "k");
  CHECK(post(database.kms, keys, R"({"kty":"RSA","kid":"k"})").outcome() == "409 conflict");
  CHECK(post(database.kms, keys, R"({"kty":"RSA"})")["bits"] == "2048");
}

TEST_CASE("symmetric keys are made by bits, alg or enc") {
  const support::Database database{Policy{}};
  const auto enc = [&](std::string_view members) {
    const Reply reply = post(database.kms, keys, R"({"kty":"oct")" + std::string(members) + "}");
    return reply.status == 201 ? reply["enc"] + " " + reply["bits"] : reply.outcome();
  };
  CHECK(enc("") == "A256GCM 256");
  CHECK(enc(R"(,"bits":128)") == "A128GCM 128");
  CHECK(enc(R"(,"enc":"A192GCM")") == "A192GCM 192");
  CHECK(enc(R"(,"alg":"A128GCM")") == "A128GCM 128");
  CHECK(enc(R"(,"alg":"dir","enc":"A128GCM")") == "A128GCM 128");
  CHECK(enc(R"(,"alg":"A128GCM","enc":"A128GCM")") == "A128GCM 128");
  CHECK(enc(R"(,"alg":"A128GCM","enc":"A256GCM")") == "400 bad_request");
  CHECK(enc(R"(,"bits":128,"enc":"A256GCM")") == "400 bad_request");
  CHECK(enc(R"(,"bits":100)") == "400 bad_request");
  CHECK(enc(R"(,"alg":"RSA-OAEP")") == "400 bad_request");
  CHECK(enc(R"(,"alg":"A128XTS")") == "422 unsupported_algorithm");
  CHECK(enc(R"(,"enc":"A128XTS")") == "422 unsupported_algorithm");
}

TEST_CASE("requests for keys are held to their shape") {
  const support::Database database{Policy{}};
  const auto outcome = [&](std::string_view body) {
    return post(database.kms, keys, body).outcome();
  };
  for (const std::string_view body :
       {"{}",
        R"({"kty":"RSA","jwk":{"kty":"oct","k":"AA"}})",
        R"({"bits":2048,"jwk":{}})",
        R"({"kty":"RSA","bits":1024})",
        R"({"kty":"RSA","bits":"2048"})",
        R"({"kty":"RSA","bits":2048.0})",
        R"({"kty":"RSA","bits":-1})",
        R"({"kty":"RSA","kid":""})",
        R"({"kty":"RSA","kid":7})",
        R"({"kty":"RSA","aliases":"a"})",
        R"({"kty":"RSA","aliases":[1]})",
        R"({"kty":"RSA","owner":"me"})",
        R"({"kty":"RSA","kid":"k","store_in_hsm":true})",
        R"({"kty":"RSA","kid":"hsm::softhsm2::0::k","store_in_hsm":false})",
        R"({"kty":"RSA","kid":"hsm::nonsense"})",
        R"({"kty":"RSA","kid":"hsm::softhsm2::0::k"})",
        R"({"kty":"RSA","store_in_hsm":1})",
        R"({"jwk":"text"})",
        R"({"jwk":{"kty":"oct"}})",
        R"({"kty":"RSA","enc":"A256GCM"})"})
    CHECK(outcome(body) == "400 bad_request");
  CHECK(outcome(R"({"kty":"EC"})") == "422 unsupported_algorithm");
  CHECK(outcome(R"({"kty":"RSA","alg":"RSA1_5"})") == "400 bad_request");
  CHECK(outcome(R"({"jwk":{"kty":"oct","k":"AAAA"}})") == "422 crypto_failure");
  CHECK(outcome(R"({"kty":"RSA","kid":")" + std::string(257, 'k') + R"("})") == "400 bad_request");
}

TEST_CASE("a JWK is imported under its own kid or a given one") {
  const support::Database database{Policy{}};
  const std::string jwk =
      R"({"kty":"oct","kid":"own","alg":"A128GCM","k":")" + b64(support::pattern(16)) + R"("})";
  CHECK(post(database.kms, keys, R"({"jwk":)" + jwk + "}")["kid"] == "own");
  const Reply named =
      post(database.kms, keys, R"({"kid":"given","aliases":["b","a"],"jwk":)" + jwk + "}");
  CHECK(named["kid"] == "given");
  CHECK(named["enc"] == "A128GCM");
  CHECK(named["aliases"] == R"(["a","b"])");
  CHECK(named.body.find(b64(support::pattern(16))) == std::string::npos);
}

TEST_CASE("a key is described with its public half and nothing else") {
  const Api api;
  const Reply rsa = get(api.kms, "/v1/crypto/keys/rsa");
  REQUIRE(rsa.outcome() == "200");
  const std::string text = rsa["public_jwk"];
  const Result<json::Value> jwk = json::read(text);
  REQUIRE(jwk);
  CHECK(jwk->find("kid")->as_string().equals("rsa"));
  for (const std::string_view name : {"d", "p", "q", "dp", "dq", "qi", "k"})
    CHECK_FALSE(jwk->find(name));
  CHECK(get(api.kms, "/v1/crypto/keys/oct")["public_jwk"].empty());
}

TEST_CASE("kids are percent-decoded, strictly") {
  const Api api;
  for (const std::string kid : {"a/b", "a b", "a+b", "%41", "ключ", "?#&=", "..", "unwrap"}) {
    (void)support::create_oct(api.kms, kid);
    std::string path = "/v1/crypto/keys/";
    for (const unsigned char c : kid) {
      constexpr std::string_view digits = "0123456789aBcDeF";
      path += std::string("%") + digits[c >> 4] + digits[c & 15];
    }
    const Reply reply = get(api.kms, path);
    CHECK(reply["kid"] == kid);
    CHECK(reply.kid == kid);
  }
  CHECK(get(api.kms, "/v1/crypto/keys/a+b")["kid"] == "a+b");
  CHECK(get(api.kms, "/v1/crypto/keys/unwrap")["kid"] == "unwrap");
  for (const std::string_view bad : {"%", "%4", "%4g", "%+1", "%-1", "%0x", "a%00b", "%00"})
    CHECK(get(api.kms, "/v1/crypto/keys/" + std::string(bad)).outcome() == "400 bad_request");
  CHECK(get(api.kms, "/v1/crypto/keys/" + std::string(257, 'a')).outcome() == "400 bad_request");
}

TEST_CASE("a UID that is no UTF-8 can be used, and is shown with its foreign bytes replaced") {
  const Api api;
  (void)support::create_oct(api.kms, "a\xFF\xC3");
  const Reply reply = get(api.kms, "/v1/crypto/keys/a%FF%C3");
  CHECK(reply["kid"] == "a\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(get(api.kms, keys).status == 200);
}

TEST_CASE("keys are listed by pages") {
  const support::Database database{Policy{}};
  for (int i = 0; i < 7; ++i) (void)support::create_oct(database.kms, "k " + std::to_string(i));
  const Reply all = get(database.kms, keys);
  CHECK(all["more"] == "false");
  std::string after;
  int pages = 0, seen = 0;
  for (bool more = true; more; ++pages) {
    const Reply page = get(database.kms, std::string(keys) + "?limit=3" + after);
    REQUIRE(page.outcome() == "200");
    const std::string list = page["keys"];
    const json::Value array = json::read(list).value();
    for (const json::Value& key : array.elements()) {
      const std::string kid(*key.find("kid")->as_string().plain());
      CHECK(kid == "k " + std::to_string(seen++));
      after = "&after=" + kid;
    }
    std::ranges::replace(after, ' ', '+');  // as programs write it
    more = page["more"] == "true";
  }
  CHECK(seen == 7);
  CHECK(pages == 3);
  CHECK(get(database.kms, std::string(keys) + "?after=k%205&prefix=")["keys"].find("k 6") !=
        std::string::npos);
  for (const std::string_view query :
       {"limit=0", "limit=1001", "limit=", "limit=-1", "limit=+1", "limit=1x", "limit=1&limit=1",
        "limit=99999999999999999999999", "unknown=1", "Limit=1", "after=%", "=", "limit",
        "after=%00%zz"})
    CHECK(get(database.kms, std::string(keys) + "?" + std::string(query)).outcome() ==
          "400 bad_request");
}

TEST_CASE("aliases and the state are changed") {
  const Api api;
  const auto patch = [&](std::string_view kid, std::string_view body) {
    return call(api.kms, "PATCH", "/v1/crypto/keys/" + std::string(kid), body);
  };
  CHECK(patch("rsa", R"({"aliases":{"add":["x","y"]}})")["aliases"] == R"(["x","y"])");
  CHECK(patch("rsa", R"({"aliases":{"add":["z"],"remove":["x","y"]}})")["aliases"] == R"(["z"])");
  CHECK(get(api.kms, "/v1/crypto/keys/z")["kid"] == "rsa");
  CHECK(patch("rsa", R"({"aliases":{"add":["oct"]}})").outcome() == "409 conflict");
  CHECK(patch("rsa", R"({"aliases":{"remove":["x"]}})").outcome() == "404 not_found");
  // Another key's alias cannot be taken away through this one.
  CHECK(patch("oct", R"({"aliases":{"remove":["z"]}})").outcome() == "404 not_found");
  CHECK(patch("z", "{}").outcome() == "400 bad_request");
  CHECK(patch("rsa", "{}").outcome() == "200");
  CHECK(patch("rsa", R"({"state":"deactivated"})")["state"] == "deactivated");
  CHECK(patch("rsa", R"({"state":"active"})").outcome() == "400 bad_request");
  CHECK(patch("rsa", R"({"state":"compromised","aliases":{"remove":["z"]}})")["aliases"] == "[]");
  CHECK(get(api.kms, "/v1/crypto/keys/rsa")["state"] == "compromised");
  for (const std::string_view body :
       {R"({"state":"destroyed"})", R"({"state":"Active"})", R"({"state":1})",
        R"({"aliases":["a"]})", R"({"aliases":{"put":["a"]}})", R"({"aliases":{"add":"a"}})",
        R"({"aliases":{"add":[1]}})", R"({"kid":"new"})", "[]", "", "null"})
    CHECK(patch("rsa", body).outcome() == "400 bad_request");
}

TEST_CASE("a destroyed key is gone") {
  const Api api;
  const Reply gone = call(api.kms, "DELETE", "/v1/crypto/keys/rsa");
  CHECK(gone.outcome() == "200");
  CHECK(gone["state"] == "destroyed");
  // Who lost the answer may ask again.
  CHECK(call(api.kms, "DELETE", "/v1/crypto/keys/rsa")["state"] == "destroyed");
  CHECK(get(api.kms, "/v1/crypto/keys/rsa").outcome() == "404 not_found");
  CHECK(post(api.kms, "/v1/crypto/decrypt", decrypt_body(token(api, "v"))).outcome() ==
        "404 not_found");
  CHECK(get(api.kms, keys)["keys"].find("\"rsa\"") == std::string::npos);
  CHECK(post(api.kms, keys, R"({"kty":"RSA","kid":"rsa"})").outcome() == "409 conflict");
}

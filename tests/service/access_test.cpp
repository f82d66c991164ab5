// SPDX-License-Identifier: Apache-2.0

// The service asks nobody who calls: the Kms that it is given does.

#include "support.hpp"

using namespace service_test;

TEST_CASE("a request may do what the Kms's principal may") {
  const support::Database database{Policy{}};
  const Kms alice = database.kms.on_behalf_of("alice").value();
  const Kms bob = database.kms.on_behalf_of("bob").value();
  CHECK(post(alice, keys, R"({"kty":"RSA","kid":"hers"})")["owner"] == "alice");
  CHECK(post(alice, keys, R"({"kty":"oct","kid":"o"})").outcome() == "201");
  CHECK(post(bob, keys, R"({"kty":"oct","kid":"his","bits":256})").outcome() == "201");
  const Reply made =
      post(alice, "/v1/crypto/encrypt", encrypt_body("hers", "RSA-OAEP", "A256GCM", "v"));
  REQUIRE(made.outcome() == "200");
  CHECK(post(alice, "/v1/crypto/decrypt", made.body).outcome() == "200");

  const std::string forbidden = "403 forbidden";
  CHECK(post(bob, "/v1/crypto/decrypt", made.body).outcome() == forbidden);
  CHECK(post(bob, "/v1/crypto/encrypt", encrypt_body("o", "dir", "A256GCM", "v")).outcome() ==
        forbidden);
  std::string reencrypt = made.body;
  reencrypt.insert(1, R"("kid":"his","alg":"dir","enc":"A256GCM",)");
  CHECK(post(bob, "/v1/crypto/reencrypt", reencrypt).outcome() == forbidden);
  CHECK(post(bob, "/v1/crypto/keys/unwrap",
             R"({"protected":")" + made["protected"] + R"(","encrypted_key":")" +
                 made["encrypted_key"] + "\"}")
            .outcome() == forbidden);
  CHECK(get(bob, "/v1/crypto/keys/hers").outcome() == forbidden);
  CHECK(call(bob, "PATCH", "/v1/crypto/keys/hers", R"({"state":"deactivated"})").outcome() ==
        forbidden);
  CHECK(call(bob, "DELETE", "/v1/crypto/keys/hers").outcome() == forbidden);
  const Reply list = get(bob, keys);
  CHECK(list.body.find("\"his\"") != std::string::npos);
  CHECK(list.body.find("\"hers\"") == std::string::npos);
  // Senders need the public half, and own nothing.
  CHECK(get(bob, "/.well-known/jwks.json").body.find("\"hers\"") != std::string::npos);
  CHECK(get(alice, "/v1/crypto/keys/hers")["state"] == "active");
}

TEST_CASE("the public half's name resolves to the private key") {
  const Api api;
  const Reply made =
      post(api.kms, "/v1/crypto/encrypt", encrypt_body("rsa_pk", "RSA-OAEP", "A256GCM", "v"));
  REQUIRE(made.outcome() == "200");
  const Reply opened = post(api.kms, "/v1/crypto/decrypt", made.body);
  CHECK(opened["kid"] == "rsa_pk");  // the header's, as it stands there
  CHECK(opened["data"] == b64(bytes("v")));
  CHECK(get(api.kms, "/v1/crypto/keys/rsa_pk")["kid"] == "rsa");
}

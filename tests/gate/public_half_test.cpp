// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "world.hpp"

using namespace gate;

// "<uid>_pk", the name of a key pair's public half, leads to the pair.

namespace {

struct Keys {
  TempDir folder;
  std::shared_ptr<FullProvider> hsm = std::make_shared<FullProvider>("hsm::softhsm2::");
  Kms host = open(options_in(folder, {hsm})).value();
  Keys() {
    import("k", {"a"});
    hsm->put("hsm::softhsm2::0::k", KeyType::rsa);
    (void)host.create_key({.uid = "oct", .type = KeyType::oct}).value();
    hsm->put("hsm::softhsm2::0::oct", KeyType::oct);
  }
  void import(const std::string& uid, std::vector<std::string> aliases = {}) const {
    (void)try_import(uid, std::move(aliases)).value();
  }
  [[nodiscard]] Result<KeyInfo> try_import(const std::string& uid,
                                           std::vector<std::string> aliases = {}) const {
    const Bytes der = pkcs8(*rsa_key());
    return host.import_key(
        {.format = KeyFormat::der, .data = der, .uid = uid, .aliases = std::move(aliases)});
  }
};

}  // namespace

TEST_CASE("the name of a public half leads to its key pair", "[gate]") {
  const Keys keys;
  for (const std::string uid : {"k", "hsm::softhsm2::0::k"}) {
    const std::string half = uid + "_pk";
    INFO(half);
    CHECK(decrypt(keys.host, rsa_token(half)).text() == "content");
    CHECK(decrypt(keys.host, rsa_token("an issuer's"), {.key = half}).text() == "content");
    CHECK(keys.host.describe_key(half).value().uid == uid);
    CHECK(keys.host.public_jwk(half).value().find("\"kid\":\"" + uid + '"') != std::string::npos);
    const auto token = encrypt(keys.host, bytes("ours"), {.key = half});
    REQUIRE(code_of(token) == "ok");
    CHECK(decrypt(keys.host, *token).text() == "ours");
    CHECK(text(from_b64(token->substr(0, token->find('.')))) ==
          R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":")" + half + R"("})");
    CHECK(code_of(keys.host.unwrap_key(rsa_token(half))) == "ok");
  }
}

TEST_CASE("not every name that ends so is one", "[gate]") {
  const Keys keys;
  for (const char* kid :
       {"a_pk", "oct_pk", "k_pk_pk", "none_pk", "_pk", "k_PK", "hsm::softhsm2::0::oct_pk",
        "hsm::softhsm2::0::_pk", "hsm::softhsm2::0::none_pk"}) {
    INFO(kid);
    CHECK(code_of(keys.host.describe_key(kid)) == "not_found");
  }
  CHECK(code_of(keys.host.describe_key("hsm::softhsm2::0::")) == "bad_request");
  // What is changed is named by its UID.
  CHECK(code_of(keys.host.set_key_state("k_pk", KeyState::destroyed)) == "not_found");
  CHECK(code_of(keys.host.add_alias("k_pk", "b")) == "not_found");
  CHECK(code_of(keys.host.remove_alias("k_pk")) == "not_found");
  (void)keys.host.set_key_state("k", KeyState::destroyed).value();
  CHECK(code_of(keys.host.describe_key("k_pk")) == "not_found");
}

TEST_CASE("the name of a public half is taken", "[gate][threat]") {
  const Keys keys;
  const std::string jwk = R"({"kty":"oct","kid":"k_pk","k":")" + b64(pattern(32)) + R"("})";
  CHECK(code_of(keys.host.create_key({.uid = "k_pk", .type = KeyType::oct})) == "conflict");
  CHECK(code_of(keys.try_import("k_pk")) == "conflict");
  CHECK(code_of(keys.host.import_key({.data = bytes(jwk)})) == "conflict");
  CHECK(code_of(keys.try_import("new", {"k_pk"})) == "conflict");
  CHECK(code_of(keys.host.add_alias("k", "k_pk")) == "conflict");
  CHECK(code_of(keys.host.add_alias("oct", "k_pk")) == "conflict");
  CHECK(code_of(keys.host.unwrap_key(rsa_token("k"), {.uid = "k_pk"})) == "conflict");
  CHECK(code_of(keys.host.create_key({.uid = "hsm::softhsm2::0::k_pk"})) == "conflict");
  CHECK(keys.hsm->changes == 0);
  // For good, as the UID itself is.
  (void)keys.host.set_key_state("k", KeyState::destroyed).value();
  CHECK(code_of(keys.try_import("k_pk")) == "conflict");
  // Of a symmetric key there is none.
  CHECK(code_of(keys.try_import("oct_pk")) == "ok");
  CHECK(keys.host.describe_key("oct_pk").value().uid == "oct_pk");
}

TEST_CASE("nobody takes the name of a public half beforehand", "[gate][threat]") {
  const Keys keys;
  keys.import("early_pk");
  keys.import("other", {"late_pk"});
  CHECK(code_of(keys.try_import("early")) == "conflict");
  CHECK(code_of(keys.try_import("late")) == "conflict");
  CHECK(code_of(keys.host.create_key({.uid = "late"})) == "conflict");
  // A symmetric key is in nobody's way.
  CHECK(code_of(keys.host.create_key({.uid = "late", .type = KeyType::oct})) == "ok");
}

TEST_CASE("a key of that very name comes first", "[gate]") {
  const Keys keys;
  keys.hsm->put("hsm::softhsm2::0::k_pk", KeyType::oct);  // by somebody else
  CHECK(keys.host.describe_key("hsm::softhsm2::0::k_pk").value().uid == "hsm::softhsm2::0::k_pk");
}

TEST_CASE("a public half costs one look-up, and is looked for anew after a second", "[gate]") {
  const auto cloud = std::make_shared<FullProvider>("cloud:");
  cloud->put("cloud:k", KeyType::rsa);
  const Kms kms(library(), {cloud}, Policy{});
  const std::string text = rsa_token("cloud:k_pk");
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) CHECK(decrypt(kms, text).text() == "content");
  if (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(900))
    CHECK(cloud->asked() ==
          std::vector<std::string>{"cloud:k_pk", "cloud:k", "cloud:k", "cloud:k"});
  cloud->put("cloud:k_pk", KeyType::oct);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  CHECK(kms.describe_key("cloud:k_pk").value().type == KeyType::oct);
}

TEST_CASE("of several recipients one may be named by the public half", "[gate]") {
  const Keys keys;
  const TokenParts parts =
      seal_for(*rsa_key(), R"({"enc":"A256GCM"})", Alg::RSA_OAEP, bytes("content"));
  const auto for_kid = [&](const std::string& kid) {
    return recipient(R"({"alg":"RSA-OAEP","kid":")" + kid + R"("})", parts.encrypted_key);
  };
  const std::string token = general(parts, {for_kid("none"), for_kid("k_pk")});
  CHECK(decrypt(keys.host, token).text() == "content");
  CHECK(decrypt(keys.host, token, {.key = "k"}).text() == "content");
  CHECK(decrypt(keys.host, token, {.key = "a"}).text() == "content");
  CHECK(decrypt(keys.host, general(parts, {for_kid("k")}), {.key = "k_pk"}).text() == "content");
  CHECK(decrypt(keys.host, general(parts, {for_kid("oct_pk")}), {.key = "oct"}).text() ==
        "not_found");
}

// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "fake_provider.hpp"
#include "key_file.hpp"
#include "kms_support.hpp"
#include "make_token.hpp"

using namespace jwekms;
using namespace support;

namespace {

constexpr Alg rsa_algs[] = {Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::RSA_OAEP_384, Alg::RSA_OAEP_512};

std::string rsa_token(std::string_view kid, Alg alg = Alg::RSA_OAEP_256, Enc enc = Enc::A256GCM) {
  const std::string header = R"({"alg":")" + std::string(row(alg).name) + R"(","enc":")" +
                             std::string(row(enc).name) + R"(","kid":")" + std::string(kid) +
                             R"("})";
  return seal_for(*rsa_key(), header, alg, bytes("content"), enc).compact();
}

/// A key with any KeyInfo at all.
Kms with_key(KeyInfo info, const Policy& policy = Policy::permissive()) {
  auto provider = std::make_shared<FakeProvider>();
  const Bytes oct = pattern(info.type == KeyType::oct ? info.bits / 8 : 0);
  provider->add(std::move(info), rsa_key(), oct);
  return kms_over(provider, policy);
}

KeyInfo rsa_info() {
  return {.uid = "k",
          .bits = 2048,
          .algs = {Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::RSA_OAEP_384, Alg::RSA_OAEP_512}};
}

}  // namespace

TEST_CASE("a key's state decides what it still does", "[key_state]") {
  const Database db;
  import_rsa(db.kms, "k", *rsa_key());
  create_oct(db.kms, "o");
  const std::string rsa = rsa_token("k");
  const std::string dir = encrypt(db.kms, bytes("content"), {.key = "o", .alg = Alg::dir}).value();
  const auto codes = [&](const Kms& kms) {
    return std::vector<std::string>{
        decrypt(kms, rsa).text(), decrypt(kms, dir).text(),
        std::string(code_of(encrypt(kms, {}, {.key = "k"}))),
        std::string(code_of(encrypt(kms, {}, {.key = "o", .alg = Alg::dir}))),
        std::string(code_of(kms.unwrap_key(rsa)))};
  };
  const auto set_both = [&](KeyState state) {
    for (const char* uid : {"k", "o"}) REQUIRE(code_of(db.kms.set_key_state(uid, state)) == "ok");
  };
  using Codes = std::vector<std::string>;
  CHECK(codes(db.kms) == Codes{"content", "content", "ok", "ok", "ok"});
  set_both(KeyState::deactivated);
  CHECK(codes(db.kms) == Codes{"content", "content", "forbidden", "forbidden", "ok"});
  set_both(KeyState::compromised);
  CHECK(codes(db.kms) == Codes(5, "forbidden"));
  const Kms saving = db.opened(policy_with([](Policy& p) { p.allow_compromised = true; }));
  CHECK(codes(saving) == Codes{"content", "content", "forbidden", "forbidden", "ok"});
  set_both(KeyState::destroyed);
  CHECK(codes(db.kms) == Codes(5, "not_found"));
}

TEST_CASE("a destroyed key that a provider still shows is not used", "[key_state]") {
  KeyInfo info = rsa_info();
  info.state = KeyState::destroyed;
  const Policy policy = policy_with([](Policy& p) { p.allow_compromised = true; });
  const Kms kms = with_key(info, policy);
  CHECK(decrypt(kms, rsa_token("k")).text() == "forbidden");
  CHECK(code_of(encrypt(kms, {}, {.key = "k"})) == "forbidden");
}

TEST_CASE("an RSA key below the policy's size is not used", "[policy]") {
  const Database db;
  import_rsa(db.kms, "k", *rsa_key());
  const Kms strict = db.opened(policy_with([](Policy& p) { p.rsa_min_bits = 3072; }));
  CHECK(decrypt(strict, rsa_token("k")).text() == "crypto_failure");
  CHECK(code_of(encrypt(strict, {}, {.key = "k"})) == "crypto_failure");
  CHECK(code_of(strict.unwrap_key(rsa_token("k"))) == "crypto_failure");
  CHECK(code_of(strict.create_key({.bits = 2048})) == "crypto_failure");
  CHECK(code_of(strict.import_key({.format = KeyFormat::der, .data = pkcs8(*rsa_key())})) ==
        "crypto_failure");
  CHECK(decrypt(db.kms, rsa_token("k")).text() == "content");
}

TEST_CASE("a policy's algs and encs are the only ones", "[policy]") {
  Database db;
  import_rsa(db.kms, "k", *rsa_key());
  for (const Alg allowed : rsa_algs) {
    Policy policy;
    policy.algs = {allowed};
    const Kms kms = db.opened(policy);
    for (const Alg alg : rsa_algs) {
      INFO(row(allowed).name << " allowed, " << row(alg).name << " used");
      CHECK(decrypt(kms, rsa_token("k", alg)).text() ==
            (alg == allowed ? "content" : "unsupported_algorithm"));
      CHECK(code_of(encrypt(kms, {}, {.key = "k", .alg = alg})) ==
            (alg == allowed ? "ok" : "unsupported_algorithm"));
    }
  }
  for (const Enc allowed : {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM}) {
    Policy policy;
    policy.encs = {allowed};
    const Kms kms = db.opened(policy);
    for (const Enc enc : {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM})
      CHECK(decrypt(kms, rsa_token("k", Alg::RSA_OAEP_256, enc)).text() ==
            (enc == allowed ? "content" : "unsupported_algorithm"));
  }
}

TEST_CASE("the default policy leaves SHA-384 and SHA-512 out", "[policy]") {
  const Database db{Policy{}};
  import_rsa(db.kms, "k", *rsa_key());
  CHECK(decrypt(db.kms, rsa_token("k", Alg::RSA_OAEP)).text() == "content");
  CHECK(decrypt(db.kms, rsa_token("k", Alg::RSA_OAEP_256)).text() == "content");
  CHECK(decrypt(db.kms, rsa_token("k", Alg::RSA_OAEP_384)).text() == "unsupported_algorithm");
  CHECK(decrypt(db.kms, rsa_token("k", Alg::RSA_OAEP_512)).text() == "unsupported_algorithm");
}

TEST_CASE("CVE-2022-3102: a key serves its own algs and no others", "[key_use][threat]") {
  KeyInfo narrow = rsa_info();
  narrow.algs = {Alg::RSA_OAEP};
  const Kms kms = with_key(narrow);
  CHECK(decrypt(kms, rsa_token("k", Alg::RSA_OAEP)).text() == "content");
  CHECK(decrypt(kms, rsa_token("k", Alg::RSA_OAEP_256)).text() == "crypto_failure");
  CHECK(code_of(encrypt(kms, {}, {.key = "k"})) == "crypto_failure");
  CHECK(code_of(kms.unwrap_key(rsa_token("k", Alg::RSA_OAEP_256))) == "crypto_failure");
}

TEST_CASE("key and algorithm of different kinds never meet", "[key_use][threat]") {
  auto provider = std::make_shared<FakeProvider>();
  // Records that claim too much: the type decides all the same.
  const AlgSet all = Policy::permissive().algs;
  provider->add({.uid = "rsa", .bits = 256, .algs = all}, rsa_key(), pattern(32));
  provider->add({.uid = "oct", .type = KeyType::oct, .bits = 256, .algs = all}, rsa_key(),
                pattern(32));
  const Kms kms = kms_over(provider);
  const TokenParts dir =
      seal_token(R"({"alg":"dir","enc":"A256GCM","kid":"rsa"})", pattern(32), bytes("x"));
  CHECK(decrypt(kms, dir.compact()).text() == "crypto_failure");
  CHECK(code_of(encrypt(kms, {}, {.key = "rsa", .alg = Alg::dir})) == "crypto_failure");
  CHECK(decrypt(kms, rsa_token("oct")).text() == "crypto_failure");
  CHECK(code_of(encrypt(kms, {}, {.key = "oct"})) == "crypto_failure");
  CHECK(code_of(kms.unwrap_key(rsa_token("oct"))) == "crypto_failure");
  CHECK(provider->calls().all() == provider->calls().resolve);
}

TEST_CASE("a JWK's key_ops are kept to", "[key_use]") {
  using namespace key_file;
  const Database db;
  const auto import = [&](const char* uid, const char* ops) {
    Jwk jwk = oct_jwk(pattern(32));
    jwk["key_ops"] = ops;
    return db.kms.import_key({.data = jwk_text(jwk), .uid = uid});
  };
  REQUIRE(code_of(import("reads", R"(["decrypt"])")) == "ok");
  REQUIRE(code_of(import("writes", R"(["encrypt"])")) == "ok");
  const EncryptOptions by_reader{.key = "reads", .alg = Alg::dir};
  const EncryptOptions by_writer{.key = "writes", .alg = Alg::dir};
  CHECK(code_of(encrypt(db.kms, {}, by_reader)) == "crypto_failure");
  const auto token = encrypt(db.kms, bytes("x"), by_writer);
  REQUIRE(code_of(token) == "ok");
  CHECK(decrypt(db.kms, *token).text() == "crypto_failure");
  CHECK(decrypt(db.kms, *token, {.key = "reads"}).text() == "x");
}

TEST_CASE("a symmetric key serves the enc of its size, or the one it is bound to", "[key_use]") {
  for (const std::optional<Enc> bound : {std::optional<Enc>{}, std::optional{Enc::A192GCM}}) {
    KeyInfo info{.uid = "k", .type = KeyType::oct, .bits = 192, .algs = {Alg::dir}, .enc = bound};
    const Kms kms = with_key(info);
    for (const Enc enc : {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM})
      CHECK(code_of(encrypt(kms, {}, {.key = "k", .alg = Alg::dir, .enc = enc})) ==
            (enc == Enc::A192GCM ? "ok" : "crypto_failure"));
  }
  KeyInfo elsewhere{
      .uid = "k", .type = KeyType::oct, .bits = 256, .algs = {Alg::dir}, .enc = Enc::A256CBC_HS512};
  CHECK(code_of(encrypt(with_key(elsewhere), {}, {.key = "k", .alg = Alg::dir})) ==
        "crypto_failure");
}

// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "fake_provider.hpp"
#include "kms_support.hpp"
#include "make_token.hpp"

using namespace jwekms;
using namespace support;

namespace {

constexpr Error broken{Errc::internal_error, 0, "the key record is damaged"};

struct Rig {
  std::shared_ptr<FakeProvider> provider = std::make_shared<FakeProvider>();
  Rig() {
    provider->add_rsa("rsa", rsa_key());
    provider->add_oct("oct", pattern(32, 6));
  }
};

/// The same content as an RSA token in each serialization, and as a direct one.
struct Named {
  const char* name;
  std::string text;
};
std::vector<Named> rsa_tokens() {
  constexpr std::string_view header = R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rsa"})";
  const TokenParts one = seal_for(*rsa_key(), header, Alg::RSA_OAEP_256, bytes("content"));
  const Bytes cek = pattern(32);
  const TokenParts many = seal_token(R"({"enc":"A256GCM"})", cek, bytes("content"));
  const std::string own = recipient(R"({"alg":"RSA-OAEP-256","kid":"rsa"})",
                                    wrap_b64(*rsa_key(), Alg::RSA_OAEP_256, cek));
  return {{"compact", one.compact()},
          {"flattened", one.flattened()},
          {"general", general(many, {own})}};
}
Named dir_token() {
  constexpr std::string_view header = R"({"alg":"dir","enc":"A256GCM","kid":"oct"})";
  return {"dir", seal_token(header, pattern(32, 6), bytes("content")).compact()};
}

void check_fails(const Kms& kms, const Named& token, std::string_view code) {
  const Decrypted decrypted = decrypt(kms, token.text);
  INFO(token.name);
  CHECK(decrypted.text() == code);
  CHECK(decrypted.clean());
}

}  // namespace

TEST_CASE("without a fault the same tokens decrypt", "[outage]") {
  const Rig rig;
  const Kms kms = kms_over(rig.provider);
  for (const Named& token : rsa_tokens()) CHECK(decrypt(kms, token.text).text() == "content");
  CHECK(decrypt(kms, dir_token().text).text() == "content");
}

TEST_CASE("wherever an outage strikes, it is reported as one", "[outage]") {
  const Rig rig;
  const Kms kms = kms_over(rig.provider);
  const Error fault = GENERATE(outage, broken);
  const std::string_view code = name(fault.code);
  SECTION("looking the key up") {
    rig.provider->faults().resolve = fault;
    for (const Named& token : rsa_tokens()) check_fails(kms, token, code);
    check_fails(kms, dir_token(), code);
  }
  SECTION("unwrapping") {
    rig.provider->faults().unwrap = fault;
    for (const Named& token : rsa_tokens()) check_fails(kms, token, code);
  }
  SECTION("getting at the shared key") {
    rig.provider->faults().content_key = fault;
    check_fails(kms, dir_token(), code);
  }
  SECTION("half-way through the content") {
    rig.provider->faults().decrypt = fault;
    for (const Named& token : rsa_tokens()) check_fails(kms, token, code);
    check_fails(kms, dir_token(), code);
  }
}

TEST_CASE("the error is the provider's own, text and all", "[outage]") {
  const Rig rig;
  rig.provider->faults().unwrap = outage;
  const Kms kms = kms_over(rig.provider);
  for (const Named& token : rsa_tokens())
    CHECK(std::string_view(decrypt(kms, token.text).result.error().text) == outage.text);
}

TEST_CASE("encryption reports outages too", "[outage]") {
  const Rig rig;
  const Kms kms = kms_over(rig.provider);
  const EncryptOptions rsa{.key = "rsa"}, dir{.key = "oct", .alg = Alg::dir};
  Faults& faults = rig.provider->faults();
  faults.resolve = outage;
  CHECK(code_of(encrypt(kms, bytes("x"), rsa)) == "unavailable");
  CHECK(code_of(encrypt(kms, bytes("x"), dir)) == "unavailable");
  faults = {.wrap = outage};
  CHECK(code_of(encrypt(kms, bytes("x"), rsa)) == "unavailable");
  faults = {.content_key = outage};
  CHECK(code_of(encrypt(kms, bytes("x"), dir)) == "unavailable");
  faults = {.encrypt = outage};
  CHECK(code_of(encrypt(kms, bytes("x"), rsa)) == "unavailable");
  CHECK(code_of(encrypt(kms, bytes("x"), dir)) == "unavailable");
  faults = {};
  CHECK(code_of(encrypt(kms, bytes("x"), rsa)) == "ok");
}

TEST_CASE("a provider that wraps to an impossible size overruns nothing", "[outage]") {
  const Rig rig;
  const Kms kms = kms_over(rig.provider);
  for (const std::size_t size : {std::size_t{0}, std::size_t{2049}, std::size_t{100000}}) {
    INFO(size);
    rig.provider->faults().encrypted_key_size = size;
    CHECK(code_of(encrypt(kms, bytes("x"), {.key = "rsa"})) == "internal_error");
  }
  rig.provider->faults().encrypted_key_size = 2048;
  CHECK(code_of(encrypt(kms, bytes("x"), {.key = "rsa"})) == "ok");
}

TEST_CASE("reencryption reports an outage on either side", "[outage]") {
  const Rig rig;
  const Kms kms = kms_over(rig.provider);
  const std::string token = rsa_tokens()[0].text;
  const EncryptOptions to{.key = "oct", .alg = Alg::dir};
  REQUIRE(code_of(reencrypt(kms, token, {}, to)) == "ok");
  rig.provider->faults() = {.unwrap = outage};
  CHECK(code_of(reencrypt(kms, token, {}, to)) == "unavailable");
  rig.provider->faults() = {.content_key = outage};
  CHECK(code_of(reencrypt(kms, token, {}, to)) == "unavailable");
}

TEST_CASE("unwrapping to keep reports an outage of the parent key's provider", "[outage]") {
  const auto hsm = std::make_shared<FakeProvider>("cloud:");
  hsm->add_rsa("cloud:rsa", rsa_key());
  const Database db(Policy::permissive(), {hsm});
  constexpr std::string_view header = R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":"cloud:rsa"})";
  const std::string token = seal_for(*rsa_key(), header, Alg::RSA_OAEP, bytes("x")).compact();
  CHECK(code_of(db.kms.unwrap_key(token, {.uid = "kept"})) == "ok");
  CHECK(db.kms.describe_key("kept")->parent == "cloud:rsa");
  hsm->faults().unwrap_to_keep = outage;
  CHECK(code_of(db.kms.unwrap_key(token)) == "unavailable");
  hsm->faults() = {.resolve = outage};
  CHECK(code_of(db.kms.unwrap_key(token)) == "unavailable");
}

TEST_CASE("a malformed token is the sender's fault, outage or not", "[outage]") {
  const Rig rig;
  rig.provider->faults().resolve = outage;
  const Kms kms = kms_over(rig.provider);
  for (Named token : rsa_tokens()) {
    const std::size_t at = token.text.rfind(token.name == std::string_view("compact") ? '.' : '"');
    token.text.insert(at, "*");
    check_fails(kms, token, "bad_request");
  }
}

TEST_CASE("a wrong token is not taken for an outage", "[outage]") {
  const Rig rig;
  const Kms kms = kms_over(rig.provider);
  constexpr std::string_view header = R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rsa"})";
  const TokenParts foreign =
      seal_for(*other_rsa_key(), header, Alg::RSA_OAEP_256, bytes("content"));
  check_fails(kms, {"foreign", foreign.compact()}, "decryption_failed");
}

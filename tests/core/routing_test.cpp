// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "fake_provider.hpp"
#include "kms_support.hpp"
#include "make_token.hpp"

using namespace jwekms;
using namespace support;

namespace {

std::string token_for(std::string_view kid) {
  const std::string header =
      R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":")" + std::string(kid) + R"("})";
  return seal_for(*rsa_key(), header, Alg::RSA_OAEP, bytes("content")).compact();
}

/// Stands where the database stands: it takes whatever nobody else takes.
std::shared_ptr<FakeProvider> database(const std::string& uid) {
  auto provider = std::make_shared<FakeProvider>();
  provider->add_rsa(uid, rsa_key());
  return provider;
}

}  // namespace

TEST_CASE("a malformed HSM UID is an error and never a name in the database", "[routing][threat]") {
  for (const char* uid : {"hsm::", "hsm::softhsm2", "hsm::softhsm2::0", "hsm::softhsm2::0::",
                          "hsm::softhsm2::x::k", "hsm::softhsm2::-1::k", "hsm::softhsm2::01::k",
                          "hsm::unknown::0::k", "hsm::::0::k", "hsm::softhsm2_0::0::k",
                          "hsm::softhsm2_x::0::k", "hsm::softhsm2::99999999999999999999::k"}) {
    INFO(uid);
    const auto provider = database(uid);
    const Kms kms = kms_over(provider);
    const Decrypted by_kid = decrypt(kms, token_for(uid));
    CHECK(by_kid.text() == "bad_request");
    CHECK(by_kid.clean());
    CHECK(decrypt(kms, token_for("k"), {.key = uid}).text() == "bad_request");
    CHECK(code_of(encrypt(kms, {}, {.key = uid})) == "bad_request");
    CHECK(code_of(kms.unwrap_key(token_for(uid))) == "bad_request");
    CHECK(code_of(kms.unwrap_key(token_for("k"), {.uid = uid})) != "ok");
    CHECK(code_of(kms.describe_key(uid)) == "bad_request");
    CHECK(code_of(kms.public_jwk(uid)) == "bad_request");
    CHECK(code_of(kms.create_key({.uid = uid})) == "bad_request");
    CHECK(code_of(kms.import_key({.uid = uid})) == "bad_request");
    CHECK(code_of(kms.add_alias(uid, "a")) == "bad_request");
    CHECK(code_of(kms.add_alias("k", uid)) == "bad_request");
    CHECK(code_of(kms.remove_alias(uid)) == "bad_request");
    CHECK(code_of(kms.set_key_state(uid, KeyState::deactivated)) == "bad_request");
    for (const std::string& asked : provider->asked()) CHECK(asked == "k");
  }
}

TEST_CASE("an HSM UID whose HSM is not here is not found, nor asked of the database",
          "[routing][threat]") {
  for (const char* uid : {"hsm::softhsm2::0::k", "hsm::other_2::7::a::b"}) {
    INFO(uid);
    const auto provider = database(uid);
    const Kms kms = kms_over(provider);
    const Decrypted decrypted = decrypt(kms, token_for(uid));
    CHECK(decrypted.text() == "not_found");
    CHECK(decrypted.clean());
    CHECK(code_of(encrypt(kms, {}, {.key = uid})) == "not_found");
    CHECK(code_of(kms.unwrap_key(token_for(uid))) == "not_found");
    CHECK(code_of(kms.describe_key(uid)) == "not_found");
    CHECK(code_of(kms.set_key_state(uid, KeyState::destroyed)) == "not_found");
    CHECK(code_of(kms.create_key({.uid = uid})) == "bad_request");
    CHECK(provider->asked().empty());
  }
}

TEST_CASE("each UID goes to the provider with the longest prefix", "[routing]") {
  const auto rest = database("plain");
  const auto cloud = std::make_shared<FakeProvider>("cloud:");
  const auto europe = std::make_shared<FakeProvider>("cloud:eu:");
  const auto hsm = std::make_shared<FakeProvider>("hsm::softhsm2::");
  cloud->add_rsa("cloud:k", rsa_key());
  europe->add_rsa("cloud:eu:k", rsa_key());
  hsm->add_rsa("hsm::softhsm2::0::k", rsa_key());
  // The order in which they are handed over says nothing.
  const Kms kms(library(), {rest, cloud, hsm, europe}, Policy{});
  for (const char* uid : {"plain", "cloud:k", "cloud:eu:k", "hsm::softhsm2::0::k"})
    CHECK(decrypt(kms, token_for(uid)).text() == "content");
  CHECK(rest->asked() == std::vector<std::string>{"plain"});
  CHECK(cloud->asked() == std::vector<std::string>{"cloud:k"});
  CHECK(europe->asked() == std::vector<std::string>{"cloud:eu:k"});
  CHECK(hsm->asked() == std::vector<std::string>{"hsm::softhsm2::0::k"});
  CHECK(decrypt(kms, token_for("hsm::utimaco::0::k")).text() == "not_found");
  CHECK(decrypt(kms, token_for("cloud:eu:none")).text() == "not_found");
  CHECK(rest->asked().size() == 1);
}

TEST_CASE("without any provider nothing is found", "[routing]") {
  const Kms kms(library(), {}, Policy{});
  CHECK(decrypt(kms, token_for("k")).text() == "not_found");
  CHECK(code_of(encrypt(kms, {}, {.key = "k"})) == "not_found");
  CHECK(code_of(kms.create_key({})) == "bad_request");
  CHECK(code_of(kms.list_keys({})) == "not_found");
  CHECK(kms.public_jwks().value() == R"({"keys":[]})");
}

TEST_CASE("an alias leads to the provider of its key", "[routing]") {
  const auto cloud = std::make_shared<FakeProvider>("cloud:");
  cloud->add_rsa("cloud:k", rsa_key());
  const Database db(Policy{}, {cloud});
  import_rsa(db.kms, "k", *rsa_key());
  CHECK(code_of(db.kms.add_alias("k", "cloud:alias")) == "bad_request");
  CHECK(code_of(db.kms.add_alias("cloud:k", "alias")) == "bad_request");
  CHECK(code_of(db.kms.add_alias("k", "alias")) == "ok");
  CHECK(decrypt(db.kms, token_for("alias")).text() == "content");
}

TEST_CASE("what a provider does not offer is a bad request", "[routing]") {
  const Kms kms = kms_over(database("k"));
  CHECK(code_of(kms.create_key({.uid = "new"})) == "bad_request");
  CHECK(code_of(kms.import_key({.uid = "new"})) == "bad_request");
  CHECK(code_of(kms.unwrap_key(token_for("k"))) == "bad_request");
  CHECK(code_of(kms.list_keys({})) == "bad_request");
  CHECK(code_of(kms.add_alias("k", "a")) == "bad_request");
  CHECK(code_of(kms.remove_alias("k")) == "bad_request");
  CHECK(code_of(kms.set_key_state("k", KeyState::deactivated)) == "bad_request");
}

TEST_CASE("a provider that cannot list hides nobody else's public keys", "[routing]") {
  const auto cloud = std::make_shared<FakeProvider>("cloud:");
  cloud->add_rsa("cloud:k", rsa_key());
  const Database db(Policy{}, {cloud});
  import_rsa(db.kms, "mine", *rsa_key());
  const auto set = db.kms.public_jwks();
  REQUIRE(code_of(set) == "ok");
  CHECK(set->find(R"("kid":"mine")") != std::string::npos);
}

TEST_CASE("two providers with one prefix do not open", "[routing]") {
  Options options;
  options.providers = {std::make_shared<FakeProvider>("a:"), std::make_shared<FakeProvider>("a:")};
  CHECK(code_of(open(options)) == "bad_request");
  options.providers.pop_back();
  CHECK(code_of(open(options)) == "ok");
}

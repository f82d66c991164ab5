// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "fake_provider.hpp"
#include "kms_support.hpp"
#include "make_token.hpp"

using namespace jwekms;
using namespace support;

namespace {

const Bytes cek = pattern(32, 3);
const std::string garbage_key = b64(pattern(256, 4));

TokenParts content() { return seal_token(R"({"enc":"A256GCM"})", cek, bytes("for several")); }

std::string header_for(std::string_view kid, std::string_view alg = "RSA-OAEP-256") {
  return R"({"alg":")" + std::string(alg) + R"(","kid":")" + std::string(kid) + R"("})";
}
std::string for_key(const crypto::RsaKey& key, std::string_view kid) {
  return recipient(header_for(kid), wrap_b64(key, Alg::RSA_OAEP_256, cek));
}
std::string for_stranger(std::string_view kid) { return recipient(header_for(kid), garbage_key); }

std::shared_ptr<FakeProvider> two_keys() {
  auto provider = std::make_shared<FakeProvider>();
  provider->add_rsa("one", rsa_key());
  provider->add_rsa("two", other_rsa_key());
  return provider;
}

}  // namespace

TEST_CASE("the recipient whose kid is ours is found, wherever it stands", "[general]") {
  const Kms kms = kms_over(two_keys());
  const std::string ours = for_key(*rsa_key(), "one");
  for (const auto& recipients :
       std::vector<std::vector<std::string>>{{ours},
                                             {ours, for_stranger("alice"), for_stranger("bob")},
                                             {for_stranger("alice"), ours, for_stranger("bob")},
                                             {for_stranger("alice"), for_stranger("bob"), ours}})
    CHECK(decrypt(kms, general(content(), recipients)).text() == "for several");
}

TEST_CASE("the default policy takes general tokens with their own alg and kid", "[general]") {
  const Kms kms = kms_over(two_keys(), Policy{});
  CHECK(decrypt(kms, general(content(), {for_key(*rsa_key(), "one")})).text() == "for several");
}

TEST_CASE("no recipient is tried: the first that is ours is the one", "[general]") {
  const auto provider = two_keys();
  const Kms kms = kms_over(provider);
  // "one" is ours, but what it got is not for it; "two" would open, and is not asked.
  const std::string token =
      general(content(), {for_stranger("one"), for_key(*other_rsa_key(), "two")});
  CHECK(decrypt(kms, token).text() == "decryption_failed");
  CHECK(provider->calls().unwrap == 1);
  CHECK(provider->asked() == std::vector<std::string>{"one"});
  CHECK(decrypt(kms, token, {.key = "two"}).text() == "for several");
}

TEST_CASE("a token for others alone is not found", "[general]") {
  const auto provider = two_keys();
  const Kms kms = kms_over(provider);
  CHECK(decrypt(kms, general(content(), {for_stranger("alice"), for_stranger("bob")})).text() ==
        "not_found");
  CHECK(provider->calls().unwrap == 0);
}

TEST_CASE("the caller's key picks its recipient by UID and by alias", "[general]") {
  auto provider = std::make_shared<FakeProvider>();
  const AlgSet algs{Alg::RSA_OAEP_256};
  const KeyInfo info{.uid = "uid", .bits = 2048, .algs = algs, .aliases = {"alias", "other"}};
  provider->add(info, rsa_key(), {});
  provider->add_rsa("two", other_rsa_key());
  const Kms kms = kms_over(provider);
  for (const char* kid : {"uid", "alias", "other"}) {
    const std::string token =
        general(content(), {for_key(*other_rsa_key(), "two"), for_key(*rsa_key(), kid)});
    CHECK(decrypt(kms, token, {.key = "uid"}).text() == "for several");
  }
  const std::string without =
      general(content(), {for_key(*other_rsa_key(), "two"), for_stranger("alice")});
  CHECK(decrypt(kms, without, {.key = "uid"}).text() == "not_found");
  CHECK(decrypt(kms, without, {.key = "nobody"}).text() == "not_found");
}

TEST_CASE("a fault in another's header does not matter", "[general]") {
  const Kms kms = kms_over(two_keys());
  const std::string ours = for_key(*rsa_key(), "one");
  for (const char* header :
       {R"({"alg":"RSA-OAEP","kid":"alice","crit":["x"]})", R"({"alg":"RSA-OAEP"})",
        R"({"kid":"alice"})", R"({"alg":7,"kid":"alice"})", R"({"alg":"RSA-OAEP","kid":""})",
        R"({"alg":"RSA-OAEP","kid":"alice","zip":"DEF"})",
        R"({"alg":"RSA-OAEP","kid":"alice","enc":"A128GCM"})"}) {
    INFO(header);
    const std::string theirs = recipient(header, garbage_key);
    CHECK(decrypt(kms, general(content(), {theirs, ours})).text() == "for several");
    CHECK(decrypt(kms, general(content(), {ours, theirs})).text() == "for several");
    CHECK(decrypt(kms, general(content(), {theirs})).text() == "bad_request");
  }
}

TEST_CASE("another's algorithm does not matter, and ours does", "[general]") {
  const Kms kms = kms_over(two_keys());
  const std::string ours = for_key(*rsa_key(), "one");
  for (const char* alg : {"RSA1_5", "ECDH-ES+A256KW", "A256KW", "unheard-of"}) {
    INFO(alg);
    const std::string theirs = recipient(header_for("alice", alg), garbage_key);
    CHECK(decrypt(kms, general(content(), {theirs, ours})).text() == "for several");
    const std::string bad = recipient(header_for("one", alg), garbage_key);
    CHECK(decrypt(kms, general(content(), {bad})).text() == "unsupported_algorithm");
  }
}

TEST_CASE("another's kid may look like a malformed UID of ours", "[general]") {
  const Kms kms = kms_over(two_keys());
  const std::string ours = for_key(*rsa_key(), "one");
  const std::string theirs = for_stranger("hsm::theirs");
  CHECK(decrypt(kms, general(content(), {ours, theirs})).text() == "for several");
  CHECK(decrypt(kms, general(content(), {theirs, ours})).text() == "for several");
  CHECK(decrypt(kms, general(content(), {theirs})).text() == "bad_request");
}

TEST_CASE("an outage is no missing key, and no later recipient hides it", "[general][outage]") {
  const auto provider = two_keys();
  provider->faults().resolve = outage;
  const Kms kms = kms_over(provider);
  const std::string token =
      general(content(), {for_stranger("alice"), for_key(*rsa_key(), "one"), for_stranger("bob")});
  for (const DecryptOptions& options : {DecryptOptions{}, DecryptOptions{.key = "one"}}) {
    const Decrypted decrypted = decrypt(kms, token, options);
    CHECK(decrypted.text() == "unavailable");
    CHECK(decrypted.clean());
  }
  CHECK(provider->calls().unwrap == 0);
}

TEST_CASE("content that was altered fails for every recipient", "[general]") {
  const Kms kms = kms_over(two_keys());
  TokenParts parts = content();
  parts.tag = with_other_letter(parts.tag, 0);
  const std::string token =
      general(parts, {for_key(*rsa_key(), "one"), for_key(*other_rsa_key(), "two")});
  for (const char* key : {"", "one", "two"}) {
    const Decrypted decrypted = decrypt(kms, token, {.key = key});
    CHECK(decrypted.text() == "decryption_failed");
    CHECK(decrypted.clean());
  }
}

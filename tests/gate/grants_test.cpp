// SPDX-License-Identifier: Apache-2.0
#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace gate;
using namespace std::chrono_literals;

namespace {

const std::string hsm_key = "hsm::softhsm2::0::k";

/// olga's key "k" in the database, and one in an HSM.
struct Keys {
  TempDir folder;
  std::shared_ptr<FullProvider> hsm =
      std::make_shared<FullProvider>("hsm::softhsm2::", std::vector<std::string>{"hana"});
  Options options = options_in(folder, {hsm});
  Kms host = open(options).value();
  Kms olga = as(host, "olga");
  Kms dora = as(host, "dora");
  Keys() {
    hsm->put(hsm_key, KeyType::rsa);
    const Bytes der = pkcs8(*rsa_key());
    (void)olga.import_key({.format = KeyFormat::der, .data = der, .uid = "k", .aliases = {"a"}})
        .value();
  }
  [[nodiscard]] int rows(const std::string& where = "1") const {
    SQLite::Database file(folder.file("keys.sqlite"));
    return file.execAndGet("SELECT count(*) FROM grants WHERE " + where).getInt();
  }
};

std::string shown(const Result<std::vector<Grant>>& grants) {
  if (!grants) return std::string(code_of(grants));
  std::string all;
  for (const Grant& grant : *grants) {
    all += (all.empty() ? "" : "; ") + grant.principal + ":";
    for (int i = 0; i < 6; ++i)
      if (grant.permissions.contains(static_cast<Permission>(i)))
        all += ' ' + std::string(name(static_cast<Permission>(i)));
  }
  return all;
}

}  // namespace

TEST_CASE("a grant takes the place of the one before, and a revocation all of it", "[gate]") {
  const Keys keys;
  for (const std::string& uid : {std::string("k"), hsm_key}) {
    INFO(uid);
    CHECK(decrypt(keys.dora, rsa_token(uid)).text() == "forbidden");
    CHECK(code_of(keys.host.grant(uid, "dora", {Permission::decrypt, Permission::unwrap})) == "ok");
    CHECK(decrypt(keys.dora, rsa_token(uid)).text() == "content");
    CHECK(code_of(keys.host.grant(uid, "dora", {Permission::encrypt})) == "ok");
    CHECK(decrypt(keys.dora, rsa_token(uid)).text() == "forbidden");
    CHECK(code_of(encrypt(keys.dora, {}, {.key = uid})) == "ok");
    CHECK(code_of(keys.host.grant(uid, "bob", all_permissions)) == "ok");
    CHECK(shown(keys.host.grants(uid)) ==
          "bob: decrypt encrypt unwrap describe manage grant; dora: encrypt");
    CHECK(code_of(keys.host.revoke(uid, "dora")) == "ok");
    CHECK(code_of(encrypt(keys.dora, {}, {.key = uid})) == "forbidden");
    CHECK(code_of(keys.host.revoke(uid, "dora")) == "not_found");
    CHECK(shown(keys.host.grants(uid)) == "bob: decrypt encrypt unwrap describe manage grant");
  }
}

TEST_CASE("what everybody was granted comes on top of one's own", "[gate]") {
  const Keys keys;
  keys.olga.grant("k", "*", {Permission::encrypt}).value();
  CHECK(code_of(encrypt(keys.dora, {}, {.key = "k"})) == "ok");
  CHECK(decrypt(keys.dora, rsa_token("k")).text() == "forbidden");
  keys.olga.grant("k", "dora", {Permission::decrypt}).value();
  CHECK(code_of(encrypt(keys.dora, {}, {.key = "k"})) == "ok");
  CHECK(decrypt(keys.dora, rsa_token("k")).text() == "content");
  keys.olga.revoke("k", "*").value();
  CHECK(code_of(encrypt(keys.dora, {}, {.key = "k"})) == "forbidden");
  CHECK(decrypt(keys.dora, rsa_token("k")).text() == "content");
}

TEST_CASE("one hands on what one has, and no more", "[gate][threat]") {
  const Keys keys;
  const Permissions some{Permission::decrypt, Permission::grant};
  keys.olga.grant("k", "dora", some).value();
  CHECK(code_of(keys.dora.grant("k", "bob", {Permission::decrypt})) == "ok");
  CHECK(code_of(keys.dora.grant("k", "*", some)) == "ok");
  CHECK(code_of(keys.dora.grant("k", "dora", all_permissions)) == "forbidden");
  CHECK(code_of(keys.dora.grant("k", "bob", {Permission::decrypt, Permission::unwrap})) ==
        "forbidden");
  CHECK(shown(keys.host.grants("k")) == "*: decrypt grant; bob: decrypt; dora: decrypt grant");
  // The way back is open, to what one has not given as well.
  keys.olga.grant("k", "uma", {Permission::unwrap}).value();
  CHECK(code_of(keys.dora.revoke("k", "uma")) == "ok");
  CHECK(code_of(as(keys.host, "bob").revoke("k", "bob")) == "ok");  // by "*", he may
}

TEST_CASE("the names of principals are checked wherever they come in", "[gate][threat]") {
  const Keys keys;
  const std::string longest(256, 'x');
  for (const std::string& good :
       {std::string("a"), std::string("CN=Ärzte, O=\"x\""), std::string("\xF0\x9F\x94\x91"),
        longest, std::string("**"), std::string("a\xC2\xA0z")}) {
    INFO(good);
    CHECK(code_of(keys.host.on_behalf_of(good)) == "ok");
    CHECK(code_of(keys.host.grant("k", good, {Permission::decrypt})) == "ok");
    CHECK(code_of(keys.host.revoke("k", good)) == "ok");
  }
  for (const std::string& bad :
       {std::string(), longest + 'x', std::string("a\0b", 3), std::string("a\nb"),
        std::string("\x7F"), std::string("a\xC2\x85"), std::string("\xFF"), std::string("\xC3"),
        std::string("\xC0\x80"), std::string("\xED\xA0\x80"), std::string("\x1B[1m")}) {
    INFO(bad);
    CHECK(code_of(keys.host.on_behalf_of(bad)) == "bad_request");
    CHECK(code_of(keys.host.grant("k", bad, {Permission::decrypt})) == "bad_request");
    CHECK(code_of(keys.host.revoke("k", bad)) == "bad_request");
    Options options = keys.options;
    options.admins = {bad};
    CHECK(code_of(open(options)) == "bad_request");
    if (bad.empty()) continue;
    CHECK(code_of(keys.host.create_key({.type = KeyType::oct, .owner = bad})) == "bad_request");
  }
  CHECK(code_of(keys.host.on_behalf_of("*")) == "bad_request");
  CHECK(code_of(keys.host.create_key({.type = KeyType::oct, .owner = "*"})) == "bad_request");
}

TEST_CASE("everybody may be an admin", "[gate]") {
  Keys keys;
  keys.options.admins = {"*"};
  const Kms host = open(keys.options).value();
  CHECK(decrypt(as(host, "anybody"), rsa_token("k")).text() == "content");
  CHECK(decrypt(as(host, "anybody"), rsa_token(hsm_key)).text() == "content");
}

TEST_CASE("a grant is of something that there is", "[gate]") {
  const Keys keys;
  CHECK(code_of(keys.host.grant("k", "dora", {})) == "bad_request");
  CHECK(code_of(keys.host.grant("k", "dora", Permissions::from_bits(64))) == "bad_request");
  CHECK(code_of(keys.host.grant("k", "dora", Permissions::from_bits(0x80000001))) == "bad_request");
  // By a UID alone: an alias may move to another key.
  for (const char* uid : {"none", "a", "k_pk", "hsm::softhsm2::0::none"}) {
    INFO(uid);
    CHECK(code_of(keys.host.grant(uid, "dora", {Permission::decrypt})) == "not_found");
    CHECK(code_of(keys.olga.grant(uid, "dora", {Permission::decrypt})) == "not_found");
    CHECK(code_of(keys.host.grants(uid)) == "not_found");
    CHECK(code_of(keys.host.revoke(uid, "dora")) == "not_found");
    CHECK(code_of(keys.olga.revoke(uid, "dora")) == "not_found");
    CHECK(code_of(keys.olga.set_key_state(uid, KeyState::deactivated)) == "not_found");
    CHECK(code_of(keys.olga.add_alias(uid, "b")) == "not_found");
  }
  CHECK(code_of(keys.host.grant("hsm::softhsm2", "dora", {Permission::decrypt})) == "bad_request");
  CHECK(keys.rows() == 0);
}

TEST_CASE("without a database there are admins and no grants", "[gate]") {
  const auto hsm =
      std::make_shared<FullProvider>("hsm::softhsm2::", std::vector<std::string>{"hana"});
  hsm->put(hsm_key, KeyType::rsa);
  const Kms host(library(), {hsm}, Policy{}, {"ada"});
  CHECK(code_of(host.grant(hsm_key, "dora", {Permission::decrypt})) == "bad_request");
  CHECK(code_of(host.revoke(hsm_key, "dora")) == "bad_request");
  CHECK(code_of(host.grants(hsm_key)) == "bad_request");
  CHECK(code_of(as(host, "dora").grants(hsm_key)) == "forbidden");
  CHECK(decrypt(as(host, "dora"), rsa_token(hsm_key)).text() == "forbidden");
  CHECK(decrypt(as(host, "hana"), rsa_token(hsm_key)).text() == "content");
  CHECK(decrypt(as(host, "ada"), rsa_token(hsm_key)).text() == "content");
}

TEST_CASE("owners and grants are there after a restart", "[gate]") {
  Keys keys;
  keys.olga.grant("k", "dora", {Permission::decrypt}).value();
  keys.host.grant(hsm_key, "dora", {Permission::decrypt}).value();
  const Kms again = open(keys.options).value();
  for (const std::string& uid : {std::string("k"), hsm_key}) {
    CHECK(decrypt(as(again, "dora"), rsa_token(uid)).text() == "content");
    CHECK(shown(again.grants(uid)) == "dora: decrypt");
  }
  CHECK(decrypt(as(again, "olga"), rsa_token("k")).text() == "content");
}

TEST_CASE("a key that is destroyed takes its grants along", "[gate]") {
  const Keys keys;
  for (const std::string& uid : {std::string("k"), hsm_key}) {
    keys.host.grant(uid, "dora", {Permission::decrypt}).value();
    keys.host.grant(uid, "*", {Permission::decrypt}).value();
    CHECK(keys.rows("principal = CAST('dora' AS BLOB)") == 1);
    CHECK(code_of(keys.host.set_key_state(uid, KeyState::destroyed)) == "ok");
    CHECK(keys.rows() == 0);
    CHECK(code_of(keys.host.grants(uid)) == "not_found");
  }
}

TEST_CASE("a new key under an old name inherits no grants", "[gate][threat]") {
  const Keys keys;
  const auto refused = [&](const std::string& uid) {
    CHECK(decrypt(keys.dora, rsa_token(uid)).text() == "forbidden");
    CHECK(shown(keys.host.grants(uid)) == "");
  };
  keys.host.grant(hsm_key, "dora", all_permissions).value();
  CHECK(decrypt(keys.dora, rsa_token(hsm_key)).text() == "content");
  SECTION("of a key that somebody destroyed past this library") {
    keys.hsm->lose(hsm_key);
    (void)keys.host.create_key({.uid = hsm_key}).value();
    refused(hsm_key);
  }
  SECTION("of a key that is only remembered to be there") {
    (void)keys.host.create_key({.uid = hsm_key}).value();
    refused(hsm_key);
  }
  SECTION("of a key whose place a CEK takes") {
    const std::string parent = "hsm::softhsm2::0::parent";
    keys.hsm->put(parent, KeyType::rsa);
    keys.hsm->lose(hsm_key);
    CHECK(code_of(keys.host.unwrap_key(rsa_token(parent), {.uid = hsm_key})) == "ok");
    CHECK(code_of(keys.dora.describe_key(hsm_key)) == "forbidden");
  }
  SECTION("of a key of a provider that is no more") {
    const auto cloud = std::make_shared<FullProvider>("cloud:");
    cloud->put("cloud:k", KeyType::rsa);
    Options options = keys.options;
    options.providers = {cloud};
    open(options).value().grant("cloud:k", "dora", all_permissions).value();
    const std::string jwk = R"({"kty":"oct","kid":"cloud:k","k":")" + b64(pattern(32)) + R"("})";
    CHECK(keys.olga.import_key({.data = bytes(jwk)}).value().uid == "cloud:k");
    CHECK(code_of(keys.dora.describe_key("cloud:k")) == "forbidden");
  }
  SECTION("but a name that is taken keeps its own") {
    keys.hsm->refusal = Error{Errc::conflict, 0, "taken"};
    CHECK(code_of(keys.host.create_key({.uid = hsm_key})) == "conflict");
    CHECK(decrypt(keys.dora, rsa_token(hsm_key)).text() == "content");
  }
}

TEST_CASE("no key is made where old grants of its name may remain", "[gate][threat]") {
  const Keys keys;
  keys.host.grant(hsm_key, "dora", all_permissions).value();
  keys.hsm->lose(hsm_key);
  std::filesystem::rename(keys.folder.file("keys.sqlite"), keys.folder.file("away"));
  CHECK(code_of(keys.host.create_key({.uid = hsm_key})) == "unavailable");
  CHECK(keys.hsm->changes == 0);
  std::filesystem::rename(keys.folder.file("away"), keys.folder.file("keys.sqlite"));
}

TEST_CASE("an outage of the database is no refusal", "[gate][threat]") {
  const Keys keys;
  keys.host.grant(hsm_key, "dora", all_permissions).value();
  std::filesystem::rename(keys.folder.file("keys.sqlite"), keys.folder.file("away"));
  CHECK(decrypt(keys.dora, rsa_token(hsm_key)).text() == "unavailable");
  CHECK(decrypt(as(keys.host, "hana"), rsa_token(hsm_key)).text() == "content");
  std::filesystem::rename(keys.folder.file("away"), keys.folder.file("keys.sqlite"));
  CHECK(decrypt(keys.dora, rsa_token(hsm_key)).text() == "content");
}

TEST_CASE("a grant is looked up in memory", "[gate]") {
  Keys keys;
  keys.olga.grant("k", "dora", {Permission::decrypt}).value();
  keys.host.grant(hsm_key, "dora", {Permission::decrypt}).value();
  keys.options.database.cache_ttl = 1h;
  const Kms host = open(keys.options).value();
  const Kms dora = as(host, "dora"), nora = as(host, "nora");
  for (const std::string& uid : {std::string("k"), hsm_key}) {
    CHECK(decrypt(dora, rsa_token(uid)).text() == "content");
    CHECK(decrypt(nora, rsa_token(uid)).text() == "forbidden");
  }
  // Nobody asks the database any more.
  std::filesystem::rename(keys.folder.file("keys.sqlite"), keys.folder.file("away"));
  for (const std::string& uid : {std::string("k"), hsm_key}) {
    CHECK(decrypt(dora, rsa_token(uid)).text() == "content");
    CHECK(decrypt(nora, rsa_token(uid)).text() == "forbidden");
  }
  std::filesystem::rename(keys.folder.file("away"), keys.folder.file("keys.sqlite"));
  // A change of one's own is seen at once.
  host.grant(hsm_key, "nora", {Permission::decrypt}).value();
  host.revoke(hsm_key, "dora").value();
  CHECK(decrypt(dora, rsa_token(hsm_key)).text() == "forbidden");
  CHECK(decrypt(nora, rsa_token(hsm_key)).text() == "content");
}

TEST_CASE("grants are kept for many, and none is confused with another", "[gate]") {
  Keys keys;
  keys.options.database.cache_entries = 1;  // sixteen principals of one key
  keys.options.database.cache_ttl = 1h;
  const Kms host = open(keys.options).value();
  for (int i = 0; i < 40; i += 2)
    host.grant(hsm_key, "p" + std::to_string(i), {Permission::decrypt}).value();
  // Names that run into each other when one is put behind the other.
  keys.hsm->put(hsm_key + "p", KeyType::rsa);
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 40; ++i) {
      INFO(i);
      const Kms one = as(host, "p" + std::to_string(i));
      CHECK(decrypt(one, rsa_token(hsm_key)).text() == (i % 2 == 0 ? "content" : "forbidden"));
      CHECK(decrypt(as(host, std::to_string(i)), rsa_token(hsm_key + "p")).text() == "forbidden");
    }
}

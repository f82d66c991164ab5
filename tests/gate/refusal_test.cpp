// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "world.hpp"

using namespace gate;

// What a refusal tells, and what it does not.

namespace {

const std::string hsm_key = "hsm::softhsm2::0::k";

struct Hsm {
  std::shared_ptr<FullProvider> hsm =
      std::make_shared<FullProvider>("hsm::softhsm2::", std::vector<std::string>{"hana"});
  Kms host{library(), {hsm}, Policy::permissive(), {"ada"}};
  Kms nora = as(host, "nora");
  Hsm() { hsm->put(hsm_key, KeyType::rsa); }
};

std::string header(std::string_view alg, std::string_view enc, std::string_view kid) {
  return R"({"alg":")" + std::string(alg) + R"(","enc":")" + std::string(enc) + R"(","kid":")" +
         std::string(kid) + R"("})";
}

}  // namespace

TEST_CASE("a refusal says that a key is there and nothing of it", "[gate][threat]") {
  const TempDir folder;
  const Kms host = open(options_in(folder)).value();
  const Bytes raw = pattern(32), small = pattern(16);
  for (const char* state : {"active", "deactivated", "compromised"})
    (void)host
        .import_key({.format = KeyFormat::raw,
                     .data = raw,
                     .uid = state,
                     .enc = Enc::A256GCM,
                     .owner = "olga"})
        .value();
  (void)host.import_key({.format = KeyFormat::raw, .data = small, .uid = "small", .owner = "olga"})
      .value();
  (void)host.set_key_state("deactivated", KeyState::deactivated).value();
  (void)host.set_key_state("compromised", KeyState::compromised).value();
  const Kms nora = as(host, "nora");
  std::set<std::string> texts;
  for (const std::string uid : {"active", "deactivated", "compromised", "small"}) {
    for (const char* alg : {"dir", "RSA-OAEP"}) {
      TokenParts parts = seal_token(header(alg, "A256GCM", uid), raw, bytes("content"));
      if (alg == std::string("RSA-OAEP")) parts.encrypted_key = b64(pattern(256));
      const Decrypted got = decrypt(nora, parts.compact());
      INFO(uid << ' ' << alg);
      CHECK(got.text() == "forbidden");
      CHECK(got.clean());
      texts.insert(got.result.error().text);
    }
    for (const Alg alg : {Alg::dir, Alg::RSA_OAEP}) {
      const auto got = encrypt(nora, {}, {.key = uid, .alg = alg});
      CHECK(code_of(got) == "forbidden");
      texts.insert(got.error().text);
    }
    CHECK(code_of(nora.set_key_state(uid, KeyState::active)) == "forbidden");
    CHECK(code_of(nora.add_alias(uid, "hsm::malformed")) == "forbidden");
    CHECK(code_of(nora.add_alias(uid, "small")) == "forbidden");
  }
  CHECK(texts.size() == 1);
  CHECK(decrypt(nora, rsa_token("none")).text() == "not_found");
  CHECK(code_of(nora.describe_key("none")) == "not_found");
  // A malformed token is malformed, whoever sends it.
  const std::string sound = seal_token(header("dir", "A256GCM", "active"), raw, {}).compact();
  CHECK(decrypt(nora, sound + "!").text() == "bad_request");
}

TEST_CASE("what an HSM says against a key is for its users", "[gate][threat]") {
  const Hsm world;
  for (const Errc code : {Errc::crypto_failure, Errc::forbidden}) {
    world.hsm->complaint = Error{code, 0, "a detail"};
    const auto refused = world.nora.describe_key(hsm_key);
    CHECK(code_of(refused) == "forbidden");
    CHECK(refused.error().text != std::string("a detail"));
    for (const char* somebody : {"", "ada", "hana"}) {
      const auto told = Acting(world.host, somebody).kms().describe_key(hsm_key);
      CHECK(code_of(told) == name(code));
      CHECK(told.error().text == std::string("a detail"));
    }
  }
  // An outage is one for everybody.
  world.hsm->complaint = outage;
  CHECK(code_of(world.nora.describe_key(hsm_key)) == "unavailable");
  CHECK(decrypt(world.nora, rsa_token(hsm_key)).text() == "unavailable");
}

TEST_CASE("a refused call reaches neither keys nor providers", "[gate][threat]") {
  const Hsm world;
  CHECK(decrypt(world.nora, rsa_token(hsm_key)).text() == "forbidden");
  CHECK(code_of(world.nora.unwrap_key(rsa_token(hsm_key))) == "forbidden");
  CHECK(code_of(world.nora.unwrap_key(rsa_token(hsm_key), {.store_in_hsm = true})) == "forbidden");
  CHECK(code_of(encrypt(world.nora, {}, {.key = hsm_key})) == "forbidden");
  CHECK(code_of(world.nora.create_key({.uid = hsm_key})) == "forbidden");
  CHECK(code_of(world.nora.create_key({.uid = hsm_key + "2"})) == "forbidden");
  CHECK(code_of(world.nora.set_key_state(hsm_key, KeyState::destroyed)) == "forbidden");
  CHECK(world.hsm->changes == 0);
  CHECK(world.hsm->calls().all() == world.hsm->calls().resolve);
}

TEST_CASE("of several recipients the first whose key one may use is taken", "[gate]") {
  const TempDir folder;
  const Kms host = open(options_in(folder)).value();
  const Bytes der = pkcs8(*rsa_key());
  for (const char* owner : {"olga", "dora"})
    (void)host
        .import_key({.format = KeyFormat::der,
                     .data = der,
                     .uid = std::string(owner) + "'s",
                     .owner = owner})
        .value();
  const TokenParts parts =
      seal_for(*rsa_key(), R"({"enc":"A256GCM"})", Alg::RSA_OAEP, bytes("content"));
  const auto for_kid = [&](const std::string& kid) {
    return recipient(R"({"alg":"RSA-OAEP","kid":")" + kid + R"("})", parts.encrypted_key);
  };
  const std::string token = general(parts, {for_kid("olga's"), for_kid("dora's")});
  CHECK(decrypt(as(host, "olga"), token).text() == "content");
  CHECK(decrypt(as(host, "dora"), token).text() == "content");
  CHECK(decrypt(as(host, "nora"), token).text() == "forbidden");
  CHECK(decrypt(as(host, "dora"), token, {.key = "olga's"}).text() == "forbidden");
  CHECK(decrypt(as(host, "nora"), general(parts, {for_kid("olga's"), for_kid("none")})).text() ==
        "forbidden");
  CHECK(decrypt(as(host, "nora"), general(parts, {for_kid("none")})).text() == "not_found");
}

TEST_CASE("keys belong to whoever makes them", "[gate]") {
  const TempDir folder;
  const Kms host = open(options_in(folder)).value();
  const Kms olga = as(host, "olga");
  const Bytes raw = pattern(32), der = pkcs8(*rsa_key());
  CHECK(olga.create_key({.type = KeyType::oct}).value().owner == "olga");
  CHECK(olga.create_key({.type = KeyType::oct, .owner = "olga"}).value().owner == "olga");
  CHECK(olga.import_key({.format = KeyFormat::raw, .data = raw}).value().owner == "olga");
  (void)olga.import_key({.format = KeyFormat::der, .data = der, .uid = "k"}).value();
  const KeyInfo kept = olga.unwrap_key(rsa_token("k")).value();
  CHECK(kept.owner == "olga");
  CHECK(code_of(as(host, "dora").describe_key(kept.uid)) == "forbidden");
  CHECK(as(host, "ada").create_key({.type = KeyType::oct}).value().owner == "ada");
  CHECK(as(host, "ada").create_key({.type = KeyType::oct, .owner = "zoe"}).value().owner == "zoe");
  CHECK(host.create_key({.type = KeyType::oct, .owner = "zoe"}).value().owner == "zoe");
  // Nobody's, and so the admins'.
  const KeyInfo nobodys = host.create_key({.type = KeyType::oct}).value();
  CHECK(nobodys.owner.empty());
  CHECK(code_of(olga.describe_key(nobodys.uid)) == "forbidden");
  CHECK(code_of(as(host, "ada").describe_key(nobodys.uid)) == "ok");
}

TEST_CASE("a provider of one's own may keep owners, too", "[gate]") {
  const auto cloud = std::make_shared<FullProvider>("cloud:");
  cloud->owners = true;
  const Kms host(library(), {cloud}, Policy::permissive());
  CHECK(as(host, "olga").create_key({.uid = "cloud:k"}).value().owner == "olga");
  CHECK(decrypt(as(host, "olga"), rsa_token("cloud:k")).text() == "content");
  CHECK(decrypt(as(host, "nora"), rsa_token("cloud:k")).text() == "forbidden");
}

TEST_CASE("pages are full, whatever is left out", "[gate]") {
  const TempDir folder;
  const Kms host = open(options_in(folder)).value();
  const Bytes raw = pattern(32);
  for (int i = 10; i < 31; ++i)
    (void)host
        .import_key({.format = KeyFormat::raw,
                     .data = raw,
                     .uid = "k" + std::to_string(i),
                     .owner = i % 3 == 0 ? "olga" : "dora"})
        .value();
  host.grant("k13", "olga", {Permission::encrypt}).value();
  const auto pages = [&](std::size_t limit) {
    const Kms olga = as(host, "olga");
    std::string text;
    ListKeys request{.limit = limit};
    for (bool more = true; more;) {
      const KeyPage page = olga.list_keys(request).value();
      text += text.empty() ? "" : " | ";
      for (const KeyInfo& info : page.keys) text += info.uid.substr(1) + ',';
      more = page.more;
      if (more) request.after = page.keys.back().uid;
    }
    return text;
  };
  CHECK(pages(3) == "12,13,15, | 18,21,24, | 27,30,");
  CHECK(pages(4) == "12,13,15,18, | 21,24,27,30,");
  CHECK(pages(1000) == "12,13,15,18,21,24,27,30,");
  CHECK(as(host, "nora").list_keys({}).value().keys.empty());
  CHECK(code_of(as(host, "olga").list_keys({.limit = 0})) == "bad_request");
  CHECK(code_of(as(host, "olga").list_keys({.limit = 1001})) == "bad_request");
  CHECK(code_of(as(host, "olga").list_keys({}, "none:")) == "not_found");
}

TEST_CASE("a Kms for a principal stands on its own", "[gate]") {
  const TempDir folder;
  std::optional<Kms> host(open(options_in(folder)).value());
  const Kms olga = as(*host, "olga");
  CHECK(olga.principal() == "olga");
  CHECK(host->principal().empty());
  CHECK(code_of(olga.on_behalf_of("olga")) == "forbidden");
  CHECK(code_of(olga.on_behalf_of("ada")) == "forbidden");
  CHECK(&olga.policy() == &host->policy());
  host.reset();
  const KeyInfo made = olga.create_key({.type = KeyType::oct}).value();
  CHECK(code_of(olga.describe_key(made.uid)) == "ok");
}

namespace {

/// Answers every name with a key that is another provider's.
class Impostor final : public KeyProvider {
 public:
  explicit Impostor(std::shared_ptr<FullProvider> keys) : keys_(std::move(keys)) {}
  std::string_view uid_prefix() const noexcept override { return "mine::"; }
  Result<std::shared_ptr<const Key>> resolve(std::string_view) const override {
    return keys_->resolve("k");
  }

 private:
  std::shared_ptr<FullProvider> keys_;
};

}  // namespace

TEST_CASE("a provider cannot pass off another's key, and its grants, as its own",
          "[gate][threat]") {
  const TempDir folder;
  const auto keys = std::make_shared<FullProvider>("");
  keys->put("k", KeyType::rsa);
  const Kms host = open(options_in(folder, {std::make_shared<Impostor>(keys)})).value();
  const Bytes der = pkcs8(*rsa_key());
  (void)host.import_key({.format = KeyFormat::der, .data = der, .uid = "k"}).value();
  host.grant("k", "dora", {Permission::decrypt}).value();
  const Kms dora = as(host, "dora");
  CHECK(decrypt(dora, rsa_token("k")).text() == "content");
  CHECK(decrypt(dora, rsa_token("mine::x")).text() == "internal_error");
  CHECK(code_of(dora.describe_key("mine::x")) == "internal_error");
}

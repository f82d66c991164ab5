// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <mutex>
#include <thread>

#include "table.hpp"

using namespace gate;

namespace {

/// What was reported, one line an event.
struct Log {
  std::mutex mutex;
  std::vector<std::string> lines;
  [[nodiscard]] AuditSink sink() {
    return [this](const AuditEvent& e) {
      std::string line(e.principal.empty() ? "host" : e.principal);
      line += ' ' + std::string(e.operation);
      for (const auto& [label, text] :
           {std::pair{"kid", e.kid}, {"uid", e.uid}, {"other", e.other}})
        if (!text.empty()) line += ' ' + std::string(label) + '=' + std::string(text);
      if (!e.permissions.empty()) line += " permissions=" + std::to_string(e.permissions.bits());
      line += ' ' + std::string(e.error ? name(*e.error) : "ok");
      const bool timely = e.time.count() > 0 && e.time < std::chrono::minutes(1);
      const std::lock_guard lock(mutex);
      lines.push_back(timely ? line : line + " at the wrong time");
    };
  }
  [[nodiscard]] std::vector<std::string> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(lines, {});
  }
};

using Lines = std::vector<std::string>;

struct Audited {
  Log log;
  TempDir folder;
  std::shared_ptr<FullProvider> hsm =
      std::make_shared<FullProvider>("hsm::softhsm2::", std::vector<std::string>{"hana"});
  Kms host;
  Audited() : host(make()) {
    const Bytes der = pkcs8(*rsa_key());
    (void)host
        .import_key(
            {.format = KeyFormat::der, .data = der, .uid = "k", .aliases = {"a"}, .owner = "olga"})
        .value();
    (void)log.take();
  }
  [[nodiscard]] Kms make() {
    Options options = options_in(folder, {hsm});
    options.on_audit = log.sink();
    return open(options).value();
  }
};

}  // namespace

TEST_CASE("each call is reported once, with who did what to which key", "[gate][audit]") {
  Audited world;
  const Kms& host = world.host;
  const Kms olga = as(host, "olga"), nora = as(host, "nora");
  const auto log = [&] { return world.log.take(); };
  CHECK(log().empty());  // to act for somebody is no call

  (void)decrypt(olga, rsa_token("k"));
  CHECK(log() == Lines{"olga decrypt kid=k uid=k ok"});
  (void)decrypt(olga, rsa_token("a"));
  CHECK(log() == Lines{"olga decrypt kid=a uid=k ok"});
  (void)decrypt(olga, rsa_token("k_pk"));
  CHECK(log() == Lines{"olga decrypt kid=k_pk uid=k ok"});
  (void)decrypt(nora, rsa_token("k"));
  CHECK(log() == Lines{"nora decrypt kid=k uid=k forbidden"});
  (void)decrypt(nora, rsa_token("none"));
  CHECK(log() == Lines{"nora decrypt kid=none not_found"});
  (void)decrypt(olga, rsa_token("none"), {.key = "k"});
  CHECK(log() == Lines{"olga decrypt kid=k uid=k ok"});
  (void)decrypt(olga, "no token");
  CHECK(log() == Lines{"olga decrypt bad_request"});
  const std::string token = rsa_token("k");
  (void)decrypt(olga, with_other_letter(token, token.rfind('.') + 3));
  CHECK(log() == Lines{"olga decrypt kid=k uid=k decryption_failed"});

  (void)encrypt(host, {}, {.key = "a"});
  CHECK(log() == Lines{"host encrypt kid=a uid=k ok"});
  (void)host.create_key({.uid = "two"});
  CHECK(log() == Lines{"host create_key kid=two uid=two ok"});
  (void)reencrypt(host, rsa_token("a"), {}, {.key = "two"});
  CHECK(log() == Lines{"host reencrypt kid=a uid=k other=two ok"});
  (void)reencrypt(olga, rsa_token("a"), {}, {.key = "two"});
  CHECK(log() == Lines{"olga reencrypt kid=a uid=k other=two forbidden"});

  const std::string made = olga.create_key({.type = KeyType::oct}).value().uid;
  CHECK(log() == Lines{"olga create_key uid=" + made + " ok"});
  (void)olga.create_key({.uid = "k"});
  CHECK(log() == Lines{"olga create_key kid=k conflict"});
  const std::string kept = olga.unwrap_key(rsa_token("a")).value().uid;
  CHECK(log() == Lines{"olga unwrap_key kid=a uid=k other=" + kept + " ok"});
  (void)nora.create_key({.uid = "hsm::softhsm2::0::k"});
  CHECK(log() == Lines{"nora create_key kid=hsm::softhsm2::0::k forbidden"});

  (void)olga.describe_key("a");
  (void)olga.list_keys({});
  (void)olga.public_jwk("a");
  (void)olga.public_jwks();
  CHECK(log() == Lines{"olga describe_key kid=a uid=k ok", "olga list_keys ok",
                       "olga public_jwk kid=a uid=k ok", "olga public_jwks ok"});
  (void)olga.add_alias("k", "b");
  (void)olga.remove_alias("b");
  (void)nora.remove_alias("a");
  CHECK(log() == Lines{"olga add_alias kid=k uid=k other=b ok", "olga remove_alias kid=b uid=k ok",
                       "nora remove_alias kid=a uid=k forbidden"});
  (void)olga.grant("k", "nora", {Permission::decrypt, Permission::unwrap});
  (void)olga.grants("k");
  (void)olga.revoke("k", "nora");
  (void)olga.grant("k", "", {Permission::decrypt});
  CHECK(log() == Lines{"olga grant kid=k uid=k other=nora permissions=5 ok",
                       "olga grants kid=k uid=k ok", "olga revoke kid=k uid=k other=nora ok",
                       "olga grant kid=k permissions=1 bad_request"});
  (void)olga.set_key_state("k", KeyState::deactivated);
  (void)olga.set_key_state("k", KeyState::destroyed);
  CHECK(log() == Lines{"olga set_key_state kid=k uid=k ok", "olga destroy_key kid=k uid=k ok"});
}

TEST_CASE("no member of Kms goes unreported", "[gate][audit]") {
  Audited world;
  make_own_keys(world.host);
  const Kms ada = as(world.host, "ada");

  class Nowhere final : public Place {
   public:
    explicit Nowhere(const Kms& host_kms) : Place(host_kms) { rsa = oct = "k"; }
    std::string listing() const override { return ""; }
    std::string state() const override { return ""; }
    std::string dir_token() const override { return rsa_token("k"); }

   private:
    std::string prefix() const override { return "new"; }
    void make_keys() override {}
  };
  Nowhere place(world.host);
  for (const auto& [name, operation] : operations()) {
    INFO(name);
    Try attempt{ada, place, "own of host"};
    (void)world.log.take();
    (void)operation.run(attempt);
    int mine = 0;
    for (const std::string& line : world.log.take()) mine += line.starts_with("ada ") ? 1 : 0;
    CHECK(mine == (name == "on_behalf_of" ? 0 : 1));
  }
}

TEST_CASE("of several recipients the one that was taken is reported", "[gate][audit]") {
  Audited world;
  const TokenParts parts =
      seal_for(*rsa_key(), R"({"enc":"A256GCM"})", Alg::RSA_OAEP, bytes("content"));
  std::vector<std::string> recipients;
  for (const char* kid : {"none", "a", "nobody's"})
    recipients.push_back(recipient(R"({"alg":"RSA-OAEP","kid":")" + std::string(kid) + R"("})",
                                   parts.encrypted_key));
  (void)decrypt(as(world.host, "olga"), general(parts, recipients));
  (void)decrypt(as(world.host, "nora"), general(parts, recipients));
  CHECK(world.log.take() ==
        Lines{"olga decrypt kid=a uid=k ok", "nora decrypt kid=a uid=k forbidden"});
}

TEST_CASE("events come from the thread that called, before its call returns", "[gate][audit]") {
  const TempDir folder;
  Options options = options_in(folder);
  std::atomic<int> wrong = 0;
  thread_local int events = 0;
  options.on_audit = [](const AuditEvent&) { ++events; };
  const Kms host = open(options).value();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 1; i <= 100; ++i) {
        (void)host.describe_key("none");
        if (events != i) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

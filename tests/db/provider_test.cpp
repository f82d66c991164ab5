// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "check.hpp"
#include "jwekms/json.hpp"

using namespace jwekms;
using namespace jwekms::db::test;

namespace {

const AlgSet all_rsa{Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::RSA_OAEP_384, Alg::RSA_OAEP_512};

std::vector<std::string> uids(const KeyPage& page) {
  std::vector<std::string> out;
  for (const KeyInfo& info : page.keys) out.push_back(info.uid);
  return out;
}

ImportKey jwk_import(const std::string& text) {
  ImportKey request;
  request.format = KeyFormat::jwk;
  request.data = {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  return request;
}

}  // namespace

TEST_CASE("a created RSA key is found, works and survives a restart", "[db]") {
  const TempDir dir;
  CreateKey request;
  request.owner = "alice";
  request.aliases = {"b", "a"};
  const KeyInfo made = open_db(dir)->create(request).value();
  CHECK(made.uid.size() == 36);
  CHECK(made.uid[14] == '4');
  CHECK(made.type == KeyType::rsa);
  CHECK(made.bits == 2048);
  CHECK(made.algs == all_rsa);
  CHECK(made.state == KeyState::active);
  CHECK(made.version == 1);
  CHECK(made.created_at_s > 1'700'000'000);
  CHECK(made.aliases == std::vector<std::string>{"a", "b"});

  const auto db = open_db(dir);
  for (const std::string& kid : {made.uid, std::string("a"), std::string("b")}) {
    const auto key = db->resolve(kid).value();
    CHECK(key->info().uid == made.uid);
    CHECK(key->info().owner == "alice");
    CHECK(key->info().bits == 2048);
    CHECK(key->info().algs == all_rsa);
    CHECK(key->info().created_at_s == made.created_at_s);
    CHECK(key->info().aliases == made.aliases);
    CHECK(works(*key));
  }
  // One object under all its names: contexts and encryption counts are shared.
  CHECK(db->resolve("a").value() == db->resolve(made.uid).value());
  CHECK(code_of(db->resolve("c")) == "not_found");
}

TEST_CASE("the database file is private from the start", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  (void)db->create(oct_request("k")).value();
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    INFO(entry.path());
    CHECK((entry.status().permissions() & std::filesystem::perms(077)) ==
          std::filesystem::perms::none);
  }
}

TEST_CASE("symmetric keys are made for each enc and bound to it", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  for (const EncRow& enc : enc_table) {
    INFO(enc.name);
    const Result<KeyInfo> made = db->create(oct_request(std::string(enc.name), enc.id));
    if (enc.support != Support::implemented) {
      CHECK(code_of(made) == "bad_request");
      continue;
    }
    REQUIRE(made);
    CHECK(made->bits == enc.cek_bytes * 8U);
    CHECK(made->enc == enc.id);
    CHECK(made->algs == AlgSet{Alg::dir});
    const auto key = db->resolve(enc.name).value();
    CHECK(works(*key));
    CHECK(key->content_key(enc).value() == key->content_key(enc).value());
    for (const EncRow& other : enc_table)
      if (other.id != enc.id) CHECK(code_of(key->content_key(other)) == "crypto_failure");
    CHECK(code_of(key->public_jwk()) == "crypto_failure");
    CHECK(code_of(key->wrap(row(Alg::RSA_OAEP), enc)) == "crypto_failure");
  }
  CreateKey unnamed;
  unnamed.type = KeyType::oct;
  CHECK(db->create(unnamed).value().enc == Enc::A256GCM);
}

TEST_CASE("two created keys differ", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  (void)db->create(oct_request("one")).value();
  (void)db->create(oct_request("two")).value();
  const EncRow& enc = row(Enc::A256GCM);
  CHECK_FALSE(round_trip(*db->resolve("one").value()->content_key(enc).value(),
                         *db->resolve("two").value()->content_key(enc).value()));
}

TEST_CASE("requests that make no sense are refused", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  const auto refused = [&](auto edit) {
    CreateKey request = oct_request("x");
    edit(request);
    return code_of(db->create(request));
  };
  CHECK(refused([](CreateKey& r) { r.uid = "hsm::softhsm2::0::x"; }) == "bad_request");
  CHECK(refused([](CreateKey& r) { r.uid = "hsm::x"; }) == "bad_request");
  CHECK(refused([](CreateKey& r) { r.uid = std::string(257, 'x'); }) == "bad_request");
  CHECK(refused([](CreateKey& r) { r.uid = std::string("a\0b", 3); }) == "bad_request");
  CHECK(refused([](CreateKey& r) { r.aliases = {"hsm::softhsm2::0::x"}; }) == "bad_request");
  CHECK(refused([](CreateKey& r) { r.aliases = {""}; }) == "bad_request");
  CHECK(refused([](CreateKey& r) { r.bits = 128; }) == "bad_request");
  CHECK(refused([](CreateKey& r) { r.algs = {Alg::RSA_OAEP}; }) == "bad_request");
  CHECK(refused([](CreateKey& r) { r.algs = {Alg::A256KW}; }) == "bad_request");
  CHECK(refused([](CreateKey& r) { r.owner = std::string(257, 'x'); }) == "bad_request");
  const auto rsa = [](CreateKey& r) { r.type = KeyType::rsa, r.enc.reset(); };
  CHECK(refused([&](CreateKey& r) { rsa(r), r.bits = 1024; }) == "bad_request");
  CHECK(refused([&](CreateKey& r) { rsa(r), r.bits = 2049; }) == "bad_request");
  CHECK(refused([&](CreateKey& r) { rsa(r), r.algs = {Alg::dir}; }) == "bad_request");
  CHECK(refused([&](CreateKey& r) { rsa(r), r.algs = {Alg::RSA1_5}; }) == "bad_request");
  CHECK(refused([&](CreateKey& r) { rsa(r), r.enc = Enc::A128GCM; }) == "bad_request");
  CHECK(db->list({}).value().keys.empty());
}

TEST_CASE("an RSA key below the policy's size does not come in", "[db]") {
  const TempDir dir;
  Policy policy;
  policy.rsa_min_bits = 3072;
  const auto db = try_open(options_in(dir), {}, policy).value();
  CHECK(code_of(db->create({})) == "crypto_failure");
  CHECK(code_of(db->import(rsa_import(rsa_der(), "r"))) == "crypto_failure");
  CHECK(db->list({}).value().keys.empty());
}

TEST_CASE("imported keys work and keep what their JWK says", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  const KeyInfo rsa = db->import(rsa_import(rsa_der(), "r")).value();
  CHECK(rsa.bits == 2048);
  CHECK(rsa.algs == all_rsa);
  CHECK(works(*db, "r"));

  const Bytes bytes(16, 0x5A);
  const KeyInfo unbound = db->import(raw_import(bytes, "o")).value();
  CHECK(unbound.bits == 128);
  CHECK_FALSE(unbound.enc);
  CHECK(unbound.algs == AlgSet{Alg::dir});
  CHECK(works(*db, "o"));
  CHECK(code_of(db->resolve("o").value()->content_key(row(Enc::A256GCM))) == "crypto_failure");

  const std::string jwk = R"({"kty":"oct","k":"WlpaWlpaWlpaWlpaWlpaWg","kid":"from jwk",)"
                          R"("alg":"A128GCM","key_ops":["decrypt"]})";
  const KeyInfo bound = db->import(jwk_import(jwk)).value();
  CHECK(bound.uid == "from jwk");
  CHECK(bound.enc == Enc::A128GCM);
  CHECK(bound.may_decrypt);
  CHECK_FALSE(bound.may_encrypt);
  const auto key = open_db(dir)->resolve("from jwk").value();
  CHECK_FALSE(key->info().may_encrypt);
  CHECK(key->info().enc == Enc::A128GCM);
  // The same bytes, so one opens what the other sealed.
  CHECK(round_trip(*db->resolve("o").value()->content_key(row(Enc::A128GCM)).value(),
                   *key->content_key(row(Enc::A128GCM)).value()));
}

TEST_CASE("an import may narrow a key and not widen it", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  ImportKey narrow = rsa_import(rsa_der(), "n");
  narrow.algs = {Alg::RSA_OAEP_256};
  CHECK(db->import(narrow).value().algs == AlgSet{Alg::RSA_OAEP_256});
  ImportKey wrong = rsa_import(rsa_der(), "w");
  wrong.algs = {Alg::RSA_OAEP, Alg::dir};
  CHECK(code_of(db->import(wrong)) == "bad_request");
  wrong = rsa_import(rsa_der(), "w");
  wrong.enc = Enc::A128GCM;
  CHECK(code_of(db->import(wrong)) == "bad_request");

  const Bytes bytes(16, 1);
  ImportKey oct = raw_import(bytes, "o");
  oct.enc = Enc::A256GCM;
  CHECK(code_of(db->import(oct)) == "crypto_failure");
  const std::string bound = R"({"kty":"oct","k":"AQEBAQEBAQEBAQEBAQEBAQ","alg":"A128GCM"})";
  ImportKey other = jwk_import(bound);
  other.enc = Enc::A128CBC_HS256;
  CHECK(code_of(db->import(other)) == "bad_request");
  const Bytes odd(48, 1);  // of A192CBC-HS384 alone
  CHECK(code_of(db->import(raw_import(odd, "odd"))) ==
        (row(Enc::A192CBC_HS384).support == Support::implemented ? "ok" : "crypto_failure"));
  CHECK(code_of(db->import(raw_import({}, "none"))) == "bad_request");
}

TEST_CASE("an unwrapped CEK is kept, bound to its enc and parent", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  (void)db->import(rsa_import(rsa_der(), "parent")).value();
  const auto parent = db->resolve("parent").value();
  const AlgRow& alg = row(Alg::RSA_OAEP_256);
  const EncRow& enc = row(Enc::A192GCM);
  const NewCek cek = parent->wrap(alg, enc).value();
  const JoseHeader header{};
  const WrappedCek wrapped{alg, enc, header, {cek.encrypted_key}};
  KeepCek keep;
  keep.uid = "kept";
  keep.aliases = {"also kept"};
  keep.owner = "bob";
  const KeyInfo info = db->import_wrapped(*parent, wrapped, keep).value();
  CHECK(info.parent == "parent");
  CHECK(info.enc == Enc::A192GCM);
  CHECK(info.bits == 192);
  CHECK(info.algs == AlgSet{Alg::dir});
  CHECK(code_of(db->import_wrapped(*parent, wrapped, keep)) == "conflict");

  const auto key = open_db(dir)->resolve("also kept").value();
  CHECK(key->info().parent == "parent");
  CHECK(key->info().owner == "bob");
  CHECK(round_trip(*cek.content_key, *key->content_key(enc).value()));
  CHECK(code_of(key->content_key(row(Enc::A256GCM))) == "crypto_failure");

  const WrappedCek other_enc{alg, row(Enc::A256GCM), header, {cek.encrypted_key}};
  CHECK(code_of(db->import_wrapped(*parent, other_enc, {})) == "crypto_failure");
  Bytes broken = cek.encrypted_key;
  broken[9] ^= 1;
  CHECK(code_of(db->import_wrapped(*parent, {alg, enc, header, {broken}}, {})) ==
        "decryption_failed");
  CHECK(code_of(db->import_wrapped(*key, wrapped, {})) == "crypto_failure");
}

TEST_CASE("UIDs and aliases are one namespace", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  CreateKey request = oct_request("key");
  request.aliases = {"alias"};
  (void)db->create(request).value();
  (void)db->create(oct_request("other")).value();

  CHECK(code_of(db->create(oct_request("key"))) == "conflict");
  CHECK(code_of(db->create(oct_request("alias"))) == "conflict");
  CHECK(code_of(db->import(raw_import(Bytes(16, 1), "alias"))) == "conflict");
  const auto with_aliases = [](std::vector<std::string> aliases) {
    CreateKey r = oct_request("new");
    r.aliases = std::move(aliases);
    return r;
  };
  CHECK(code_of(db->create(with_aliases({"alias"}))) == "conflict");
  CHECK(code_of(db->create(with_aliases({"fine", "key"}))) == "conflict");
  CHECK(code_of(db->create(with_aliases({"new"}))) == "conflict");
  CHECK(code_of(db->create(with_aliases({"twice", "twice"}))) == "conflict");
  CHECK(code_of(db->resolve("new")) == "not_found");
  CHECK(code_of(db->resolve("fine")) == "not_found");
  CHECK(code_of(db->add_alias("other", "alias")) == "conflict");
  CHECK(code_of(db->add_alias("other", "key")) == "conflict");
  CHECK(code_of(db->add_alias("other", "other")) == "conflict");
  CHECK(db->resolve("other").value()->info().version == 1);
}

TEST_CASE("aliases come and go", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  (void)db->create(oct_request("key")).value();
  CHECK(db->resolve("key").value()->info().aliases.empty());
  CHECK(code_of(db->add_alias("key", "b")) == "ok");
  CHECK(code_of(db->add_alias("key", "a")) == "ok");
  CHECK(db->resolve("a").value()->info().uid == "key");
  CHECK(db->resolve("key").value()->info().aliases == std::vector<std::string>{"a", "b"});
  CHECK(db->resolve("key").value()->info().version == 3);
  CHECK(code_of(db->remove_alias("another", "a")) == "not_found");
  CHECK(code_of(db->remove_alias("key", "a")) == "ok");
  CHECK(code_of(db->resolve("a")) == "not_found");
  CHECK(works(*db, "b"));
  CHECK(db->resolve("b").value()->info().aliases == std::vector<std::string>{"b"});

  CHECK(code_of(db->remove_alias("key", "a")) == "not_found");
  CHECK(code_of(db->remove_alias("key", "key")) == "not_found");
  CHECK(code_of(db->add_alias("nobody", "c")) == "not_found");
  CHECK(code_of(db->add_alias("b", "c")) == "not_found");  // by its UID alone
  CHECK(code_of(db->add_alias("key", "hsm::softhsm2::0::c")) == "bad_request");
}

TEST_CASE("a key's life goes one way", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  CreateKey request = oct_request("key");
  request.aliases = {"alias"};
  (void)db->create(request).value();
  const auto state = [&] { return db->resolve("key").value()->info().state; };

  const KeyInfo same = db->set_state("key", KeyState::active).value();
  CHECK(same.version == 1);
  CHECK(same.aliases == std::vector<std::string>{"alias"});
  CHECK(db->set_state("key", KeyState::deactivated).value().version == 2);
  CHECK(state() == KeyState::deactivated);
  CHECK(db->resolve("alias").value()->info().state == KeyState::deactivated);
  CHECK(code_of(db->set_state("key", KeyState::active)) == "bad_request");
  CHECK(code_of(db->set_state("key", KeyState::compromised)) == "ok");
  CHECK(state() == KeyState::compromised);
  CHECK(works(*db, "key"));
  CHECK(code_of(db->set_state("key", static_cast<KeyState>(9))) == "bad_request");
  CHECK(code_of(db->set_state("alias", KeyState::destroyed)) == "not_found");
  CHECK(code_of(db->set_state("nobody", KeyState::destroyed)) == "not_found");

  const KeyInfo destroyed = db->set_state("key", KeyState::destroyed).value();
  CHECK(destroyed.state == KeyState::destroyed);
  CHECK(destroyed.aliases.empty());
  CHECK(code_of(db->resolve("key")) == "not_found");
  CHECK(code_of(db->resolve("alias")) == "not_found");
  CHECK(db->list({}).value().keys.empty());
  CHECK(code_of(db->set_state("key", KeyState::destroyed)) == "ok");
  CHECK(code_of(db->set_state("key", KeyState::active)) == "not_found");
  CHECK(code_of(db->add_alias("key", "alias")) == "not_found");
  // Its UID stays taken, its alias does not.
  CHECK(code_of(db->create(oct_request("key"))) == "conflict");
  (void)db->create(oct_request("new")).value();
  CHECK(code_of(db->add_alias("new", "key")) == "conflict");
  CHECK(code_of(db->add_alias("new", "alias")) == "ok");
  CHECK(db->resolve("alias").value()->info().uid == "new");
  CHECK(code_of(open_db(dir)->resolve("key")) == "not_found");
}

TEST_CASE("keys are listed in pages, in order, without the destroyed", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  std::vector<std::string> expected;
  for (int i = 0; i < 25; ++i) {
    const std::string uid = "key-" + std::to_string(i);
    (void)db->create(oct_request(uid)).value();
    if (i % 3 == 0)
      (void)db->set_state(uid, KeyState::destroyed).value();
    else
      expected.push_back(uid);
  }
  std::sort(expected.begin(), expected.end());
  (void)db->add_alias(expected[0], "x").value();
  CHECK(uids(db->list({}).value()) == expected);
  CHECK_FALSE(db->list({}).value().more);
  CHECK(db->list({}).value().keys[0].aliases == std::vector<std::string>{"x"});
  for (const std::size_t limit :
       {std::size_t{1}, std::size_t{3}, expected.size() - 1, expected.size(), std::size_t{1000}}) {
    std::vector<std::string> seen;
    ListKeys request{"", limit};
    for (bool more = true; more;) {
      const KeyPage page = db->list(request).value();
      CHECK(page.keys.size() <= limit);
      for (const std::string& uid : uids(page)) seen.push_back(uid);
      more = page.more;
      if (more) request.after = seen.back();
    }
    INFO(limit);
    CHECK(seen == expected);
  }
  CHECK(code_of(db->list({"", 0})) == "bad_request");
  CHECK(code_of(db->list({"", 1001})) == "bad_request");
  CHECK(db->list({"zzz", 5}).value().keys.empty());
}

TEST_CASE("names are opaque bytes: kid injection", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  const std::vector<std::string> names{"'; DROP TABLE keys; --",
                                       "\" OR 1=1",
                                       "%",
                                       "_",
                                       "[a]",
                                       "../../etc/passwd",
                                       "\xff\xfe\x01",
                                       "x'00'",
                                       "NULL",
                                       std::string(256, '?'),
                                       " ",
                                       "kid\n",
                                       "K",
                                       "k"};
  std::set<std::string> sorted(names.begin(), names.end());
  for (const std::string& name : names) (void)db->create(oct_request(name)).value();
  for (const std::string& name : names) {
    INFO(name);
    CHECK(db->resolve(name).value()->info().uid == name);
    CHECK(works(*db, name));
  }
  CHECK(uids(db->list({}).value()) == std::vector<std::string>(sorted.begin(), sorted.end()));
  CHECK(code_of(db->resolve("kid")) == "not_found");
  CHECK(code_of(db->resolve(std::string_view("k\0", 2))) == "not_found");
}

TEST_CASE("a public JWK says what it must and no more", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  const std::string uid = "a \"quoted\" \\ kid\n\x01\xc3\xa9";
  ImportKey request = rsa_import(rsa_der(), uid);
  request.algs = {Alg::RSA_OAEP_256};
  (void)db->import(request).value();
  const std::string text = db->resolve(uid).value()->public_jwk().value();
  const json::Value jwk = json::read(text).value();
  const auto member = [&](const char* name) { return jwk.find(name)->as_string(); };
  CHECK(member("kty").equals("RSA"));
  CHECK(member("kid").equals(uid));
  CHECK(member("use").equals("enc"));
  CHECK(member("alg").equals("RSA-OAEP-256"));
  CHECK(member("e").equals("AQAB"));
  CHECK(member("n").resolved_size() == 342);
  CHECK(jwk.find("key_ops")->text() == R"(["wrapKey","encrypt"])");
  for (const char* secret : {"d", "p", "q", "dp", "dq", "qi", "k"}) CHECK_FALSE(jwk.find(secret));

  (void)db->import(rsa_import(rsa_der(), "\xff")).value();
  const std::string other = db->resolve("\xff").value()->public_jwk().value();
  const json::Value no_utf8 = json::read(other).value();
  CHECK_FALSE(no_utf8.find("kid"));
  CHECK_FALSE(no_utf8.find("alg"));  // it has four
}

TEST_CASE("options are checked", "[db]") {
  const TempDir dir;
  DatabaseOptions options = options_in(dir);
  const Bytes short_kek(31, 1);
  options.kek = short_kek;
  CHECK(code_of(try_open(options)) == "bad_request");
  CHECK(code_of(try_open(options_for(""))) == "bad_request");
  CHECK(code_of(try_open(options_for(std::string("a\0b", 3)))) == "bad_request");
  CHECK(code_of(try_open(options_for(dir.file("no/such/directory")))) == "unavailable");
  CHECK(code_of(try_open(options_for(dir.path()))) == "unavailable");
  options = options_in(dir);
  options.cache_ttl = std::chrono::milliseconds(-1);
  CHECK(code_of(try_open(options)) == "bad_request");
}

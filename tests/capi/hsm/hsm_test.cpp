// SPDX-License-Identifier: Apache-2.0
// The C ABI with SoftHSM behind it: the token of tests/pkcs11/run.sh.
#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

#include "../fixture.hpp"

namespace {

std::string env(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string("not set: ") + name);
  return value;
}

/// Options for the token, with a database beside it where a test wants one.
struct Token {
  std::string module = env("JWEKMS_TEST_SOFTHSM2_MODULE");
  std::string label = env("JWEKMS_TEST_SOFTHSM2_LABEL");
  std::string pin = env("JWEKMS_TEST_SOFTHSM2_PIN");
  jwekms_hsm_slot slot = JWEKMS_HSM_SLOT_INIT;
  const jwekms_hsm_slot* slots[1] = {&slot};
  jwekms_hsm_options hsm = JWEKMS_HSM_OPTIONS_INIT;
  const jwekms_hsm_options* hsms[1] = {&hsm};
  jwekms_open_options open = JWEKMS_OPEN_OPTIONS_INIT;

  Token() {
    slot.token_label = label.data(), slot.token_label_len = label.size();
    slot.pin = pin.data(), slot.pin_len = pin.size();
    hsm.model = "softhsm2", hsm.model_len = 8;
    hsm.module_path = module.data(), hsm.module_path_len = module.size();
    hsm.slots = slots, hsm.slot_count = 1;
    open.hsms = hsms, open.hsm_count = 1;
    open.on_warning = [](void*, const char*, std::size_t) {};
  }
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;
};

std::string uid_of(const jwekms_key_info* info) { return text_of(jwekms_key_info_uid, info); }

/// A UID that no test has used yet.
std::string fresh_uid() {
  static int count = 0;
  return "hsm::softhsm2::0::capi-" + std::to_string(++count);
}

std::string encrypt_for(const Ctx& ctx, const std::string& uid, std::string_view alg,
                        std::string_view message) {
  return encrypt(ctx, message, encrypt_to(uid, alg));
}

jwekms_status unwrap(const Ctx& ctx, std::string_view token,
                     const jwekms_unwrap_key_options& options, Info& kept) {
  jwekms_key_info* info = nullptr;
  const jwekms_status status =
      jwekms_unwrap_key(ctx.get(), token.data(), token.size(), &options, &info, nullptr);
  kept.reset(info);
  return status;
}

}  // namespace

TEST_CASE("a key in an HSM decrypts", "[capi][hsm]") {
  Token token;
  const Ctx ctx = open_ctx(token.open);
  const std::string uid = fresh_uid();
  const Info key = create(ctx, uid);
  CHECK(uid_of(key.get()) == uid);
  CHECK(jwekms_key_info_bits(key.get()) == 2048);
  for (const std::string_view alg : {"RSA-OAEP", "RSA-OAEP-256"}) {
    std::string jwe = encrypt_for(ctx, uid, alg, "in the process");
    CHECK(decrypt(ctx.get(), jwe).plaintext == "in the process");
    jwe[jwe.size() - 5] = jwe[jwe.size() - 5] == 'A' ? 'B' : 'A';
    CHECK(decrypt(ctx.get(), jwe).status == JWEKMS_DECRYPTION_FAILED);
  }
}

TEST_CASE("a CEK never leaves the HSM", "[capi][hsm]") {
  Token token;
  token.hsm.cek_boundary = JWEKMS_CEK_IN_HSM;
  token.hsm.flags = JWEKMS_HSM_FORBID_WEAK_KEYS;
  const Ctx ctx = open_ctx(token.open);
  const std::string uid = fresh_uid();
  create(ctx, uid);
  CHECK(decrypt(ctx.get(), encrypt_for(ctx, uid, "RSA-OAEP", "inside")).plaintext == "inside");
  // SoftHSM lacks SHA-256 for this, and the library does not fall back.
  CHECK(decrypt(ctx.get(), encrypt_for(ctx, uid, "RSA-OAEP-256", "inside")).status ==
        JWEKMS_UNSUPPORTED_ALGORITHM);

  SECTION("a key that may decrypt is refused") {
    const std::string weak = fresh_uid();
    create(open_ctx(Token().open), weak);
    CHECK(jwekms_describe_key(ctx.get(), weak.data(), weak.size(), nullptr, nullptr) ==
          JWEKMS_FORBIDDEN);
  }
}

TEST_CASE("a CEK is unwrapped into the HSM and used", "[capi][hsm]") {
  Token token;
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  const jwekms_open_options with_database = open_options(path);
  token.open.database_path = with_database.database_path;
  token.open.database_path_len = with_database.database_path_len;
  token.open.kek = with_database.kek;
  token.open.kek_len = with_database.kek_len;
  const Ctx ctx = open_ctx(token.open);
  const std::string uid = fresh_uid();
  create(ctx, uid);
  const std::string jwe = encrypt_for(ctx, uid, "RSA-OAEP", "first");

  jwekms_unwrap_key_options options = JWEKMS_UNWRAP_KEY_OPTIONS_INIT;
  Info kept;
  SECTION("by the flag: a UID is made") {
    options.flags = JWEKMS_STORE_IN_HSM;
    REQUIRE(unwrap(ctx, jwe, options, kept) == JWEKMS_OK);
    CHECK(uid_of(kept.get()).starts_with("hsm::softhsm2::0::"));
  }
  SECTION("by the UID") {
    const std::string wanted = fresh_uid();
    options.uid = wanted.data(), options.uid_len = wanted.size();
    REQUIRE(unwrap(ctx, jwe, options, kept) == JWEKMS_OK);
    CHECK(uid_of(kept.get()) == wanted);
    CHECK(unwrap(ctx, jwe, options, kept) == JWEKMS_CONFLICT);
    return;
  }
  SECTION("without the flag it is kept in the database") {
    REQUIRE(unwrap(ctx, jwe, options, kept) == JWEKMS_OK);
    CHECK_FALSE(uid_of(kept.get()).starts_with("hsm::"));
  }
  SECTION("flags that are unknown") {
    options.flags = 2;
    CHECK(unwrap(ctx, jwe, options, kept) == JWEKMS_BAD_REQUEST);
    return;
  }
  CHECK(text_of(jwekms_key_info_parent, kept.get()) == uid);
  CHECK(text_of(jwekms_key_info_enc, kept.get()) == "A256GCM");
  const std::string later = encrypt_for(ctx, uid_of(kept.get()), "dir", "later");
  CHECK(decrypt(ctx.get(), later).plaintext == "later");
}

TEST_CASE("a PIN from a file and from the environment", "[capi][hsm]") {
  Token token;
  const TemporaryFolder folder;
  const std::string in_file = "file:" + folder.file("pin");
  const std::string in_env = "env:JWEKMS_TEST_SOFTHSM2_PIN";
  std::ofstream(folder.file("pin")) << token.pin << '\n';
  for (const std::string& reference : {in_file, in_env}) {
    token.slot.pin = reference.data(), token.slot.pin_len = reference.size();
    CHECK(open_ctx(token.open));
  }
  jwekms_ctx* ctx = nullptr;
  const std::string wrong = "999999";
  token.slot.pin = wrong.data(), token.slot.pin_len = wrong.size();
  CHECK(jwekms_open(&token.open, &ctx, nullptr) == JWEKMS_UNAVAILABLE);
}

TEST_CASE("slots by number, by id and by a name that is not there", "[capi][hsm]") {
  Token token;
  jwekms_ctx* ctx = nullptr;
  SECTION("by position") {
    token.slot.token_label_len = 0;
    CHECK(open_ctx(token.open));
  }
  SECTION("by an id that no slot has") {
    token.slot.token_label_len = 0;
    token.slot.flags = JWEKMS_HSM_SLOT_BY_ID;
    token.slot.slot_id = 0xFFFFFFF0;
    CHECK(jwekms_open(&token.open, &ctx, nullptr) == JWEKMS_UNAVAILABLE);
  }
  SECTION("by a label that no token has") {
    token.slot.token_label = "nobody", token.slot.token_label_len = 6;
    CHECK(jwekms_open(&token.open, &ctx, nullptr) == JWEKMS_UNAVAILABLE);
  }
}

TEST_CASE("two HSMs of one model", "[capi][hsm]") {
  Token token, second;
  second.slot.token_label = "spare", second.slot.token_label_len = 5;
  const jwekms_hsm_options* hsms[] = {&token.hsm, &second.hsm};
  token.open.hsms = hsms;
  token.open.hsm_count = 2;
  const Ctx ctx = open_ctx(token.open);
  const std::string uid = "hsm::softhsm2_1::0::second";
  create(ctx, uid);
  CHECK(decrypt(ctx.get(), encrypt_for(ctx, uid, "RSA-OAEP", "there")).plaintext == "there");
  CHECK(jwekms_describe_key(ctx.get(), "hsm::softhsm2::0::second", 24, nullptr, nullptr) ==
        JWEKMS_NOT_FOUND);
}

TEST_CASE("a key in the HSM guards the database", "[capi][hsm]") {
  Token token;
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db"), kek = fresh_uid();
  create(open_ctx(token.open), kek, JWEKMS_KEY_TYPE_OCT);
  token.open.database_path = path.data(), token.open.database_path_len = path.size();
  token.open.key_encryption_key = kek.data(), token.open.key_encryption_key_len = kek.size();
  create(open_ctx(token.open), "in the database");
  CHECK(jwekms_describe_key(open_ctx(token.open).get(), "in the database", 15, nullptr, nullptr) ==
        JWEKMS_OK);

  jwekms_ctx* ctx = nullptr;
  SECTION("another key does not open it") {
    const std::string other = fresh_uid();
    token.open.key_encryption_key_len = 0;
    token.open.database_path_len = 0;
    create(open_ctx(token.open), other, JWEKMS_KEY_TYPE_OCT);
    token.open.database_path_len = path.size();
    token.open.key_encryption_key = other.data(), token.open.key_encryption_key_len = other.size();
    CHECK(jwekms_open(&token.open, &ctx, nullptr) == JWEKMS_CRYPTO_FAILURE);
  }
  SECTION("one that is not there") {
    token.open.key_encryption_key = "hsm::softhsm2::0::nobody";
    token.open.key_encryption_key_len = 24;
    CHECK(jwekms_open(&token.open, &ctx, nullptr) == JWEKMS_NOT_FOUND);
  }
  SECTION("no UID of an HSM") {
    token.open.key_encryption_key_len = 3;
    CHECK(jwekms_open(&token.open, &ctx, nullptr) == JWEKMS_BAD_REQUEST);
  }
  SECTION("a key-encryption key beside it") {
    token.open.kek = test_kek.data(), token.open.kek_len = test_kek.size();
    CHECK(jwekms_open(&token.open, &ctx, nullptr) == JWEKMS_BAD_REQUEST);
  }
}

TEST_CASE("a database moves from a file's key to the HSM's", "[capi][hsm]") {
  Token token;
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db"), kek = fresh_uid();
  create(open_ctx(token.open), kek, JWEKMS_KEY_TYPE_OCT);
  create(open_ctx(open_options(path)), "in the database");
  token.open.database_path = path.data(), token.open.database_path_len = path.size();
  token.open.kek = test_kek.data(), token.open.kek_len = test_kek.size();
  REQUIRE(jwekms_rewrap_database(&token.open, kek.data(), kek.size(), nullptr) == JWEKMS_OK);

  jwekms_ctx* ctx = nullptr;
  CHECK(jwekms_open(&token.open, &ctx, nullptr) == JWEKMS_CRYPTO_FAILURE);
  token.open.kek = nullptr, token.open.kek_len = 0;
  token.open.key_encryption_key = kek.data(), token.open.key_encryption_key_len = kek.size();
  CHECK(jwekms_describe_key(open_ctx(token.open).get(), "in the database", 15, nullptr, nullptr) ==
        JWEKMS_OK);
  CHECK(jwekms_rewrap_database(nullptr, kek.data(), kek.size(), nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_rewrap_database(&token.open, nullptr, 3, nullptr) == JWEKMS_BAD_REQUEST);
}

TEST_CASE("the doctor tells C what it found", "[capi][hsm]") {
  Token token;
  struct Findings {
    std::map<std::string, jwekms_finding> all;
    std::map<std::string, std::string> how;
    static void receive(void* data, const jwekms_finding* finding) {
      auto& self = *static_cast<Findings*>(data);
      const std::string what(finding->what, finding->what_len);
      CHECK(what == finding->what);  // both ways of telling the end agree
      CHECK(std::string(finding->how, finding->how_len) == finding->how);
      CHECK(std::string(finding->means, finding->means_len) == finding->means);
      CHECK(finding->struct_size == sizeof(jwekms_finding));
      self.all[what] = *finding;
      self.how[what] = finding->how;
    }
  } findings;
  jwekms_error error = JWEKMS_ERROR_INIT;
  token.hsm.cek_boundary = JWEKMS_CEK_IN_HSM;
  REQUIRE(jwekms_doctor(&token.hsm, Findings::receive, &findings, &error) == JWEKMS_OK);
  CHECK(findings.how.at("token label") == token.label);
  CHECK(findings.all.at("token label").verdict == JWEKMS_FINDING_FACT);
  const jwekms_finding& in_hsm = findings.all.at("RSA-OAEP: decrypt, CEK in the HSM");
  CHECK(in_hsm.verdict == JWEKMS_FINDING_CAN);
  CHECK(in_hsm.needed == 1);
  const jwekms_finding& missing = findings.all.at("RSA-OAEP-256: decrypt, CEK in the HSM");
  CHECK(missing.verdict == JWEKMS_FINDING_CANNOT);
  CHECK(missing.needed == 1);
  CHECK(missing.means_len > 0);
  CHECK(findings.all.at("RSA-OAEP: decrypt, CEK in the process").needed == 0);
  CHECK(findings.all.at("CKA_SIGN is off by default").verdict == JWEKMS_FINDING_WARNING);
}

TEST_CASE("a pool of slots serves the keys of the first", "[capi][hsm]") {
  Token token;
  jwekms_hsm_slot spare = token.slot;
  spare.number = 1;
  spare.token_label = "spare", spare.token_label_len = 5;
  const jwekms_hsm_slot* both[] = {&token.slot, &spare};
  token.hsm.slots = both, token.hsm.slot_count = 2;
  const std::string uid = fresh_uid();
  const Info key = create(open_ctx(token.open), uid);

  const auto open_pool = [&](std::string_view text, Ctx& ctx) {
    const char* pools[] = {text.data()};
    const std::size_t lens[] = {text.size()};
    token.open.hsm_pools = pools, token.open.hsm_pool_lens = lens, token.open.hsm_pool_count = 1;
    jwekms_ctx* opened = nullptr;
    const jwekms_status status = jwekms_open(&token.open, &opened, nullptr);
    ctx.reset(opened);
    return status;
  };
  Ctx ctx;
  REQUIRE(open_pool("hsm::softhsm2::0 hsm::softhsm2::1", ctx) == JWEKMS_OK);
  for (int n = 0; n < 4; ++n)  // whichever slot it begins with
    CHECK(decrypt(ctx.get(), encrypt_for(ctx, uid, "RSA-OAEP", "pooled")).plaintext == "pooled");

  for (const std::string_view wrong : {"", "hsm::softhsm2::0", "hsm::softhsm2::0 hsm::softhsm2::0",
                                       "hsm::softhsm2::0 hsm::nss::7"})
    CHECK(open_pool(wrong, ctx) == JWEKMS_BAD_REQUEST);
}

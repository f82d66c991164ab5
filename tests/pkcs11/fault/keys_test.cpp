// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>

#include "../wrapping_key.hpp"
#include "faulty.hpp"

// Keys of a token that refuses, lies or fails: what the caller is told, and what stays on the
// token.

using namespace token;
using faulty::module;

namespace {

constexpr unsigned long any_class = ~0UL;
constexpr CK_RV vendors_own = CKR_VENDOR_DEFINED + 1;

std::string code(const Result<KeyInfo>& result) { return std::string(support::code_of(result)); }

Result<KeyInfo> keep(const Kms& kms, const std::string& text) {
  return kms.unwrap_key(text, {.uid = prefix() + "kept"});
}

/// Keeps a CEK once, so that all that is tried out once is known. @return a text to keep another.
std::string warm(const Kms& kms, CekBoundary boundary = CekBoundary::hsm) {
  std::string text = make(kms, rsa_uid(kms, boundary), Alg::RSA_OAEP, Enc::A256GCM, "x");
  (void)keep(kms, text).value();
  (void)kms.set_key_state(prefix() + "kept", KeyState::destroyed).value();
  return text;
}

/// Whether a call comes right within ten seconds.
template <class Call>
bool works_again(Call call) {
  for (int i = 0; i < 500; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(20)))
    if (call()) return true;
  return false;
}

}  // namespace

// ---- Attributes that are not as they were asked for ----

TEST_CASE("a kept CEK that can be read or extracted is destroyed, and the call fails") {
  if (!expected().boundary_sha1) return;  // refused before anything is made: keys_test.cpp
  const faulty::Clean clean;
  const Kms kms = open(CekBoundary::hsm);
  const std::string text = warm(kms);
  const long before = module().token_objects();
  for (const auto& [attribute, value] : {std::pair{CKA_SENSITIVE, 0},
                                         {CKA_EXTRACTABLE, 1},
                                         {CKA_SENSITIVE, -1},
                                         {CKA_EXTRACTABLE, -1}}) {
    INFO(attribute << " reads " << value);
    module().reset();
    module().lie(CKO_SECRET_KEY, attribute, value);
    CHECK(code(keep(kms, text)) == "internal_error");
    // Nor is it used for a single decryption.
    CHECK(decrypt(kms, text) == "error: internal_error");
    module().reset();
    CHECK(module().token_objects() == before);
    CHECK(Raw().find(CKO_SECRET_KEY, "kept").empty());
    CHECK(support::code_of(kms.describe_key(prefix() + "kept")) == "not_found");
  }
  CHECK(decrypt(kms, text) == "x");
}

TEST_CASE("a kept CEK that does not stay, or serves for something else, is destroyed") {
  if (!expected().boundary_sha1) return;
  const faulty::Clean clean;
  const Kms kms = open(CekBoundary::hsm);
  const std::string text = warm(kms);
  const long before = module().token_objects();
  for (const auto& [attribute, value] : {std::pair{CKA_TOKEN, 0},
                                         {CKA_PRIVATE, 0},
                                         {CKA_ENCRYPT, 0},
                                         {CKA_DECRYPT, 0},
                                         {CKA_WRAP, 1},
                                         {CKA_UNWRAP, 1},
                                         {CKA_DERIVE, 1},
                                         {CKA_ID, -1}}) {
    INFO(attribute << " reads " << value);
    module().reset();
    module().lie(CKO_SECRET_KEY, attribute, value);
    CHECK(code(keep(kms, text)) == "internal_error");
    module().reset();
    CHECK(module().token_objects() == before);
    CHECK(Raw().find(CKO_SECRET_KEY, "kept").empty());
  }
}

TEST_CASE("what a boundary's key unwraps stays in, where the token keeps to CKA_UNWRAP_TEMPLATE") {
  const faulty::Clean clean;
  for (const CekBoundary boundary : faulty::boundaries()) {
    const Kms kms = open(boundary);
    const std::string uid = rsa_uid(kms, boundary);
    const std::string label = uid.substr(prefix().size());
    const Raw raw;
    const CK_OBJECT_HANDLE key = raw.find(CKO_PRIVATE_KEY, label).at(0);
    CHECK_FALSE(raw.flag(key, CKA_SIGN));
    if (raw.read(key, CKA_SIGN_RECOVER) == CKR_OK) CHECK_FALSE(raw.flag(key, CKA_SIGN_RECOVER));
    const Bytes wrapped = public_key(kms, uid)->wrap(row(Alg::RSA_OAEP), random_cek(32)).value();
    CK_RSA_PKCS_OAEP_PARAMS oaep{CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, nullptr, 0};
    CK_MECHANISM mechanism{CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)};
    CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
    CK_KEY_TYPE aes = CKK_AES;
    CK_BBOOL no = CK_FALSE, yes = CK_TRUE;
    CK_ATTRIBUTE readable[] = {{CKA_CLASS, &secret, sizeof(secret)},
                               {CKA_KEY_TYPE, &aes, sizeof(aes)},
                               {CKA_TOKEN, &no, sizeof(no)},
                               {CKA_SENSITIVE, &no, sizeof(no)},
                               {CKA_EXTRACTABLE, &yes, sizeof(yes)}};
    CK_OBJECT_HANDLE cek = CK_INVALID_HANDLE;
    const CK_RV rv =
        raw.f->C_UnwrapKey(raw.session, &mechanism, key, const_cast<CK_BYTE*>(wrapped.data()),
                           wrapped.size(), readable, 5, &cek);
    const bool kept_to = boundary == CekBoundary::hsm &&
                         expected_column().at("CKA_UNWRAP_TEMPLATE is kept to") == "yes";
    INFO(pkcs11::name_of(rv));
    if (kept_to)
      CHECK(rv == CKR_TEMPLATE_INCONSISTENT);
    else if (boundary == CekBoundary::hsm)
      CHECK(rv == CKR_OK);
    if (rv == CKR_OK) Raw::check(raw.f->C_DestroyObject(raw.session, cek));
  }
}

TEST_CASE("a token that knows neither CKA_SIGN_RECOVER nor CKA_UNWRAP_TEMPLATE makes pairs, too") {
  const faulty::Clean clean;
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = open(boundary);
    module().reset();
    module().inject("C_GenerateKeyPair", 1, CKR_ATTRIBUTE_TYPE_INVALID, 1);
    const std::string uid = prefix() + "plain-pair";
    CHECK(code(kms.create_key({.uid = uid})) == "ok");
    CHECK(module().calls("C_GenerateKeyPair") == 2);
    module().reset();
    CHECK(code(kms.set_key_state(uid, KeyState::destroyed)) == "ok");
  }
}

TEST_CASE("a pair that is not as its boundary wants it is destroyed, and the call fails") {
  const faulty::Clean clean;
  const std::string uid = prefix() + "not-as-asked";
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = open(boundary);
    const long before = module().token_objects();
    const int decrypts = boundary == CekBoundary::process ? 1 : 0;
    for (const auto& [attribute, value] : {std::pair{CKA_SENSITIVE, 0},
                                           {CKA_EXTRACTABLE, 1},
                                           {CKA_SIGN, 1},
                                           {CKA_UNWRAP, 0},
                                           {CKA_DECRYPT, 1 - decrypts}}) {
      INFO(attribute << " reads " << value);
      module().reset();
      module().lie(CKO_PRIVATE_KEY, attribute, value);
      CHECK(code(kms.create_key({.uid = uid})) == "internal_error");
      module().reset();
      CHECK(module().token_objects() == before);
      const Raw raw;
      CHECK(raw.find(CKO_PRIVATE_KEY, "not-as-asked").empty());
      CHECK(raw.find(CKO_PUBLIC_KEY, "not-as-asked").empty());
    }
  }
}

TEST_CASE("an AES key that is not as it was asked for is destroyed, and the call fails") {
  const faulty::Clean clean;
  const Kms kms = open();
  const long before = module().token_objects();
  for (const auto& [attribute, value] :
       {std::pair{CKA_SENSITIVE, 0}, {CKA_EXTRACTABLE, 1}, {CKA_ENCRYPT, 0}, {CKA_DECRYPT, 0}}) {
    INFO(attribute << " reads " << value);
    module().reset();
    module().lie(CKO_SECRET_KEY, attribute, value);
    CHECK(code(kms.create_key({.uid = prefix() + "not-as-asked", .type = KeyType::oct})) ==
          "internal_error");
    module().reset();
    CHECK(module().token_objects() == before);
    CHECK(Raw().find(CKO_SECRET_KEY, "not-as-asked").empty());
  }
}

// ---- A database's key that a key of the token wraps ----

TEST_CASE("a token that wraps with padding alone guards a database, too") {
  if (!expects("key-encryption key: AES key wrap")) return;
  const faulty::Clean clean;
  const support::TempDir dir;
  const std::string path = dir.file("keys");
  const WrappingKey key("kek-padding", Use::key_wrap);
  std::string uid;
  {
    module().inject("C_WrapKey", 1, CKR_MECHANISM_INVALID, 1);
    const Kms kms = jwekms::open(with_kek(path, key.uid)).value();
    CHECK(module().struck() == 1);
    uid = kms.create_key({}).value().uid;
  }
  CHECK(entry_of(path).find("AES-KEY-WRAP-PAD") != std::string::npos);
  // With both at hand the way that stands in the database is taken.
  CHECK(support::code_of(jwekms::open(with_kek(path, key.uid)).value().describe_key(uid)) == "ok");
}

TEST_CASE("a key that guards a database and can leave the token is warned of") {
  if (!expects("key-encryption key: AES key wrap")) return;
  const faulty::Clean clean;
  const support::TempDir dir;
  const WrappingKey key("kek-can-leave", Use::key_wrap);
  std::vector<std::string> warnings;
  Options all = with_kek(dir.file("keys"), key.uid);
  all.on_warning = [&](std::string_view text) { warnings.emplace_back(text); };
  (void)jwekms::open(all).value();
  CHECK(warnings.empty());
  module().lie(CKO_SECRET_KEY, CKA_EXTRACTABLE, 1);
  (void)jwekms::open(all).value();
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].find("can leave the HSM") != std::string::npos);
}

// ---- Keys to be kept on a token that does not take them ----

TEST_CASE("a token that takes no new objects is to blame, and not the JWE") {
  if (!expected().boundary_sha1) return;
  const faulty::Clean clean;
  const Kms kms = open(CekBoundary::hsm);
  const std::string text = warm(kms);
  for (const CK_RV rv :
       {CKR_SESSION_READ_ONLY, CKR_TOKEN_WRITE_PROTECTED, CKR_TEMPLATE_INCONSISTENT,
        CKR_ATTRIBUTE_READ_ONLY, CKR_MECHANISM_INVALID, CKR_KEY_FUNCTION_NOT_PERMITTED}) {
    INFO(pkcs11::name_of(rv));
    module().reset();
    module().inject("C_UnwrapKey", 1, rv, 1);
    CHECK(code(keep(kms, text)) == "unsupported_algorithm");
    // For the JWE itself one answer is left, whatever the token says.
    module().reset();
    module().inject("C_UnwrapKey", 1, rv, 1);
    CHECK(decrypt(kms, text) == "error: decryption_failed");
  }
  // What it says of the bytes is still the JWE's.
  for (const CK_RV rv : {CKR_GENERAL_ERROR, CKR_WRAPPED_KEY_INVALID, CKR_ENCRYPTED_DATA_INVALID}) {
    module().reset();
    module().inject("C_UnwrapKey", 1, rv, 1);
    CHECK(code(keep(kms, text)) == "decryption_failed");
  }
}

TEST_CASE("a write-protected token decrypts, and keeps nothing") {
  const faulty::Clean clean;
  std::string text, inside;
  {
    const Kms kms = open();
    text = make(kms, rsa_uid(kms), Alg::RSA_OAEP, Enc::A256GCM, "read only");
    const Kms boundary = open(CekBoundary::hsm);
    inside =
        make(boundary, rsa_uid(boundary, CekBoundary::hsm), Alg::RSA_OAEP, Enc::A256GCM, "inside");
  }
  // Whoever asks for a session that writes gets none, and then one that does not.
  for (unsigned nth = 1; nth < 40; nth += 2)
    module().inject("C_OpenSession", nth, CKR_TOKEN_WRITE_PROTECTED, 1);
  {
    const Kms kms = open();
    CHECK(decrypt(kms, text) == "read only");
    CHECK(code(kms.create_key({.uid = prefix() + "none", .type = KeyType::oct})) ==
          "unsupported_algorithm");
  }
  if (!expected().boundary_sha1) return;
  module().reset();
  for (unsigned nth = 1; nth < 40; nth += 2)
    module().inject("C_OpenSession", nth, CKR_TOKEN_WRITE_PROTECTED, 1);
  const Kms kms = open(CekBoundary::hsm);
  CHECK(decrypt(kms, inside) == "inside");
  CHECK(code(keep(kms, inside)) == "unsupported_algorithm");
}

TEST_CASE("a token that fails on a kept CEK does not make its size wrong") {
  if (!expected().boundary_sha1) return;
  const faulty::Clean clean;
  const Kms kms = open(CekBoundary::hsm);
  const std::string text = warm(kms);
  for (const CK_RV rv : {CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, vendors_own}) {
    module().reset();
    module().inject("C_Encrypt", 1, rv, 1);
    CHECK(code(keep(kms, text)) == "internal_error");
    CHECK(module().struck() == 1);
  }
  module().reset();
  module().inject("C_EncryptInit", 1, CKR_KEY_SIZE_RANGE, 1);
  CHECK(code(keep(kms, text)) == "crypto_failure");
  // Out of order as a whole.
  module().reset();
  module().inject("C_Encrypt", 1, CKR_GENERAL_ERROR, 0);
  module().inject("C_GetTokenInfo", 2, CKR_DEVICE_ERROR, 0);  // the label was free before
  CHECK(code(keep(kms, text)) == "unavailable");
}

// ---- What is tried out once ----

TEST_CASE("an outage at the first use of a key is told as one") {
  const faulty::Clean clean;
  for (const CekBoundary boundary : faulty::boundaries()) {
    std::string text;
    {
      const Kms kms = open(boundary);
      text = make(kms, rsa_uid(kms, boundary), Alg::RSA_OAEP, Enc::A256GCM, "first");
    }
    const Kms kms = open(boundary);
    (void)kms.describe_key(rsa_uid(kms, boundary)).value();
    module().reset();
    const char* function = boundary == CekBoundary::process ? "C_Decrypt" : "C_UnwrapKey";
    module().inject(function, 1, CKR_GENERAL_ERROR, 0);
    module().inject("C_GetTokenInfo", 1, CKR_DEVICE_ERROR, 0);
    CHECK(decrypt(kms, text) == "error: unavailable");
    module().reset();
    std::string answer;
    for (int i = 0; i < 200 && answer != "first"; ++i) {
      answer = decrypt(kms, text);
      CHECK((answer == "first" || answer == "error: unavailable"));
      if (answer != "first") std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    CHECK(answer == "first");
  }
}

TEST_CASE("what a token cannot do is tried once, and what it failed at once is tried again") {
  const faulty::Clean clean;
  for (const CekBoundary boundary : faulty::boundaries()) {
    const bool in_process = boundary == CekBoundary::process;
    HsmOptions hsm = options(boundary);
    hsm.raw_rsa_fallback = false;
    const char* function = in_process ? "C_DecryptInit" : "C_UnwrapKey";
    for (const CK_RV rv : {CKR_MECHANISM_PARAM_INVALID, CKR_FUNCTION_NOT_SUPPORTED,
                           CKR_FUNCTION_FAILED, vendors_own}) {
      INFO(pkcs11::name_of(rv));
      const Kms kms = try_open(hsm).value();
      const std::string text =
          make(kms, rsa_uid(kms, boundary), Alg::RSA_OAEP, Enc::A256GCM, "tried");
      module().reset();
      module().inject(function, 1, rv, 0);
      CHECK(decrypt(kms, text) == "error: unsupported_algorithm");
      const bool is_sure = rv == CKR_MECHANISM_PARAM_INVALID || rv == CKR_FUNCTION_NOT_SUPPORTED;
      module().reset();
      CHECK(decrypt(kms, text) == (is_sure ? "error: unsupported_algorithm" : "tried"));
      CHECK((module().calls(function) == 0) == is_sure);
      // Whoever opens anew tries anew.
      CHECK(decrypt(try_open(hsm).value(), text) == "tried");
    }
  }
}

TEST_CASE("a key whose handle was refused is looked for anew") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string text = make(kms, rsa_uid(kms), Alg::RSA_OAEP, Enc::A256GCM, "x");
  REQUIRE(decrypt(kms, text) == "x");
  module().reset();
  REQUIRE(decrypt(kms, text) == "x");
  CHECK(module().calls("C_FindObjectsInit") == 0);
  module().inject("C_DecryptInit", 1, CKR_KEY_TYPE_INCONSISTENT, 1);  // another object has it
  CHECK(decrypt(kms, text) == "error: internal_error");
  CHECK(decrypt(kms, text) == "x");
  CHECK(module().calls("C_FindObjectsInit") > 0);
}

TEST_CASE("a token that makes no AES keys cannot keep CEKs to itself, and is known to") {
  const faulty::Clean clean;
  module().inject("C_GenerateKey", 1, CKR_MECHANISM_INVALID, 0);
  const std::vector<HsmFinding> findings = doctor(options(CekBoundary::hsm)).value();
  const auto found =
      std::ranges::find(findings, "RSA-OAEP: decrypt, CEK in the HSM", &HsmFinding::what);
  REQUIRE(found != findings.end());
  CHECK(found->verdict == HsmVerdict::cannot);
  CHECK(found->how == "C_GenerateKey, CKM_AES_KEY_GEN CKR_MECHANISM_INVALID");
  const Kms kms = open(CekBoundary::hsm);
  const std::string text =
      make(kms, rsa_uid(kms, CekBoundary::hsm), Alg::RSA_OAEP, Enc::A256GCM, "x");
  CHECK(decrypt(kms, text) == "error: unsupported_algorithm");
}

// ---- Labels ----

TEST_CASE("of two threads that want one label exactly one gets it") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string uid = prefix() + "raced-for";
  for (int round = 0; round < 3; ++round) {
    module().reset();
    module().delay("C_GenerateKey", 1, 100, 0);  // after the look whether the label is free
    std::string answers[2];
    std::vector<std::thread> threads;
    for (std::string& answer : answers)
      threads.emplace_back(
          [&] { answer = code(kms.create_key({.uid = uid, .type = KeyType::oct})); });
    for (std::thread& thread : threads) thread.join();
    std::ranges::sort(answers);
    CHECK(answers[0] == "conflict");
    CHECK(answers[1] == "ok");
    CHECK(Raw().find(CKO_SECRET_KEY, "raced-for").size() == 1);
    (void)kms.set_key_state(uid, KeyState::destroyed).value();
  }
}

TEST_CASE("of two programs that want one label one gets it at most") {
  const faulty::Clean clean;
  const Kms one = open(), other = open();
  const std::string uid = prefix() + "raced-for";
  module().delay("C_GenerateKey", 1, 100, 0);
  std::string answers[2];
  std::thread thread(
      [&] { answers[0] = code(other.create_key({.uid = uid, .type = KeyType::oct})); });
  answers[1] = code(one.create_key({.uid = uid, .type = KeyType::oct}));
  thread.join();
  std::ranges::sort(answers);
  CHECK(answers[0] == "conflict");
  CHECK((answers[1] == "ok" || answers[1] == "conflict"));
  CHECK(Raw().find(CKO_SECRET_KEY, "raced-for").size() == (answers[1] == "ok" ? 1 : 0));
  (void)one.set_key_state(uid, KeyState::destroyed);
}

// ---- Keys that are hard to find ----

TEST_CASE("a private key without its public exponent gets it from its public half") {
  const faulty::Clean clean;
  const std::string uid = rsa_uid(open());
  std::string text;
  {
    const Kms kms = open();
    text = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "halves");
    module().lie(CKO_PRIVATE_KEY, CKA_PUBLIC_EXPONENT, -1);
  }
  const Kms kms = open();
  CHECK(decrypt(kms, text) == "halves");
  CHECK(decrypt(kms, make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "again")) == "again");
  // Nowhere: a key of no use, and no reason to log in anew or to forget handles.
  module().lie(any_class, CKA_PUBLIC_EXPONENT, -1);
  const Kms other = open();
  const unsigned long logins = module().calls("C_Login");
  for (int i = 0; i < 3; ++i) CHECK(support::code_of(other.describe_key(uid)) == "crypto_failure");
  CHECK(module().calls("C_Login") == logins);
  CHECK(decrypt(kms, text) == "halves");
  CHECK(other.public_jwks().value().find(uid) == std::string::npos);
}

TEST_CASE("a list that a logout cuts short is not taken for whole") {
  const faulty::Clean clean;
  const Kms kms = open();
  (void)rsa_uid(kms);
  const std::string uid = prefix() + "listed-last";
  (void)kms.create_key({.uid = uid, .type = KeyType::oct}).value();
  const Raw raw;
  module().reset();
  // Between the search for private keys and the one for secret keys.
  module().delay("C_FindObjectsInit", 2, 400, 1);
  std::thread other([&] {
    while (module().calls("C_FindObjectsInit") < 2) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    (void)raw.f->C_Logout(raw.session);
  });
  const KeyPage page = kms.list_keys({.after = {}, .limit = 1000}, instance_prefix()).value();
  other.join();
  CHECK(module().calls("C_Logout") == 1);
  CHECK(std::ranges::count(page.keys, uid, &KeyInfo::uid) == 1);
  module().reset();
  (void)kms.set_key_state(uid, KeyState::destroyed).value();
}

TEST_CASE("an outage makes no key vanish from the JWK Set") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string uid = rsa_uid(kms);
  REQUIRE(kms.public_jwks().value().find(uid) != std::string::npos);
  for (const CK_RV rv : {CKR_DEVICE_ERROR, CKR_GENERAL_ERROR, vendors_own})
    for (const unsigned nth : {1U, 3U}) {  // while keys are listed; when one is looked at
      INFO(pkcs11::name_of(rv) << " from search " << nth);
      const Kms anew = open();
      module().reset();
      module().inject("C_FindObjectsInit", nth, rv, 0);
      CHECK(support::code_of(anew.public_jwks()) == "unavailable");
      CHECK(module().struck() > 0);
      module().reset();
      CHECK(works_again([&] { return anew.public_jwks().has_value(); }));
    }
}

TEST_CASE("a token that finds more than it was asked for is out of order") {
  const faulty::Clean clean;
  const std::string uid = rsa_uid(open());
  const Kms kms = open();
  for (const unsigned long more : {65UL, 1000000UL, ~0UL / 2}) {
    module().reset();
    module().find_more(more);
    CHECK(support::code_of(kms.describe_key(prefix() + "anybody")) == "unavailable");
    CHECK(support::code_of(kms.list_keys({}, instance_prefix())) == "unavailable");
    module().reset();
    CHECK(works_again([&] { return kms.describe_key(uid).has_value(); }));
  }
}

TEST_CASE("an empty PIN is refused before any token sees it") {
  const faulty::Clean clean;
  const support::TempDir dir;
  HsmOptions hsm = options();
  for (const std::string& pin : {std::string(), "file:" + dir.file("empty")}) {
    std::ofstream(dir.file("empty")) << '\n';
    hsm.slots[0].pin = pin;
    CHECK(support::code_of(try_open(hsm)) == "bad_request");
    CHECK(support::code_of(doctor(hsm)) == "bad_request");
  }
  CHECK(module().calls("C_Login") == 0);
  hsm.slots[0].login = HsmLogin::none;
  CHECK(support::code_of(try_open(hsm)) == "ok");
}

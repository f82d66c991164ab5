// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "token.hpp"

// Keys of a token: made, found, listed, used for `dir`, kept after an unwrap, destroyed.

using namespace token;

TEST_CASE("RSA pairs are made as their boundary wants them") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = open(boundary);
    for (const std::uint32_t bits : {2048U, 3072U}) {
      const std::string label = "pair-" + std::to_string(bits);
      const std::string uid = prefix() + label;
      const Result<KeyInfo> info = kms.create_key({.uid = uid, .bits = bits});
      REQUIRE(support::code_of(info) == "ok");
      CHECK(info->uid == uid);
      CHECK(info->bits == bits);
      CHECK(info->algs.contains(Alg::RSA_OAEP_256));
      CHECK(info->may_decrypt);
      CHECK(support::code_of(kms.create_key({.uid = uid})) == "conflict");
      {
        const Raw raw;
        const auto found = raw.find(CKO_PRIVATE_KEY, label);
        REQUIRE(found.size() == 1);
        CHECK(raw.flag(found[0], CKA_DECRYPT) == (boundary == CekBoundary::process));
        CHECK(raw.flag(found[0], CKA_UNWRAP));
        CHECK_FALSE(raw.flag(found[0], CKA_SIGN));
        CHECK(raw.flag(found[0], CKA_SENSITIVE));
        CHECK_FALSE(raw.flag(found[0], CKA_EXTRACTABLE));
        CHECK(raw.read(found[0], CKA_PRIVATE_EXPONENT) != CKR_OK);
        CHECK(raw.find(CKO_PUBLIC_KEY, label).size() == 1);
      }
      CHECK(support::code_of(kms.set_key_state(uid, KeyState::deactivated)) == "bad_request");
      CHECK(kms.set_key_state(uid, KeyState::destroyed).value().state == KeyState::destroyed);
      CHECK(support::code_of(kms.describe_key(uid)) == "not_found");
      CHECK(support::code_of(kms.set_key_state(uid, KeyState::destroyed)) == "not_found");
      const Raw raw;
      CHECK(raw.find(CKO_PRIVATE_KEY, label).empty());
      CHECK(raw.find(CKO_PUBLIC_KEY, label).empty());
    }
  }
}

TEST_CASE("a pair of 4096 bits decrypts") {
  const Kms kms = open();
  const std::string uid = prefix() + "large::with::colons";
  (void)kms.create_key({.uid = uid, .bits = 4096}).value();
  CHECK(decrypt(kms, make(kms, uid, Alg::RSA_OAEP, Enc::A192GCM, "4096")) == "4096");
  CHECK(decrypt(kms, make(kms, uid, Alg::RSA_OAEP_512, Enc::A192GCM, "4096")) == "4096");
  (void)kms.set_key_state(uid, KeyState::destroyed).value();
}

TEST_CASE("requests that a token cannot serve are refused") {
  const Kms kms = open();
  const auto code = [&](const CreateKey& request) {
    return support::code_of(kms.create_key(request));
  };
  const std::string uid = prefix() + "never";
  CHECK(code({.uid = uid, .bits = 1024}) == "bad_request");
  CHECK(code({.uid = uid, .enc = Enc::A128GCM}) == "bad_request");
  CHECK(code({.uid = uid, .aliases = {"a"}}) == "bad_request");
  CHECK(code({.uid = uid, .owner = "o"}) == "bad_request");
  CHECK(code({.uid = uid, .type = KeyType::oct, .bits = 128, .enc = Enc::A256GCM}) ==
        "bad_request");
  CHECK(code({.uid = std::string("hsm::") + expected().model + "::9::x"}) == "bad_request");
  CHECK(support::code_of(kms.import_key({.uid = uid})) == "bad_request");
  CHECK(support::code_of(kms.describe_key(uid)) == "not_found");
}

TEST_CASE("an AES key in the token serves dir") {
  const Kms kms = open();
  for (const Enc enc : {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM}) {
    const std::string uid = prefix() + "dir-" + std::string(row(enc).name);
    const KeyInfo info = kms.create_key({.uid = uid, .type = KeyType::oct, .enc = enc}).value();
    CHECK(info.enc == enc);
    CHECK(info.bits == row(enc).cek_bytes * 8U);
    {
      const Raw raw;
      const auto found = raw.find(CKO_SECRET_KEY, "dir-" + std::string(row(enc).name));
      REQUIRE(found.size() == 1);
      for (const CK_ATTRIBUTE_TYPE is : {CKA_PRIVATE, CKA_SENSITIVE, CKA_ENCRYPT, CKA_DECRYPT})
        CHECK(raw.flag(found[0], is));
      for (const CK_ATTRIBUTE_TYPE is_not :
           {CKA_EXTRACTABLE, CKA_WRAP, CKA_UNWRAP, CKA_SIGN, CKA_DERIVE})
        CHECK_FALSE(raw.flag(found[0], is_not));
      CHECK(raw.read(found[0], CKA_VALUE) != CKR_OK);
    }
    const std::string text = token::encrypt(kms, uid, Alg::dir, enc, "direct");
    if (expected().gcm) {
      CHECK(decrypt(kms, text) == "direct");
      CHECK(token::encrypt(kms, uid, Alg::dir, enc, "direct") != text);
      CHECK(try_sizes(kms, [&](std::string_view plaintext) {
              return token::encrypt(kms, uid, Alg::dir, enc, plaintext);
            }) == "");
      std::string bad = text;
      bad[bad.size() - 2] = bad[bad.size() - 2] == 'A' ? 'B' : 'A';
      CHECK(decrypt(kms, bad) == "error: decryption_failed");
    } else {
      CHECK(text == "error: unsupported_algorithm");
    }
    const Enc other = enc == Enc::A128GCM ? Enc::A256GCM : Enc::A128GCM;
    CHECK(token::encrypt(kms, uid, Alg::dir, other, "x") == "error: crypto_failure");
    CHECK(support::code_of(kms.public_jwk(uid)) == "crypto_failure");
    (void)kms.set_key_state(uid, KeyState::destroyed).value();
  }
}

TEST_CASE("a CEK is unwrapped to stay in the token") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = open(boundary);
    const std::string parent = rsa_uid(kms, boundary);
    const AlgRow& a = row(Alg::RSA_OAEP);
    if (!expected().boundary_sha1) {
      const Result<KeyInfo> kept = kms.unwrap_key(
          make(kms, parent, Alg::RSA_OAEP, Enc::A256GCM, "x"), {.uid = prefix() + "kept"});
      CHECK(support::code_of(kept) == "unsupported_algorithm");
      continue;
    }
    for (const Enc enc : {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM}) {
      const EncRow& e = row(enc);
      const Cek cek = random_cek(e.cek_bytes);
      const std::string text =
          compact(parent, a, e, public_key(kms, parent)->wrap(a, cek).value(), cek, "kept");
      const std::string uid = prefix() + "kept-" + std::string(e.name);
      const Result<KeyInfo> info = kms.unwrap_key(text, {.uid = uid});
      REQUIRE(support::code_of(info) == "ok");
      CHECK(info->uid == uid);
      CHECK(info->enc == enc);
      CHECK(info->bits == e.cek_bytes * 8U);
      CHECK(info->parent == parent);
      CHECK(support::code_of(kms.unwrap_key(text, {.uid = uid})) == "conflict");
      // What was encrypted with the CEK elsewhere, and again here.
      CHECK(decrypt(kms, compact(uid, row(Alg::dir), e, {}, cek, "direct")) == "direct");
      CHECK(decrypt(kms, token::encrypt(kms, uid, Alg::dir, enc, "again")) == "again");
      const Raw raw;
      const auto found = raw.find(CKO_SECRET_KEY, "kept-" + std::string(e.name));
      REQUIRE(found.size() == 1);
      CHECK(raw.flag(found[0], CKA_SENSITIVE));
      CHECK_FALSE(raw.flag(found[0], CKA_EXTRACTABLE));
      CHECK(raw.flag(found[0], CKA_PRIVATE));
      CHECK(raw.read(found[0], CKA_VALUE) == CKR_ATTRIBUTE_SENSITIVE);
      (void)kms.set_key_state(uid, KeyState::destroyed).value();
    }
    const Result<KeyInfo> made =
        kms.unwrap_key(make(kms, parent, Alg::RSA_OAEP, Enc::A256GCM, "x"), {.store_in_hsm = true});
    REQUIRE(support::code_of(made) == "ok");
    CHECK(made->uid.starts_with(prefix() + "cek-"));
    (void)kms.set_key_state(made->uid, KeyState::destroyed).value();
    // What is not a CEK of the right size leaves nothing behind. (Sessions keep stand-ins.)
    const Raw raw;
    const Cek small = random_cek(16);
    const std::string first = compact(parent, a, row(Enc::A256GCM),
                                      public_key(kms, parent)->wrap(a, small).value(), small, "x");
    CHECK(support::code_of(kms.unwrap_key(first, {.store_in_hsm = true})) == "crypto_failure");
    const std::size_t before = raw.find(CKO_SECRET_KEY, "").size();
    for (const std::size_t size : {0U, 1U, 16U, 24U, 31U, 33U, 64U}) {
      INFO("a CEK of " << size);
      const Cek odd = random_cek(size);
      const std::string text = compact(parent, a, row(Enc::A256GCM),
                                       public_key(kms, parent)->wrap(a, odd).value(), odd, "x");
      CHECK(support::code_of(kms.unwrap_key(text, {.store_in_hsm = true})) == "crypto_failure");
    }
    std::string broken = make(kms, parent, Alg::RSA_OAEP, Enc::A256GCM, "x");
    const std::size_t at = broken.find('.') + 9;
    broken[at] = broken[at] == 'A' ? 'B' : 'A';
    CHECK(support::code_of(kms.unwrap_key(broken, {.store_in_hsm = true})) == "decryption_failed");
    CHECK(raw.find(CKO_SECRET_KEY, "").size() == before);
  }
}

TEST_CASE("a CEK of an HSM key is unwrapped to stay in the database") {
  const support::TempDir dir;
  const Kms kms = try_open(options(), dir.file("keys")).value();
  const std::string parent = rsa_uid(kms);
  for (const Alg alg : {Alg::RSA_OAEP, Alg::RSA_OAEP_256}) {
    const AlgRow& a = row(alg);
    const Cek cek = random_cek(32);
    const std::string text = compact(parent, a, row(Enc::A256GCM),
                                     public_key(kms, parent)->wrap(a, cek).value(), cek, "x");
    const KeyInfo info = kms.unwrap_key(text, {}).value();
    CHECK(info.parent == parent);
    CHECK(decrypt(kms, compact(info.uid, row(Alg::dir), row(Enc::A256GCM), {}, cek, "direct")) ==
          "direct");
    const Cek odd = random_cek(24);
    CHECK(support::code_of(
              kms.unwrap_key(compact(parent, a, row(Enc::A256GCM),
                                     public_key(kms, parent)->wrap(a, odd).value(), odd, "x"),
                             {})) == "crypto_failure");
  }
}

TEST_CASE("a database key's CEK cannot be kept in the HSM") {
  const support::TempDir dir;
  const Kms kms = try_open(options(), dir.file("keys")).value();
  const KeyInfo parent = kms.create_key({.uid = "in-database"}).value();
  const std::string text = token::encrypt(kms, parent.uid, Alg::RSA_OAEP, Enc::A256GCM, "x");
  CHECK(support::code_of(kms.unwrap_key(text, {.uid = prefix() + "kept"})) == "bad_request");
  CHECK(support::code_of(kms.unwrap_key(text, {.store_in_hsm = true})) == "bad_request");
}

TEST_CASE("two keys with one label serve nobody") {
  const Kms kms = open();
  const std::string uid = prefix() + "twice";
  (void)kms.create_key({.uid = uid, .type = KeyType::oct}).value();
  CHECK(support::code_of(kms.describe_key(uid)) == "ok");
  const Raw raw;
  CK_BBOOL yes = CK_TRUE;
  CK_ULONG size = 32;
  char label[] = "twice";
  CK_ATTRIBUTE attributes[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                               {CKA_PRIVATE, &yes, sizeof(yes)},
                               {CKA_LABEL, label, 5},
                               {CKA_VALUE_LEN, &size, sizeof(size)}};
  CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE second = 0;
  Raw::check(raw.f->C_GenerateKey(raw.session, &mechanism, attributes, 4, &second));
  const Kms anew = open();
  CHECK(support::code_of(anew.describe_key(uid)) == "internal_error");
  Raw::check(raw.f->C_DestroyObject(raw.session, second));
  CHECK(support::code_of(anew.describe_key(uid)) == "ok");
  (void)anew.set_key_state(uid, KeyState::destroyed).value();
}

TEST_CASE("keys are listed in UID order, page by page") {
  const Kms kms = open();
  for (const char* label : {"list-b", "list-a", "list-c"})
    (void)kms.create_key({.uid = prefix() + label, .type = KeyType::oct}).value();
  (void)rsa_uid(kms);
  std::vector<std::string> uids;
  for (ListKeys request{.after = {}, .limit = 2};;) {
    const KeyPage page = kms.list_keys(request, instance_prefix()).value();
    for (const KeyInfo& info : page.keys) uids.push_back(info.uid);
    if (!page.more) break;
    REQUIRE(page.keys.size() == 2);
    request.after = uids.back();
  }
  CHECK(std::is_sorted(uids.begin(), uids.end()));
  for (const char* label : {"list-a", "list-b", "list-c", "shared-process"})
    CHECK(std::count(uids.begin(), uids.end(), prefix() + label) == 1);
  CHECK(kms.public_jwks().value().find("shared-process") != std::string::npos);
  for (const char* label : {"list-b", "list-a", "list-c"})
    (void)kms.set_key_state(prefix() + label, KeyState::destroyed).value();
}

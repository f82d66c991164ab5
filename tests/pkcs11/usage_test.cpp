// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "token.hpp"

// What a key of the token may be used for: as its attributes say, now, and as the boundary needs
// it.

using namespace token;

namespace {

using namespace std::chrono_literals;

/// An RSA pair that another program has made on the token; gone at the end of the test.
class ForeignPair {
 public:
  struct Usage {
    bool decrypt, unwrap, sign;
    bool leave = false;
  };
  ForeignPair(const char* label, Usage usage) : label_(label) {
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL decrypt = usage.decrypt, unwrap = usage.unwrap, sign = usage.sign;
    CK_BBOOL leave = usage.leave, stay = !usage.leave;
    CK_ULONG bits = 2048;
    CK_BYTE exponent[] = {1, 0, 1};
    CK_ATTRIBUTE of_public[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                                {CKA_LABEL, label_.data(), label_.size()},
                                {CKA_ID, label_.data(), label_.size()},
                                {CKA_MODULUS_BITS, &bits, sizeof(bits)},
                                {CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)}};
    CK_ATTRIBUTE of_private[] = {{CKA_TOKEN, &yes, sizeof(yes)},
                                 {CKA_PRIVATE, &yes, sizeof(yes)},
                                 {CKA_SENSITIVE, &stay, sizeof(stay)},
                                 {CKA_EXTRACTABLE, &leave, sizeof(leave)},
                                 {CKA_LABEL, label_.data(), label_.size()},
                                 {CKA_ID, label_.data(), label_.size()},
                                 {CKA_DECRYPT, &decrypt, sizeof(decrypt)},
                                 {CKA_UNWRAP, &unwrap, sizeof(unwrap)},
                                 {CKA_SIGN, &sign, sizeof(sign)}};
    CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
    Raw::check(raw_.f->C_GenerateKeyPair(raw_.session, &mechanism, of_public, std::size(of_public),
                                         of_private, std::size(of_private), &halves_[0],
                                         &halves_[1]));
  }
  ForeignPair(const ForeignPair&) = delete;
  ForeignPair& operator=(const ForeignPair&) = delete;
  ~ForeignPair() {
    for (const CK_OBJECT_HANDLE half : halves_) (void)raw_.f->C_DestroyObject(raw_.session, half);
  }

  /// False when the token does not let it be changed.
  bool set(CK_ATTRIBUTE_TYPE type, bool value) {
    CK_BBOOL flag = value;
    CK_ATTRIBUTE attribute{type, &flag, sizeof(flag)};
    return raw_.f->C_SetAttributeValue(raw_.session, halves_[1], &attribute, 1) == CKR_OK &&
           raw_.flag(halves_[1], type) == value;
  }
  std::string uid() const { return prefix() + label_; }

 private:
  std::string label_;
  const Raw raw_;
  CK_OBJECT_HANDLE halves_[2] = {};
};

std::string mention(const std::string& uid) { return "\"kid\":\"" + uid + "\""; }

bool publishes(const Kms& kms, const std::string& uid) {
  return kms.public_jwks().value().find(mention(uid)) != std::string::npos;
}

}  // namespace

TEST_CASE("to a key that only signs nothing is encrypted, and its public half is not told") {
  const Kms kms = open();
  const std::string good = rsa_uid(kms);
  const ForeignPair pair("only-signs", {.decrypt = false, .unwrap = false, .sign = true});
  const KeyInfo info = kms.describe_key(pair.uid()).value();
  CHECK_FALSE(info.may_decrypt);
  CHECK_FALSE(info.may_encrypt);
  CHECK(token::encrypt(kms, pair.uid(), Alg::RSA_OAEP, Enc::A256GCM, "x") ==
        "error: crypto_failure");
  CHECK(publishes(kms, good));
  CHECK_FALSE(publishes(kms, pair.uid()));
}

TEST_CASE("a key serves by what its boundary uses") {
  const Kms keep = open();  // the module is up, and logged in
  const ForeignPair decrypts("only-decrypts", {.decrypt = true, .unwrap = false, .sign = false});
  const ForeignPair unwraps("only-unwraps", {.decrypt = false, .unwrap = true, .sign = false});
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = open(boundary);
    const bool in_process = boundary == CekBoundary::process;
    CHECK(kms.describe_key(decrypts.uid()).value().may_encrypt == in_process);
    CHECK(kms.describe_key(unwraps.uid()).value().may_encrypt == !in_process);
    CHECK(publishes(kms, decrypts.uid()) == in_process);
    CHECK(publishes(kms, unwraps.uid()) == !in_process);
  }
}

TEST_CASE("a key that could bring a CEK out of its boundary is warned of") {
  const Kms keep = open();
  const ForeignPair decrypts("warned-decrypts", {.decrypt = true, .unwrap = true, .sign = false});
  const ForeignPair signs("warned-signs", {.decrypt = false, .unwrap = true, .sign = true});
  const ForeignPair leaves("warned-leaves",
                           {.decrypt = false, .unwrap = true, .sign = false, .leave = true});
  const ForeignPair good("not-warned-of", {.decrypt = false, .unwrap = true, .sign = false});
  std::vector<std::string> warnings;
  Options all;
  all.hsms.push_back(options(CekBoundary::hsm));
  all.on_warning = [&](std::string_view text) { warnings.emplace_back(text); };
  const Kms kms = jwekms::open(all).value();
  CHECK(support::code_of(kms.describe_key(good.uid())) == "ok");
  CHECK(warnings.empty());
  std::size_t expected_count = 0;
  for (const ForeignPair* weak : {&decrypts, &signs, &leaves}) {
    CHECK(support::code_of(kms.describe_key(weak->uid())) == "ok");
    CHECK(warnings.size() == ++expected_count);
    CHECK(warnings.back().find("could bring a CEK out") != std::string::npos);
    CHECK(warnings.back().find(variable("PIN")) == std::string::npos);
  }
  HsmOptions strict = options(CekBoundary::hsm);
  strict.forbid_weak_keys = true;
  const Kms refusing = try_open(strict).value();
  for (const ForeignPair* weak : {&decrypts, &signs, &leaves})
    CHECK(support::code_of(refusing.describe_key(weak->uid())) == "forbidden");
  CHECK(support::code_of(refusing.describe_key(good.uid())) == "ok");
}

TEST_CASE("one key that is of no use leaves the others in the JWK Set") {
  HsmOptions strict = options(CekBoundary::hsm);
  strict.forbid_weak_keys = true;
  const Kms kms = try_open(strict).value();
  const std::string good = rsa_uid(kms, CekBoundary::hsm);
  const ForeignPair weak("weak", {.decrypt = true, .unwrap = true, .sign = true});
  CHECK(support::code_of(kms.describe_key(weak.uid())) == "forbidden");
  CHECK(publishes(kms, good));
  CHECK_FALSE(publishes(kms, weak.uid()));
  const KeyPage page = kms.list_keys({.after = {}, .limit = 1000}, instance_prefix()).value();
  for (const KeyInfo& info : page.keys)
    if (info.uid == weak.uid()) CHECK_FALSE((info.may_encrypt || info.may_decrypt));
  {
    const ForeignPair one("pair-twice", {.decrypt = false, .unwrap = true, .sign = false});
    // NSS takes another pair under one CKA_ID for the same: the label alone may be the same.
    const ForeignPair other("pair-twice-2", {.decrypt = false, .unwrap = true, .sign = false});
    const Raw raw;
    std::string label = "pair-twice";
    CK_ATTRIBUTE renamed{CKA_LABEL, label.data(), label.size()};
    const CK_OBJECT_HANDLE second = raw.find(CKO_PRIVATE_KEY, "pair-twice-2").at(0);
    Raw::check(raw.f->C_SetAttributeValue(raw.session, second, &renamed, 1));
    REQUIRE(support::code_of(kms.describe_key(one.uid())) == "internal_error");
    CHECK(publishes(kms, good));
    CHECK_FALSE(publishes(kms, one.uid()));
  }
}

TEST_CASE("what another program changes of a key is seen after ten seconds") {
  HsmOptions strict = options(CekBoundary::hsm);
  strict.forbid_weak_keys = true;
  const Kms kms = try_open(strict).value();
  ForeignPair pair("changes", {.decrypt = false, .unwrap = true, .sign = false});
  CHECK(kms.describe_key(pair.uid()).value().may_decrypt);
  const Kms in_process = open();
  CHECK_FALSE(in_process.describe_key(pair.uid()).value().may_decrypt);
  REQUIRE(pair.set(CKA_DECRYPT, true));
  std::this_thread::sleep_for(10100ms);
  CHECK(support::code_of(kms.describe_key(pair.uid())) == "forbidden");
  CHECK(in_process.describe_key(pair.uid()).value().may_decrypt);
  REQUIRE(pair.set(CKA_DECRYPT, false));
  CHECK(support::code_of(kms.describe_key(pair.uid())) == "ok");
}

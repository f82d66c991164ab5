// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "token.hpp"

// The HSM boundary: the CEK is never in the process.

using namespace token;

namespace {

struct Case {
  Alg alg;
  bool works;
};
std::vector<Case> cases() {
  return {{Alg::RSA_OAEP, expected().boundary_sha1},
          {Alg::RSA_OAEP_256, expected().boundary_sha256}};
}

}  // namespace

TEST_CASE("the token decrypts within itself, or the call says that it cannot") {
  const Kms kms = open(CekBoundary::hsm);
  const std::string uid = rsa_uid(kms, CekBoundary::hsm);
  for (const auto& [alg, works] : cases())
    for (const Enc enc : {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM}) {
      INFO(row(alg).name << ' ' << row(enc).name);
      const std::string wanted = works ? "inside" : "error: unsupported_algorithm";
      CHECK(decrypt(kms, make(kms, uid, alg, enc, "inside")) == wanted);
    }
  if (!expected().boundary_sha1) return;
  CHECK(try_sizes(kms, [&](std::string_view plaintext) {
          return make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, plaintext);
        }) == "");
}

TEST_CASE("within the token all failures are alike") {
  if (!expected().boundary_sha1) return;
  const Kms kms = open(CekBoundary::hsm);
  const std::string uid = rsa_uid(kms, CekBoundary::hsm);
  const auto key = public_key(kms, uid);
  const AlgRow& a = row(Alg::RSA_OAEP);
  const std::string failed = "error: decryption_failed";
  for (const Enc enc : {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM}) {
    const EncRow& e = row(enc);
    const Cek cek = random_cek(e.cek_bytes);
    const Bytes good = key->wrap(a, cek).value();
    Bytes flipped = good;
    flipped[9] ^= 1;
    CHECK(decrypt(kms, compact(uid, a, e, flipped, cek, "text")) == failed);
    CHECK(decrypt(kms, compact(uid, a, e, Bytes(good.size(), 0xFF), cek, "text")) == failed);
    CHECK(decrypt(kms, compact(uid, a, e, Bytes(3, 1), cek, "text")) == failed);
    for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 24U, 32U, 33U, 64U}) {
      if (size == e.cek_bytes) continue;
      INFO(e.name << " with a CEK of " << size);
      const Cek odd = random_cek(size);
      CHECK(decrypt(kms, compact(uid, a, e, key->wrap(a, odd).value(), odd, "text")) == failed);
    }
    std::string text = compact(uid, a, e, good, cek, "text");
    CHECK(decrypt(kms, text) == "text");
    text[text.size() - 2] = text[text.size() - 2] == 'A' ? 'B' : 'A';
    CHECK(decrypt(kms, text) == failed);
  }
}

TEST_CASE("nothing of a decryption stays in the token") {
  if (!expected().boundary_sha1) return;
  const Kms kms = open(CekBoundary::hsm);
  const std::string uid = rsa_uid(kms, CekBoundary::hsm);
  const std::string good = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "text");
  std::string bad = good;
  bad[bad.size() - 2] = bad[bad.size() - 2] == 'A' ? 'B' : 'A';
  CHECK(decrypt(kms, good) == "text");
  const Raw raw;
  const std::size_t before = raw.find(CKO_SECRET_KEY, "").size();
  for (int i = 0; i < 5; ++i) {
    CHECK(decrypt(kms, good) == "text");
    CHECK(decrypt(kms, bad) == "error: decryption_failed");
  }
  CHECK(raw.find(CKO_SECRET_KEY, "").size() == before);
}

TEST_CASE("a key of the HSM boundary only unwraps") {
  const Kms kms = open(CekBoundary::hsm);
  const std::string uid = rsa_uid(kms, CekBoundary::hsm);
  const Raw raw;
  const auto found = raw.find(CKO_PRIVATE_KEY, "shared-boundary");
  REQUIRE(found.size() == 1);
  CHECK(raw.flag(found[0], CKA_UNWRAP));
  CHECK_FALSE(raw.flag(found[0], CKA_DECRYPT));
  CHECK_FALSE(raw.flag(found[0], CKA_SIGN));
  CHECK_FALSE(raw.flag(found[0], CKA_EXTRACTABLE));
  CHECK(raw.flag(found[0], CKA_SENSITIVE));
  // The CEK does not come to the database either.
  const Cek cek = random_cek(32);
  const std::string text = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "text");
  const support::TempDir dir;
  const Kms both = try_open(options(CekBoundary::hsm), dir.file("keys")).value();
  CHECK(support::code_of(both.unwrap_key(text, {.uid = "kept"})) == "forbidden");
}

TEST_CASE("a key that could bring CEKs out is refused, if so wished") {
  {
    const Kms kms = open();
    (void)rsa_uid(kms);
  }
  HsmOptions strict = options(CekBoundary::hsm);
  strict.forbid_weak_keys = true;
  const Kms kms = try_open(strict).value();
  CHECK(support::code_of(kms.describe_key(prefix() + "shared-process")) == "forbidden");
  CHECK(support::code_of(kms.describe_key(rsa_uid(kms, CekBoundary::hsm))) == "ok");
}

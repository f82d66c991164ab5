// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "token.hpp"

// The process boundary: the token decrypts encrypted_key, the rest is done here.

using namespace token;

namespace {

constexpr Enc gcm_encs[] = {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM};
constexpr Alg oaep_algs[] = {Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::RSA_OAEP_384,
                             Alg::RSA_OAEP_512};

}  // namespace

TEST_CASE("an HSM key decrypts every RSA-OAEP alg and enc") {
  const Kms kms = open();
  const std::string uid = rsa_uid(kms);
  for (const Alg alg : oaep_algs)
    for (const Enc enc : gcm_encs) {
      INFO(row(alg).name << ' ' << row(enc).name);
      CHECK(decrypt(kms, make(kms, uid, alg, enc, "made in software")) == "made in software");
      CHECK(decrypt(kms, token::encrypt(kms, uid, alg, enc, "made by kms")) == "made by kms");
    }
}

TEST_CASE("a caller may name the HSM key") {
  const Kms kms = open();
  const std::string uid = rsa_uid(kms);
  const Cek cek = random_cek(32);
  const std::string text =
      compact("issuer's own", row(Alg::RSA_OAEP_256), row(Enc::A256GCM),
              public_key(kms, uid)->wrap(row(Alg::RSA_OAEP_256), cek).value(), cek, "named");
  CHECK(decrypt(kms, text, uid) == "named");
}

TEST_CASE("whatever is wrong with encrypted_key fails alike") {
  const Kms kms = open();
  const std::string uid = rsa_uid(kms);
  const auto key = public_key(kms, uid);
  const std::size_t k = key->n().size();
  for (const Alg alg : {Alg::RSA_OAEP, Alg::RSA_OAEP_256}) {
    const AlgRow& a = row(alg);
    const EncRow& e = row(Enc::A256GCM);
    const Cek cek = random_cek(32);
    const Bytes good = key->wrap(a, cek).value();
    const auto with = [&](const Bytes& encrypted_key, const Cek& content = Cek{}) {
      return decrypt(kms, compact(uid, a, e, encrypted_key, content, "text"));
    };
    INFO(a.name);
    CHECK(decrypt(kms, compact(uid, a, e, good, cek, "text")) == "text");
    const std::string failed = "error: decryption_failed";
    Bytes flipped = good;
    flipped[k / 2] ^= 1;
    CHECK(with(flipped) == failed);
    CHECK(with(Bytes(k, 0)) == failed);
    CHECK(with(Bytes(k, 0xFF)) == failed);
    CHECK(with(key->n()) == failed);  // the modulus itself: not below it
    CHECK(with(Bytes(good.begin(), good.end() - 1)) == failed);
    Bytes longer = good;
    longer.push_back(0);
    CHECK(with(longer) == failed);
    longer = good;
    longer.insert(longer.begin(), 0);
    CHECK(with(longer) == failed);
    CHECK(with(Bytes(1, 1)) == failed);
    // Another hash, another enc's CEK, sizes that no enc has.
    const Alg other = alg == Alg::RSA_OAEP ? Alg::RSA_OAEP_256 : Alg::RSA_OAEP;
    CHECK(with(key->wrap(row(other), cek).value(), support::make_cek(support::raw(cek))) == failed);
    for (const std::size_t size : {0U, 1U, 16U, 24U, 31U, 33U, 48U, 64U}) {
      const Cek odd = random_cek(size);
      CHECK(with(key->wrap(a, odd).value(), odd) == failed);
    }
    // And a wrong tag.
    std::string text = compact(uid, a, e, good, cek, "text");
    text[text.size() - 2] = text[text.size() - 2] == 'A' ? 'B' : 'A';
    CHECK(decrypt(kms, text) == failed);
  }
}

TEST_CASE("a key in the token that is not there is not found") {
  const Kms kms = open();
  CHECK(support::code_of(kms.describe_key(prefix() + "nobody")) == "not_found");
  CHECK(support::code_of(kms.describe_key(std::string("hsm::") + expected().model +
                                          "::77::nobody")) == "not_found");
  CHECK(support::code_of(kms.describe_key("hsm::utimaco::0::nobody")) == "not_found");
  CHECK(support::code_of(kms.describe_key("hsm::nonsense")) == "bad_request");
}

TEST_CASE("long and empty contents") {
  const Kms kms = open();
  const std::string uid = rsa_uid(kms);
  CHECK(decrypt(kms, make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "")).empty());
  const std::string big(1 << 20, 'x');
  CHECK(decrypt(kms, make(kms, uid, Alg::RSA_OAEP_256, Enc::A128GCM, big)) == big);
}

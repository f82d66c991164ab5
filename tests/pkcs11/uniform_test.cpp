// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "token.hpp"

// Whatever is wrong with a token text: one code, one position, one text, one content of `out`, on
// every token and in both boundaries.

using namespace token;

namespace {

struct Answer {
  Errc code;
  std::size_t position;
  std::string text;
  bool wiped;
  bool operator==(const Answer&) const = default;
};

std::ostream& operator<<(std::ostream& to, const Answer& answer) {
  return to << jwekms::name(answer.code) << " at " << answer.position << ": " << answer.text
            << (answer.wiped ? "" : " (not wiped)");
}

/// What every one of them gets; it stands here so that all tokens are held to the same.
const Answer rejected{Errc::decryption_failed, 0, "decryption failed", true};

Answer answer_of(const Kms& kms, const std::string& text, std::size_t spare) {
  Bytes out(kms.decrypt_bound(text).value() - 16 + spare, 0xA5);
  const Result<std::size_t> size = kms.decrypt(text, out);
  if (size) return {Errc::internal_error, 0, "decrypted", false};
  return {size.error().code, size.error().position, size.error().text, support::all_zero(out)};
}

/// Whether or not the token may write into the buffer.
Answer answer_of(const Kms& kms, const std::string& text) {
  const Answer answer = answer_of(kms, text, 0);
  CHECK(answer_of(kms, text, 16) == answer);
  return answer;
}

/// Of unwrap_key(), which keeps nothing.
Answer answer_of(const Kms& kms, const std::string& text, const KeepCek& keep) {
  const Result<KeyInfo> kept = kms.unwrap_key(text, keep);
  if (kept) return {Errc::internal_error, 0, "kept", false};
  return {kept.error().code, kept.error().position, kept.error().text, true};
}

/// An encrypted_key with a fault that shows in its padding or in itself: padding, length, above the
/// modulus, another hash.
std::vector<Bytes> bad_keys(const crypto::RsaPublicKey& key, Alg alg, const Cek& cek) {
  const Bytes good = key.wrap(row(alg), cek).value();
  Bytes flipped = good, longer = good;
  flipped[100] ^= 1;
  longer.insert(longer.begin(), 0);
  const Alg other = alg == Alg::RSA_OAEP ? Alg::RSA_OAEP_256 : Alg::RSA_OAEP;
  return {flipped,
          Bytes(good.size(), 0),
          Bytes(good.size(), 0xFF),
          key.n(),
          Bytes(good.begin() + 1, good.end()),
          longer,
          Bytes(1, 1),
          key.wrap(row(other), cek).value()};
}

/// The text with the letter at the start of its `part`, from 0, changed.
std::string with_other(const std::string& text, int part) {
  std::size_t at = 0;
  for (int i = 0; i < part; ++i) at = text.find('.', at) + 1;
  return support::with_other_letter(text, at + 2);
}

}  // namespace

TEST_CASE("every bad token text gets the same answer") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = open(boundary);
    const std::string uid = rsa_uid(kms, boundary);
    const auto key = public_key(kms, uid);
    for (const Alg alg : {Alg::RSA_OAEP, Alg::RSA_OAEP_256}) {
      const bool works =
          boundary == CekBoundary::process ||
          (alg == Alg::RSA_OAEP ? expected().boundary_sha1 : expected().boundary_sha256);
      if (!works) continue;
      const AlgRow& a = row(alg);
      const EncRow& e = row(Enc::A192GCM);
      INFO(a.name << (boundary == CekBoundary::hsm ? " in the HSM" : " in the process"));
      const Cek cek = random_cek(e.cek_bytes);
      const Bytes good = key->wrap(a, cek).value();
      const std::string text = compact(uid, a, e, good, cek, "content");
      REQUIRE(decrypt(kms, text) == "content");
      for (const Bytes& bad : bad_keys(*key, alg, cek))
        CHECK(answer_of(kms, compact(uid, a, e, bad, cek, "content")) == rejected);
      for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 20U, 23U, 25U, 31U, 32U, 33U, 64U}) {
        INFO("a CEK of " << size);
        const Cek odd = random_cek(size);
        CHECK(answer_of(kms, compact(uid, a, e, key->wrap(a, odd).value(), odd, "content")) ==
              rejected);
      }
      // IV, ciphertext, tag, and the header as additional data.
      for (const int part : {2, 3, 4}) CHECK(answer_of(kms, with_other(text, part)) == rejected);
      const std::string json = "{\"alg\":\"" + std::string(a.name) + "\",\"enc\":\"" +
                               std::string(e.name) + "\",\"kid\":\"" + uid + "\" }";
      CHECK(answer_of(kms, support::b64(support::bytes(json)) + text.substr(text.find('.'))) ==
            rejected);
    }
  }
}

TEST_CASE("every bad encrypted_key gets the same answer where its CEK is to be kept") {
  const support::TempDir dir;
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = try_open(options(boundary), dir.file("keys")).value();
    const std::string uid = rsa_uid(kms, boundary);
    const auto key = public_key(kms, uid);
    for (const Alg alg : {Alg::RSA_OAEP, Alg::RSA_OAEP_256})
      for (const bool in_hsm : {false, true}) {
        const bool works =
            in_hsm ? (alg == Alg::RSA_OAEP ? expected().boundary_sha1 : expected().boundary_sha256)
                   : boundary == CekBoundary::process;
        if (!works) continue;
        INFO(row(alg).name << (in_hsm ? " in the HSM" : " in the database"));
        const EncRow& e = row(Enc::A256GCM);
        const Cek cek = random_cek(e.cek_bytes);
        for (const Bytes& bad : bad_keys(*key, alg, cek))
          CHECK(answer_of(kms, compact(uid, row(alg), e, bad, cek, "x"),
                          {.store_in_hsm = in_hsm}) == rejected);
        for (const std::size_t size : {0U, 1U, 16U, 31U, 33U, 64U}) {
          const Cek odd = random_cek(size);
          const Answer answer =
              answer_of(kms, compact(uid, row(alg), e, key->wrap(row(alg), odd).value(), odd, "x"),
                        {.store_in_hsm = in_hsm});
          CHECK(answer.code == Errc::crypto_failure);
        }
      }
  }
}

TEST_CASE("a bad text under dir gets the same answer") {
  if (!expected().gcm) return;
  const Kms kms = open();
  const std::string uid = prefix() + "uniform-dir";
  (void)kms.create_key({.uid = uid, .type = KeyType::oct}).value();
  const std::string text = token::encrypt(kms, uid, Alg::dir, Enc::A256GCM, "content");
  REQUIRE(decrypt(kms, text) == "content");
  for (const int part : {2, 3, 4}) CHECK(answer_of(kms, with_other(text, part)) == rejected);
  const std::string json = R"({"alg":"dir","enc":"A256GCM","kid":")" + uid + "\" }";
  CHECK(answer_of(kms, support::b64(support::bytes(json)) + text.substr(text.find('.'))) ==
        rejected);
  (void)kms.set_key_state(uid, KeyState::destroyed).value();
}

// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <functional>

#include "faulty.hpp"

// Which calls the boundaries make: what the token is asked for, and that it is asked for the same
// whatever is wrong with a token text.

using namespace token;
using faulty::module;

namespace {

/// The calls of a decryption by a provider that has everything at hand.
std::vector<std::string> calls_of(const Kms& kms, const std::string& text) {
  module().log_clear();
  (void)decrypt(kms, text);
  return module().log();
}

bool has(const std::string& line, const std::string& part) {
  return line.find(part) != std::string::npos;
}

/// `part` up to its end: " types=0x11" is not in " types=0x110".
bool asks_for_value(const std::string& line) {
  if (!line.starts_with("C_GetAttributeValue ")) return false;
  const std::size_t at = line.find(" types=");
  std::string types = line.substr(at + 7, line.find(' ', at + 1) - at - 7) + ",";
  return types.starts_with("0x11,") || has(types, ",0x11,");
}

std::vector<std::string> names_of(const std::vector<std::string>& lines) {
  std::vector<std::string> names;
  for (const std::string& line : lines) names.push_back(line.substr(0, line.find(' ')));
  return names;
}

bool uses_rsa_to_decrypt(const std::vector<std::string>& lines) {
  return std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
    // Whatever is not AES-GCM, RSAES-PKCS1-v1_5 too.
    return line.starts_with("C_Decrypt") && has(line, " mechanism=") &&
           !has(line + " ", " mechanism=0x1087 ");
  });
}

bool does_bare_rsa(const std::vector<std::string>& lines) {
  return std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
    return has(line + " ", " mechanism=0x3 ");  // CKM_RSA_X_509
  });
}

bool signs(const std::vector<std::string>& lines) {
  return std::any_of(lines.begin(), lines.end(),
                     [](const std::string& line) { return line.starts_with("C_Sign"); });
}

}  // namespace

TEST_CASE("within the boundary no RSA key decrypts, no value is read and nothing is signed") {
  const faulty::Clean clean;
  for (const CekBoundary boundary : faulty::boundaries())
    for (const Alg alg : {Alg::RSA_OAEP, Alg::RSA_OAEP_256}) {
      const bool inside = boundary == CekBoundary::hsm;
      if (inside && alg == Alg::RSA_OAEP_256 && !expected().boundary_sha256) continue;
      INFO(row(alg).name << (inside ? " in the HSM" : " in the process"));
      const Kms kms = open(boundary);
      const std::string text = make(kms, rsa_uid(kms, boundary), alg, Enc::A256GCM, "logged");
      // From the first look at the key to the answer.
      module().reset();
      REQUIRE(decrypt(open(boundary), text) == "logged");
      const std::vector<std::string> lines = module().log();
      CHECK(lines.size() > 10);
      CHECK(std::none_of(lines.begin(), lines.end(), asks_for_value));
      CHECK(uses_rsa_to_decrypt(lines) == !inside);
      CHECK((module().calls("C_UnwrapKey") > 0) == inside);
      CHECK(module().calls("C_WrapKey") == 0);
      CHECK_FALSE(signs(lines));
      if (inside) CHECK_FALSE(does_bare_rsa(lines));
    }
}

TEST_CASE("a CEK is kept in the token without a value's being read") {
  const faulty::Clean clean;
  if (!expected().boundary_sha1) return;  // refused: keys_test.cpp
  for (const CekBoundary boundary : faulty::boundaries())
    for (const Alg alg : {Alg::RSA_OAEP, Alg::RSA_OAEP_256}) {
      if (alg == Alg::RSA_OAEP_256 && !expected().boundary_sha256) continue;
      std::string text;
      {
        const Kms kms = open(boundary);
        text = make(kms, rsa_uid(kms, boundary), alg, Enc::A256GCM, "kept");
      }
      const Kms kms = open(boundary);
      // The trial of a key that may decrypt is a decryption, of the number 2.
      if (boundary == CekBoundary::process) REQUIRE(decrypt(kms, text) == "kept");
      module().reset();
      const KeyInfo kept = kms.unwrap_key(text, {.store_in_hsm = true}).value();
      const std::vector<std::string> lines = module().log();
      CHECK(module().calls("C_UnwrapKey") > 0);
      CHECK(std::none_of(lines.begin(), lines.end(), asks_for_value));
      CHECK_FALSE(uses_rsa_to_decrypt(lines));
      CHECK_FALSE(does_bare_rsa(lines));
      CHECK_FALSE(signs(lines));
      CHECK(module().calls("C_WrapKey") == 0);
      (void)kms.set_key_state(kept.uid, KeyState::destroyed).value();
    }
}

TEST_CASE("the check of the log would see bare RSA") {
  const faulty::Clean clean;
  if (expected_column().at("RSA-OAEP-256: decrypt, CEK in the process") != "yes, by bare RSA")
    return;
  const Kms kms = open();
  const std::string text = make(kms, rsa_uid(kms), Alg::RSA_OAEP_256, Enc::A256GCM, "bare");
  module().log_clear();
  REQUIRE(decrypt(kms, text) == "bare");
  CHECK(does_bare_rsa(module().log()));
}

TEST_CASE("the check of the log would see a value that is read") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string uid = prefix() + "logged";
  (void)kms.create_key({.uid = uid, .type = KeyType::oct}).value();
  {
    const Raw raw;
    module().log_clear();
    (void)raw.read(raw.find(CKO_SECRET_KEY, "logged").at(0), CKA_VALUE);
    const std::vector<std::string> lines = module().log();
    CHECK(std::any_of(lines.begin(), lines.end(), asks_for_value));
  }
  (void)kms.set_key_state(uid, KeyState::destroyed).value();
}

TEST_CASE("the token sees the same calls whatever is wrong with a token text") {
  const faulty::Clean clean;
  for (const CekBoundary boundary : faulty::boundaries()) {
    const Kms kms = open(boundary);
    const std::string uid = rsa_uid(kms, boundary);
    const auto key = public_key(kms, uid);
    const AlgRow& a = row(Alg::RSA_OAEP);
    const EncRow& e = row(Enc::A256GCM);
    const Cek cek = random_cek(32);
    const Bytes good = key->wrap(a, cek).value();
    const std::string text = compact(uid, a, e, good, cek, "text");
    REQUIRE(decrypt(kms, text) == "text");
    const auto names = [&](const std::string& of) { return names_of(calls_of(kms, of)); };
    // What is good, and then the question whether the token is well.
    const std::string bad = support::with_other_letter(text, text.size() - 5);
    const std::vector<std::string> told = names(bad);
    CHECK(std::count(told.begin(), told.end(), "C_GetTokenInfo") == 1);
    const auto as_a_bad_tag = [&](std::span<const std::uint8_t> encrypted_key, const Cek& sealed) {
      const std::string of = compact(uid, a, e, encrypted_key, sealed, "text");
      // Once a second a copy of a key is looked at anew, in whichever of the two that falls.
      for (int i = 0; i < 5; ++i)
        if (names(bad) == names(of)) return true;
      return false;
    };
    bool as_good = false;
    for (int i = 0; i < 5 && !as_good; ++i) {
      std::vector<std::string> rest = names(bad);
      std::erase(rest, "C_GetTokenInfo");
      as_good = rest.size() >= 3 && rest == names(text);
    }
    CHECK(as_good);
    Bytes flipped = good;
    flipped[40] ^= 1;
    CHECK(as_a_bad_tag(flipped, cek));
    CHECK(as_a_bad_tag(Bytes(good.size(), 0xFF), cek));
    CHECK(as_a_bad_tag(Bytes(5, 1), cek));
    for (const std::size_t size : {1U, 16U, 24U, 31U, 33U, 64U}) {
      INFO("a CEK of " << size);
      const Cek odd = random_cek(size);
      CHECK(as_a_bad_tag(key->wrap(a, odd).value(), odd));
    }
  }
}

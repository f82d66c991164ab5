// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "token.hpp"

// What programs do with keys of the token beside the plain decryption of a compact JWE.

using namespace token;

namespace {

std::string reencrypt(const Kms& kms, const std::string& text, const EncryptOptions& to) {
  std::string out(kms.reencrypt_bound(text, to).value(), '\0');
  const Result<std::size_t> size = kms.reencrypt(text, out, {}, to);
  if (!size) return "error: " + std::string(jwekms::name(size.error().code));
  out.resize(*size);
  return out;
}

std::string with_aad(const Kms& kms, const std::string& uid, Alg alg, std::string_view aad) {
  const EncryptOptions how{.key = uid,
                           .alg = alg,
                           .serialization = Serialization::flattened,
                           .aad = support::bytes(aad)};
  std::string out(kms.encrypt_bound(7, how), '\0');
  out.resize(kms.encrypt(support::bytes("content"), out, how).value());
  return out;
}

}  // namespace

TEST_CASE("what one key of the token opens is sealed for another") {
  const support::TempDir dir;
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = try_open(options(boundary), dir.file("keys")).value();
    const std::string from = rsa_uid(kms, boundary);
    const std::string other = prefix() + "sealed-for";
    const std::string in_database = kms.create_key({}).value().uid;
    (void)kms.create_key({.uid = other}).value();
    const std::string text = make(kms, from, Alg::RSA_OAEP, Enc::A128GCM, "passed on");
    const bool works = boundary == CekBoundary::process || expected().boundary_sha1;
    const std::string wanted = works ? "passed on" : "error: unsupported_algorithm";
    const auto passed_on = [&](const std::string& source, const EncryptOptions& to) {
      const std::string sealed = reencrypt(kms, source, to);
      return sealed.starts_with("error: ") ? sealed : decrypt(kms, sealed);
    };
    CHECK(passed_on(text, {.key = other, .alg = Alg::RSA_OAEP}) == wanted);
    CHECK(passed_on(text, {.key = in_database}) == wanted);
    CHECK(passed_on(token::encrypt(kms, in_database, Alg::RSA_OAEP, Enc::A256GCM, "passed on"),
                    {.key = other, .alg = Alg::RSA_OAEP}) == wanted);
    CHECK(passed_on(support::with_other_letter(text, text.size() - 5), {.key = in_database}) ==
          (works ? "error: decryption_failed" : wanted));
    (void)kms.set_key_state(other, KeyState::destroyed).value();
  }
}

TEST_CASE("what is opened by RSA is sealed under dir, and the other way round") {
  if (!expected().gcm) return;  // refused: keys_test.cpp
  const Kms kms = open();
  const std::string rsa = rsa_uid(kms);
  const std::string aes = prefix() + "sealed-under";
  (void)kms.create_key({.uid = aes, .type = KeyType::oct}).value();
  const std::string text = make(kms, rsa, Alg::RSA_OAEP_256, Enc::A256GCM, "there and back");
  const std::string direct = reencrypt(kms, text, {.key = aes, .alg = Alg::dir});
  CHECK(decrypt(kms, direct) == "there and back");
  CHECK(decrypt(kms, reencrypt(kms, direct, {.key = rsa})) == "there and back");
  (void)kms.set_key_state(aes, KeyState::destroyed).value();
}

TEST_CASE("a JWE with additional data of its own") {
  const auto holds = [](const Kms& kms, const std::string& uid, Alg alg) {
    const std::string text = with_aad(kms, uid, alg, "of the sender");
    REQUIRE(text.find("\"aad\":\"") != std::string::npos);
    CHECK(decrypt(kms, text) == "content");
    const std::size_t at = text.find("\"aad\":\"") + 8;
    CHECK(decrypt(kms, support::with_other_letter(text, at)) == "error: decryption_failed");
  };
  const Kms kms = open();
  holds(kms, rsa_uid(kms), Alg::RSA_OAEP_256);
  if (expected().gcm) {
    const std::string uid = prefix() + "with-aad";
    (void)kms.create_key({.uid = uid, .type = KeyType::oct}).value();
    holds(kms, uid, Alg::dir);
    (void)kms.set_key_state(uid, KeyState::destroyed).value();
  }
  const Kms inside = open(CekBoundary::hsm);
  const std::string uid = rsa_uid(inside, CekBoundary::hsm);
  if (expected().boundary_sha1) holds(inside, uid, Alg::RSA_OAEP);
  if (expected().boundary_sha256) holds(inside, uid, Alg::RSA_OAEP_256);
}

TEST_CASE("a CEK that came by RSA-OAEP-256 stays in the token and serves dir") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = open(boundary);
    const std::string parent = rsa_uid(kms, boundary);
    const AlgRow& a = row(Alg::RSA_OAEP_256);
    const EncRow& e = row(Enc::A192GCM);
    const Cek cek = random_cek(e.cek_bytes);
    const std::string text =
        compact(parent, a, e, public_key(kms, parent)->wrap(a, cek).value(), cek, "x");
    const Result<KeyInfo> kept = kms.unwrap_key(text, {.store_in_hsm = true});
    CHECK(support::code_of(kept) == (expected().boundary_sha256 ? "ok" : "unsupported_algorithm"));
    if (!kept) continue;
    CHECK(decrypt(kms, compact(kept->uid, row(Alg::dir), e, {}, cek, "direct")) == "direct");
    CHECK(decrypt(kms, token::encrypt(kms, kept->uid, Alg::dir, e.id, "again")) == "again");
    (void)kms.set_key_state(kept->uid, KeyState::destroyed).value();
  }
}

// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "kms_support.hpp"
#include "make_token.hpp"
#include "oaep.hpp"

using namespace jwekms;
using namespace support;

namespace {

constexpr std::string_view header = R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rsa"})";

/// What the use case sends to keys/unwrap: no content.
std::string wrapped_only(std::string_view header_json, std::string_view encrypted_key_b64) {
  return R"({"protected":")" + b64(bytes(header_json)) + R"(","encrypted_key":")" +
         std::string(encrypted_key_b64) + R"("})";
}

/// A later token under the CEK that was kept.
std::string direct(std::string_view kid, std::span<const std::uint8_t> cek,
                   std::string_view plaintext, Enc enc = Enc::A256GCM) {
  const std::string text = R"({"alg":"dir","enc":")" + std::string(row(enc).name) + R"(","kid":")" +
                           std::string(kid) + R"("})";
  return seal_token(text, cek, bytes(plaintext), enc).compact();
}

struct Keeping : Database {
  explicit Keeping(const Policy& policy = Policy::permissive()) : Database(policy) {
    import_rsa(kms, "rsa", *rsa_key());
  }
};

}  // namespace

TEST_CASE("a CEK that was unwrapped decrypts later tokens", "[unwrap_key]") {
  const Keeping db;
  const Enc enc = GENERATE(Enc::A128GCM, Enc::A192GCM, Enc::A256GCM);
  const Bytes cek = pattern(row(enc).cek_bytes, 5);
  const std::string text =
      R"({"alg":"RSA-OAEP","enc":")" + std::string(row(enc).name) + R"(","kid":"rsa"})";
  const auto kept = db.kms.unwrap_key(wrapped_only(text, wrap_b64(*rsa_key(), Alg::RSA_OAEP, cek)));
  REQUIRE(code_of(kept) == "ok");
  CHECK(kept->type == KeyType::oct);
  CHECK(kept->bits == row(enc).cek_bytes * 8u);
  CHECK(kept->enc == enc);
  CHECK(kept->algs == AlgSet{Alg::dir});
  CHECK(kept->parent == "rsa");
  CHECK(kept->state == KeyState::active);
  CHECK(decrypt(db.kms, direct(kept->uid, cek, "later", enc)).text() == "later");
  const auto made = encrypt(db.kms, bytes("ours"), {.key = kept->uid, .alg = Alg::dir, .enc = enc});
  CHECK(decrypt(db.kms, *made).text() == "ours");
}

TEST_CASE("whole tokens of every serialization give up their CEK", "[unwrap_key]") {
  const Keeping db;
  const Bytes cek = pattern(32, 77);  // seal_for's own
  const TokenParts parts = seal_for(*rsa_key(), header, Alg::RSA_OAEP_256, bytes("now"));
  const std::string shared = R"({"enc":"A256GCM"})";
  TokenParts for_all = seal_token(shared, cek, bytes("now"));
  const std::string general_token =
      general(for_all, {recipient(R"({"alg":"RSA-OAEP-256","kid":"rsa"})", parts.encrypted_key)});
  for (const std::string& token : {parts.compact(), parts.flattened(), general_token}) {
    const auto kept = db.kms.unwrap_key(token, {.aliases = {}, .owner = "me"});
    REQUIRE(code_of(kept) == "ok");
    CHECK(kept->owner == "me");
    CHECK(decrypt(db.kms, direct(kept->uid, cek, "later")).text() == "later");
  }
}

TEST_CASE("a CEK is kept under the names that were asked for", "[unwrap_key]") {
  const Keeping db;
  const Bytes cek = pattern(32);
  const std::string token = wrapped_only(header, wrap_b64(*rsa_key(), Alg::RSA_OAEP_256, cek));
  const auto kept = db.kms.unwrap_key(token, {.uid = "session", .aliases = {"one", "two"}});
  REQUIRE(code_of(kept) == "ok");
  for (const char* name : {"session", "one", "two"})
    CHECK(decrypt(db.kms, direct(name, cek, "x")).text() == "x");
  CHECK(code_of(db.kms.unwrap_key(token, {.uid = "session"})) == "conflict");
  CHECK(code_of(db.kms.unwrap_key(token, {.uid = "two"})) == "conflict");
  CHECK(code_of(db.kms.unwrap_key(token, {.uid = "new", .aliases = {"rsa"}})) == "conflict");
  CHECK(code_of(db.kms.describe_key("new")) == "not_found");
  CHECK(code_of(db.kms.unwrap_key(token, {.uid = "hsm::softhsm2::0::k"})) == "bad_request");
}

TEST_CASE("a kept CEK is bound to its enc and to dir", "[unwrap_key][threat]") {
  const Keeping db;
  const Bytes cek = pattern(32);
  const std::string token = wrapped_only(header, wrap_b64(*rsa_key(), Alg::RSA_OAEP_256, cek));
  REQUIRE(code_of(db.kms.unwrap_key(token, {.uid = "kept"})) == "ok");
  for (const Enc enc : {Enc::A128GCM, Enc::A192GCM}) {
    const std::span<const std::uint8_t> cut(cek.data(), row(enc).cek_bytes);
    CHECK(decrypt(db.kms, direct("kept", cut, "x", enc)).text() == "crypto_failure");
  }
  const TokenParts rsa_token = seal_for(
      *rsa_key(), R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"kept"})", Alg::RSA_OAEP_256, {});
  CHECK(decrypt(db.kms, rsa_token.compact()).text() == "crypto_failure");
  CHECK(code_of(db.kms.unwrap_key(rsa_token.compact())) == "crypto_failure");
  CHECK(code_of(encrypt(db.kms, {}, {.key = "kept"})) == "crypto_failure");
}

TEST_CASE("unwrapping tells apart what the use case's table tells apart", "[unwrap_key]") {
  const Keeping db;
  const auto code = [&](std::string_view header_json, std::string_view encrypted_key) {
    return std::string(code_of(db.kms.unwrap_key(wrapped_only(header_json, encrypted_key))));
  };
  const std::string good = wrap_b64(*rsa_key(), Alg::RSA_OAEP_256, pattern(32));
  CHECK(code(header, "") == "bad_request");
  CHECK(code(header, "*") == "bad_request");
  CHECK(code(header, good + "=") == "bad_request");
  CHECK(code(R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"nobody"})", good) == "not_found");
  CHECK(code(R"({"alg":"RSA-OAEP-256","enc":"A256GCM"})", good) == "bad_request");
  CHECK(code(R"({"alg":"dir","enc":"A256GCM","kid":"rsa"})", good) == "unsupported_algorithm");
  CHECK(code(R"({"alg":"A128KW","enc":"A256GCM","kid":"rsa"})", good) == "unsupported_algorithm");
  CHECK(code(R"({"alg":"RSA1_5","enc":"A256GCM","kid":"rsa"})", good) == "unsupported_algorithm");
  CHECK(code(R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"})", good) == "decryption_failed");
  CHECK(code(header, wrap_b64(*other_rsa_key(), Alg::RSA_OAEP_256, pattern(32))) ==
        "decryption_failed");
  CHECK(code(header, "AAAA") == "decryption_failed");
  for (const std::size_t size : Sizes{0, 1, 16, 24, 31, 33, 64})
    CHECK(code(header, b64(oaep::encrypt(*rsa_key(), Hash::sha256, pattern(size)))) ==
          "crypto_failure");
}

TEST_CASE("nothing is kept when unwrapping fails", "[unwrap_key]") {
  const Keeping db;
  CHECK(code_of(db.kms.unwrap_key(wrapped_only(header, "AAAA"), {.uid = "kept"})) ==
        "decryption_failed");
  CHECK(code_of(db.kms.describe_key("kept")) == "not_found");
  CHECK(db.kms.list_keys({})->keys.size() == 1);
}

TEST_CASE("the caller may name the key that unwraps", "[unwrap_key]") {
  const Keeping db;
  const std::string token = wrapped_only(R"({"alg":"RSA-OAEP-256","enc":"A256GCM"})",
                                         wrap_b64(*rsa_key(), Alg::RSA_OAEP_256, pattern(32)));
  CHECK(code_of(db.kms.unwrap_key(token, {}, {.key = "rsa"})) == "ok");
  CHECK(code_of(db.kms.unwrap_key(token, {}, {.key = "nobody"})) == "not_found");
  const Kms strict = db.opened(Policy{});
  CHECK(code_of(strict.unwrap_key(token, {}, {.key = "rsa"})) == "bad_request");  // require_kid
}

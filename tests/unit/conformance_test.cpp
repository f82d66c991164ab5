// SPDX-License-Identifier: Apache-2.0
// How libraries like this one have failed, tried on this one from the outside: tokens go into a Kms
// and nothing else is touched. The names carry the public record of each failure.
#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "jwekms/jwekms.hpp"

#include "../core/fake_provider.hpp"
#include "../core/kms_support.hpp"
#include "../core/make_token.hpp"

using namespace support;

namespace {

const Policy strict;
const std::string rsa_header = R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rsa"})";
const std::string dir_header = R"({"alg":"dir","enc":"A256GCM","kid":"oct"})";

/// A database with an RSA key that the test holds too, and a symmetric one for each `enc`.
const Kms& kms() {
  static const Database database(strict);
  static const bool filled = [] {
    import_rsa(database.kms, "rsa", *rsa_key());
    create_oct(database.kms, "oct");
    create_oct(database.kms, "oct128", Enc::A128GCM);
    create_oct(database.kms, "oct192", Enc::A192GCM);
    return true;
  }();
  (void)filled;
  return database.kms;
}

std::string_view outcome(std::string_view token, const DecryptOptions& options = {}) {
  const Decrypted decrypted = decrypt(kms(), token, options);
  CHECK(decrypted.clean());
  return decrypted.code();
}

std::string made(Alg alg, Enc enc, std::string_view key, std::string_view plaintext = "payload") {
  return encrypt(kms(), bytes(plaintext), {.key = key, .alg = alg, .enc = enc}).value();
}

/// The parts of a compact token, to be tampered with.
TokenParts parts_of(const std::string& token) {
  const JweView view = parse_jwe(token, Limits{}).value();
  return {.protected_b64 = std::string(view.protected_b64),
          .encrypted_key = std::string(view.recipient.encrypted_key_b64),
          .iv = std::string(view.iv_b64),
          .ciphertext = std::string(view.ciphertext_b64),
          .tag = std::string(view.tag_b64)};
}

/// A sound token for the RSA key, under any header.
std::string sealed(const std::string& header, Enc enc = Enc::A256GCM) {
  return seal_for(*rsa_key(), header, Alg::RSA_OAEP_256, bytes("payload"), enc).compact();
}

/// How many times a token with this header makes the library ask for a key.
int lookups(const std::string& header, const Policy& policy = Policy::permissive()) {
  const auto provider = std::make_shared<FakeProvider>();
  (void)decrypt(kms_over(provider, policy), sealed(header), {.key = "rsa"});
  return provider->calls().all();
}

Bytes prefix(const std::string& b64, std::size_t size) {
  Bytes all = from_b64(b64);
  all.resize(size);
  return all;
}

}  // namespace

TEST_CASE("what was encrypted here decrypts here", "[conformance]") {
  for (const Alg alg : {Alg::RSA_OAEP, Alg::RSA_OAEP_256})
    for (const Enc enc : {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM})
      CHECK(decrypt(kms(), made(alg, enc, "rsa")).text() == "payload");
  CHECK(decrypt(kms(), made(Alg::dir, Enc::A128GCM, "oct128")).text() == "payload");
  CHECK(decrypt(kms(), made(Alg::dir, Enc::A192GCM, "oct192")).text() == "payload");
  CHECK(decrypt(kms(), made(Alg::dir, Enc::A256GCM, "oct")).text() == "payload");
  CHECK(decrypt(kms(), sealed(rsa_header)).text() == "payload");
}

TEST_CASE("CVE-2023-37464, CVE-2018-1000539, CVE-2025-54887: truncated GCM tags are refused",
          "[conformance]") {
  for (const std::string& token :
       {made(Alg::RSA_OAEP, Enc::A128GCM, "rsa"), made(Alg::dir, Enc::A256GCM, "oct")}) {
    TokenParts parts = parts_of(token);
    const std::string tag = parts.tag;
    for (std::size_t size = 0; size <= 33; ++size) {
      parts.tag = b64(prefix(tag, size));
      CHECK(outcome(parts.compact()) == (size == 16 ? "ok" : "bad_request"));
    }
  }
}

TEST_CASE("OpenIDC/cjose#30: an IV of another length is refused", "[conformance]") {
  for (const std::string& token :
       {made(Alg::RSA_OAEP, Enc::A128GCM, "rsa"), made(Alg::dir, Enc::A256GCM, "oct")}) {
    TokenParts parts = parts_of(token);
    const std::string iv = parts.iv;
    for (std::size_t size = 0; size <= 33; ++size) {
      parts.iv = b64(prefix(iv, size));
      CHECK(outcome(parts.compact()) == (size == 12 ? "ok" : "bad_request"));
    }
  }
}

TEST_CASE("cjose#132: each encryption has a CEK of its own, of the right size and not zero",
          "[conformance]") {
  for (const Enc enc : {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM}) {
    std::set<Bytes> ceks, ciphertexts;
    for (int i = 0; i < 4; ++i) {
      const TokenParts parts = parts_of(made(Alg::RSA_OAEP, enc, "rsa", "the same plaintext"));
      const Bytes encrypted_key = from_b64(parts.encrypted_key);
      const JoseHeader header{};
      const Cek cek = rsa_key()
                          ->unwrap_to_keep({row(Alg::RSA_OAEP), row(enc), header, {encrypted_key}})
                          .value();
      CHECK(cek.size() == row(enc).cek_bytes);
      CHECK_FALSE(all_zero(raw(cek)));
      ceks.insert(raw(cek));
      ciphertexts.insert(from_b64(parts.ciphertext));
    }
    CHECK(ceks.size() == 4);
    CHECK(ciphertexts.size() == 4);
  }
}

TEST_CASE("NIST SP 800-38D §8: encryptions under one key have IVs of their own", "[conformance]") {
  std::set<std::string> ivs;
  for (int i = 0; i < 64; ++i) ivs.insert(parts_of(made(Alg::dir, Enc::A256GCM, "oct")).iv);
  CHECK(ivs.size() == 64);
}

TEST_CASE("cjose#151, #133, CVE-2026-34986, jwtinfo#48: a CEK of the wrong length is refused",
          "[conformance]") {
  for (const std::size_t size : std::initializer_list<std::size_t>{0, 1, 15, 16, 24, 31, 33, 64}) {
    const Bytes cek = pattern(size);
    TokenParts parts = parts_of(sealed(rsa_header));
    parts.encrypted_key = wrap_b64(*rsa_key(), Alg::RSA_OAEP_256, cek);
    CHECK(outcome(parts.compact()) == "decryption_failed");
    CHECK(code_of(kms().unwrap_key(parts.compact())) == "crypto_failure");
  }
  // Encrypted under zeros, as a library does that decrypts with what it failed to unwrap.
  TokenParts zero = seal_token(rsa_header, Bytes(32), bytes("payload"));
  zero.encrypted_key = b64(pattern(256));
  CHECK(outcome(zero.compact()) == "decryption_failed");
}

TEST_CASE("cjose#133: an encrypted_key of any length is taken without harm", "[conformance]") {
  TokenParts parts = parts_of(sealed(rsa_header));
  const std::string whole = parts.encrypted_key;
  for (const std::size_t size :
       std::initializer_list<std::size_t>{1, 16, 255, 257, 512, 2048, 2049, 65536}) {
    parts.encrypted_key = b64(prefix(whole, size));
    const std::string_view code = outcome(parts.compact());
    CHECK((code == "decryption_failed" || code == "bad_request"));
  }
  parts.encrypted_key.clear();
  CHECK(outcome(parts.compact()) == "bad_request");
}

TEST_CASE("CVE-2016-8871, RFC 7516 §11.5: a bad key and a bad tag give one and the same answer",
          "[conformance]") {
  const TokenParts good = parts_of(sealed(rsa_header));
  std::vector<TokenParts> bad(6, good);
  bad[0].tag = b64(pattern(16));
  bad[1].encrypted_key = b64(Bytes(256));        // 0, which decrypts to itself
  bad[2].encrypted_key = b64(Bytes(256, 0xFF));  // above the modulus
  bad[3].encrypted_key = b64(pattern(256));      // most likely no OAEP
  bad[4].encrypted_key = wrap_b64(*other_rsa_key(), Alg::RSA_OAEP_256, pattern(32));
  bad[5].encrypted_key = wrap_b64(*rsa_key(), Alg::RSA_OAEP, pattern(32));  // another hash
  const Error expected = decrypt(kms(), bad[0].compact()).result.error();
  CHECK(expected.code == Errc::decryption_failed);
  for (const TokenParts& parts : bad) {
    const Decrypted decrypted = decrypt(kms(), parts.compact());
    REQUIRE_FALSE(decrypted.result);
    CHECK(decrypted.clean());
    CHECK(decrypted.result.error().code == expected.code);
    CHECK(decrypted.result.error().position == expected.position);
    CHECK(std::string_view(decrypted.result.error().text) == expected.text);
  }
}

TEST_CASE("CVE-2026-28490: RSA1_5 is refused before any key is looked up", "[conformance]") {
  const std::string header = R"({"alg":"RSA1_5","enc":"A256GCM","kid":"rsa"})";
  CHECK(outcome(sealed(header)) == "unsupported_algorithm");
  CHECK(code_of(kms().unwrap_key(sealed(header))) == "unsupported_algorithm");
  CHECK(lookups(header) == 0);
  CHECK(lookups(rsa_header) == 1);
}

TEST_CASE("what a policy or the rules refuse is refused before any key is looked up",
          "[conformance]") {
  const std::string known = R"("enc":"A256GCM","kid":"rsa",)", alg = R"("alg":"RSA-OAEP-256")";
  for (const std::string& members :
       {known + R"("alg":"none")", known + R"("alg":"PBES2-HS256+A128KW","p2c":4294967295)",
        alg + R"(,"enc":"A256CTR","kid":"rsa")", alg + R"(,"enc":"A256GCM","kid":1)",
        known + alg + R"(,"crit":["exp"])", known + alg + R"(,"zip":"GZ")",
        known + alg + "," + alg})
    CHECK(lookups("{" + members + "}") == 0);
  CHECK(lookups("{" + known + R"("alg":"RSA-OAEP-512"})", strict) == 0);
}

TEST_CASE("CVE-2022-3102, CVE-2026-29000: a key serves its own algorithms alone", "[conformance]") {
  const auto with = [](const std::string& alg, const std::string& enc, const std::string& kid) {
    return R"({"alg":")" + alg + R"(","enc":")" + enc + R"(","kid":")" + kid + "\"}";
  };
  // dir with an RSA key: under whatever of the key an attacker can know.
  for (const Bytes& cek : {Bytes(32), pattern(32), Bytes(32, 0xFF)})
    CHECK(outcome(seal_token(with("dir", "A256GCM", "rsa"), cek, bytes("x")).compact()) ==
          "crypto_failure");
  CHECK(outcome(sealed(with("RSA-OAEP-256", "A256GCM", "oct"))) == "crypto_failure");
  CHECK(code_of(kms().unwrap_key(sealed(with("RSA-OAEP-256", "A256GCM", "oct")))) ==
        "crypto_failure");
  // A CEK under another enc than its own.
  CHECK(outcome(seal_token(with("dir", "A128GCM", "oct"), Bytes(16), bytes("x"), Enc::A128GCM)
                    .compact()) == "crypto_failure");
  // A CEK as a key that wraps.
  CHECK(outcome(sealed(with("A256KW", "A256GCM", "oct"))) == "unsupported_algorithm");
}

TEST_CASE("CVE-2022-3102: a key made for one alg is refused for its neighbour", "[conformance]") {
  const Database database(strict);
  (void)database.kms
      .import_key({.format = KeyFormat::der,
                   .data = pkcs8(*rsa_key()),
                   .uid = "rsa",
                   .algs = {Alg::RSA_OAEP}})
      .value();
  CHECK(decrypt(database.kms, sealed(rsa_header)).code() == "crypto_failure");
}

TEST_CASE("the use case: unwrapping takes the RSA algorithms alone", "[conformance]") {
  CHECK(code_of(kms().unwrap_key(made(Alg::dir, Enc::A256GCM, "oct"))) == "unsupported_algorithm");
  const std::string wrapped = R"({"alg":"A128KW","enc":"A256GCM","kid":"oct"})";
  CHECK(code_of(kms().unwrap_key(sealed(wrapped))) == "unsupported_algorithm");
}

TEST_CASE("COSMIAN-2026-008: a kept CEK is bound to its enc", "[conformance]") {
  const std::string narrow = R"({"alg":"RSA-OAEP-256","enc":"A128GCM","kid":"rsa"})";
  const KeyInfo kept = kms().unwrap_key(sealed(narrow, Enc::A128GCM)).value();
  CHECK(kept.enc == Enc::A128GCM);
  CHECK(kept.parent == "rsa");
  CHECK(decrypt(kms(), made(Alg::dir, Enc::A128GCM, kept.uid)).text() == "payload");
  const std::string other = R"({"alg":"dir","enc":"A192GCM","kid":")" + kept.uid + "\"}";
  CHECK(outcome(seal_token(other, Bytes(24), bytes("x"), Enc::A192GCM).compact()) ==
        "crypto_failure");
}

TEST_CASE("CVE-2025-59420, cjose#188: a token with crit is refused although it would decrypt",
          "[conformance]") {
  const std::string known = R"("alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rsa")";
  CHECK(outcome(sealed("{" + known + "}")) == "ok");
  for (const char* crit : {"[]", R"(["exp"])", R"(["alg"])", "null", "1"})
    CHECK(outcome(sealed("{" + known + R"(,"crit":)" + crit + "}")) == "bad_request");
}

TEST_CASE("RFC 7515 §4: a token with duplicate members is refused although it would decrypt",
          "[conformance]") {
  CHECK(outcome(sealed(R"({"alg":"RSA-OAEP-256","\u0061lg":"RSA-OAEP-256","enc":"A256GCM",)"
                       R"("kid":"rsa"})")) == "bad_request");
  std::string flattened = parts_of(sealed(rsa_header)).flattened();
  CHECK(outcome(flattened) == "ok");
  flattened.insert(flattened.size() - 1, R"(,"\u0069v":"AAAAAAAAAAAAAAAA")");
  CHECK(outcome(flattened) == "bad_request");
}

TEST_CASE("RFC 7516 §5.1 step 14: the authenticated data are the header's bytes as received",
          "[conformance]") {
  TokenParts parts = parts_of(made(Alg::dir, Enc::A256GCM, "oct"));
  const std::string header = text(from_b64(parts.protected_b64));
  REQUIRE(header.starts_with("{"));
  parts.protected_b64 = b64(bytes("{ " + header.substr(1)));  // the same members
  CHECK(outcome(parts.compact()) == "decryption_failed");
}

TEST_CASE("libjwt#284, go-jose#18: no part of a token has a second spelling", "[conformance]") {
  // 32 bytes of ciphertext and 16 of tag leave unused bits in their last letters.
  const TokenParts good = parts_of(made(Alg::RSA_OAEP, Enc::A128GCM, "rsa", std::string(32, 'x')));
  REQUIRE(outcome(good.compact()) == "ok");
  for (std::string TokenParts::*part :
       {&TokenParts::protected_b64, &TokenParts::encrypted_key, &TokenParts::iv,
        &TokenParts::ciphertext, &TokenParts::tag}) {
    const auto with = [&](const std::string& text) {
      TokenParts parts = good;
      parts.*part = text;
      return outcome(parts.compact());
    };
    const std::string text = good.*part;
    for (const char* end : {"=", "==", " ", "\n", "\t", ".", "\x80"})
      CHECK(with(text + end) == "bad_request");
    for (const char* foreign : {"+", "/", "=", " ", "\n", "\x80", "%"})
      CHECK(with(foreign + text.substr(1)) == "bad_request");
    if (text.size() % 4 == 0) continue;
    std::string unused_bit = text;
    ++unused_bit.back();  // the last letter's bits were zero: A, E, I ... or Q, g, w
    CHECK(with(unused_bit) == "bad_request");
  }
}

TEST_CASE("CVE-2025-61920, CVE-2025-27144: a token above the limit is refused unread",
          "[conformance]") {
  Policy small = Policy::permissive();
  small.limits.max_token_bytes = 4096;
  const auto provider = std::make_shared<FakeProvider>();
  provider->add_oct("oct", pattern(32));
  const Kms limited = kms_over(provider, small);
  CHECK(decrypt(limited, seal_token(dir_header, pattern(32), Bytes(2900)).compact()).code() ==
        "ok");
  const int calls = provider->calls().all();
  CHECK(decrypt(limited, seal_token(dir_header, pattern(32), Bytes(3100)).compact()).code() ==
        "too_large");
  CHECK(decrypt(limited, std::string(4097, '{')).code() == "too_large");
  CHECK(code_of(limited.decrypt_bound(std::string(4097, '.'))) == "too_large");
  CHECK(code_of(limited.unwrap_key(std::string(4097, '.'))) == "too_large");
  CHECK(provider->calls().all() == calls);
}

TEST_CASE("kid injection: strings made to be spliced are names that nobody has", "[conformance]") {
  for (const std::string kid : {"[\\\"rsa\\\"]",
                                "' OR '1'='1",
                                "rsa' --",
                                "rsa'; DROP TABLE keys; --",
                                "%",
                                "rs_",
                                "RSA",
                                "rsa ",
                                " rsa",
                                "rsa\\n",
                                "../rsa",
                                "./rsa",
                                "/etc/passwd",
                                "file:///etc/passwd",
                                "pkcs11:object=rsa",
                                "rsa?type=private",
                                "*",
                                "$(id)",
                                "rsa\\u0001",
                                "hsm:rsa"})
    CHECK(outcome(sealed(R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":")" + kid + "\"}")) ==
          "not_found");
  CHECK(outcome(sealed(R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rsa\u0000"})")) ==
        "bad_request");
  CHECK(outcome(sealed(R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"hsm::x"})")) ==
        "bad_request");
  CHECK(
      outcome(sealed(R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"hsm::softhsm2::0::rsa"})")) ==
      "not_found");
  CHECK(outcome(sealed(rsa_header)) == "ok");
}

TEST_CASE("CVE-2018-0114: a key in the token is not used", "[conformance]") {
  const std::string known = R"("alg":"dir","enc":"A256GCM")";
  const Bytes attacker = pattern(32, 5);
  const std::string jwk = R"(,"jwk":{"kty":"oct","k":")" + b64(attacker) + "\"}";
  const auto token = [&](const std::string& members) {
    return seal_token("{" + known + members + jwk + "}", attacker, bytes("x")).compact();
  };
  CHECK(outcome(token(R"(,"kid":"oct")")) == "decryption_failed");
  CHECK(outcome(token(R"(,"kid":"nobody")")) == "not_found");
  CHECK(outcome(token("")) == "bad_request");
  // And it does not disturb the key that is meant.
  CHECK(outcome(sealed(R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"rsa")" + jwk + "}")) ==
        "ok");
}

TEST_CASE("CVE-2018-0114: jku and x5u are not followed", "[conformance]") {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(listener, 1) == 0);
  REQUIRE(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const std::string url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/keys";

  for (const char* member : {"jku", "x5u"})
    for (const char* kid : {"rsa", "nobody"})
      CHECK(outcome(sealed(R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":")" + std::string(kid) +
                           "\",\"" + member + "\":\"" + url + "\"}")) ==
            (std::string_view(kid) == "rsa" ? "ok" : "not_found"));
  CHECK(accept(listener, nullptr, nullptr) == -1);  // nobody called
  close(listener);
}

TEST_CASE("GHSA-jc38-x7x8-2xc8: an unprotected alg does not decide", "[conformance]") {
  const std::string protected_part = R"({"enc":"A256GCM","kid":"oct"})";
  const TokenParts parts = seal_token(protected_part, pattern(32), bytes("x"));
  const std::string token = R"({"protected":")" + parts.protected_b64 +
                            R"(","unprotected":{"alg":"dir"},)" + parts.content() + "}";
  CHECK(outcome(token) == "bad_request");
  const auto provider = std::make_shared<FakeProvider>();
  provider->add_oct("oct", pattern(32));
  CHECK(decrypt(kms_over(provider, strict), token).code() == "bad_request");
  CHECK(decrypt(kms_over(provider), token).text() == "x");  // RFC 7516 permits it; a policy may
}

// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <set>

#include "fake_provider.hpp"
#include "kms_support.hpp"
#include "make_token.hpp"

using namespace jwekms;
using namespace support;

namespace {

const Bytes cek = pattern(32, 6);

struct Rig {
  std::shared_ptr<FakeProvider> provider = std::make_shared<FakeProvider>();
  Kms kms;
  explicit Rig(const Policy& policy = Policy{}) : kms(filled(policy)) {}

  /// How often anything reached a key since the last time that was asked.
  int touched() {
    const int all = provider->calls().all(), before = seen_;
    seen_ = all;
    return all - before;
  }

 private:
  Kms filled(const Policy& policy) {
    provider->add_rsa("rsa", rsa_key());
    provider->add_oct("oct", cek);
    return kms_over(provider, policy);
  }
  int seen_ = 0;
};

std::string header(std::string_view alg, std::string_view enc = "A256GCM",
                   std::string_view kid = "rsa") {
  return R"({"alg":")" + std::string(alg) + R"(","enc":")" + std::string(enc) + R"(","kid":")" +
         std::string(kid) + R"("})";
}

/// A token with any protected header, its other parts sound.
TokenParts with_header(std::string_view header_json) {
  return seal_for(*rsa_key(), header_json, Alg::RSA_OAEP_256, bytes("content"));
}

TokenParts good_rsa() { return with_header(header("RSA-OAEP-256")); }
TokenParts good_dir() { return seal_token(header("dir", "A256GCM", "oct"), cek, bytes("content")); }

}  // namespace

TEST_CASE("bounds touch no key", "[refusal]") {
  Rig rig;
  for (const std::string& token : {good_rsa().compact(), good_dir().compact(),
                                   good_rsa().flattened(), std::string("no token")}) {
    (void)rig.kms.decrypt_bound(token);
    (void)rig.kms.reencrypt_bound(token, {.key = "rsa"});
    CHECK(rig.kms.encrypt_bound(token.size(), {.key = "rsa"}) > token.size());
  }
  CHECK(rig.touched() == 0);
}

TEST_CASE("a buffer that is too small is refused before any key is touched", "[refusal]") {
  Rig rig;
  for (const std::string& token :
       {good_rsa().compact(), good_dir().compact(), good_rsa().flattened()}) {
    Bytes out(rig.kms.decrypt_bound(token).value() - 17, 0xFF);  // room for a tag can be missing
    CHECK(code_of(rig.kms.decrypt(token, out)) == "buffer_too_small");
    CHECK(all_zero(out));

    const EncryptOptions to{.key = "rsa"};
    std::string text(rig.kms.reencrypt_bound(token, to).value() - 1, '\0');
    CHECK(code_of(rig.kms.reencrypt(token, text, {}, to)) == "buffer_too_small");
  }
  const EncryptOptions options{.key = "rsa"};
  std::string text(rig.kms.encrypt_bound(100, options) - 1, '\0');
  CHECK(code_of(rig.kms.encrypt(pattern(100), text, options)) == "buffer_too_small");
  CHECK(rig.touched() == 0);
}

TEST_CASE("CVE-2026-28490, RSA1_5 padding oracle: refused before any key is looked up",
          "[refusal][threat]") {
  Rig rig(Policy::permissive());
  for (const char* kid : {"rsa", "nobody"}) {
    const TokenParts parts = with_header(header("RSA1_5", "A256GCM", kid));
    for (const std::string& token : {parts.compact(), parts.flattened()})
      for (const char* key : {"", "rsa", "nobody"}) {
        CHECK(decrypt(rig.kms, token, {.key = key}).text() == "unsupported_algorithm");
        CHECK(code_of(rig.kms.unwrap_key(token, {}, {.key = key})) == "unsupported_algorithm");
      }
    CHECK(code_of(encrypt(rig.kms, {}, {.key = kid, .alg = Alg::RSA1_5})) ==
          "unsupported_algorithm");
  }
  CHECK(rig.touched() == 0);
}

TEST_CASE("RSA1_5 in a general serialization touches no key either", "[refusal][threat]") {
  Rig rig(Policy::permissive());
  const TokenParts parts = seal_token(R"({"enc":"A256GCM"})", cek, bytes("content"));
  for (const char* kid : {"rsa", "nobody"}) {
    const std::string mine = R"({"alg":"RSA1_5","kid":")" + std::string(kid) + R"("})";
    const std::string token =
        general(parts, {recipient(mine, wrap_b64(*rsa_key(), Alg::RSA_OAEP, cek))});
    CHECK(decrypt(rig.kms, token).text() == "unsupported_algorithm");
    CHECK(code_of(rig.kms.unwrap_key(token)) == "unsupported_algorithm");
  }
  CHECK(rig.touched() == 0);
}

TEST_CASE("algorithms that are unknown or not allowed are refused before any key is touched",
          "[refusal]") {
  Rig rig;  // the default policy
  for (const AlgRow& r : alg_table) {
    if (rig.kms.policy().algs.contains(r.id)) continue;
    INFO(r.name);
    CHECK(decrypt(rig.kms, with_header(header(r.name)).compact()).text() ==
          "unsupported_algorithm");
    CHECK(code_of(rig.kms.unwrap_key(with_header(header(r.name)).compact())) ==
          "unsupported_algorithm");
    CHECK(code_of(encrypt(rig.kms, {}, {.key = "rsa", .alg = r.id})) == "unsupported_algorithm");
  }
  for (const EncRow& r : enc_table) {
    if (rig.kms.policy().encs.contains(r.id)) continue;
    INFO(r.name);
    CHECK(decrypt(rig.kms, with_header(header("RSA-OAEP", r.name)).compact()).text() ==
          "unsupported_algorithm");
    CHECK(code_of(encrypt(rig.kms, {}, {.key = "rsa", .enc = r.id})) == "unsupported_algorithm");
  }
  for (const char* name : {"", "rsa-oaep", "RSA-OAEP ", "none", "HS256", "A256GCM"})
    CHECK(decrypt(rig.kms, with_header(header(name)).compact()).text() == "unsupported_algorithm");
  for (const char* name : {"", "a256gcm", "A256GCM ", "none", "dir", "RSA-OAEP"})
    CHECK(decrypt(rig.kms, with_header(header("dir", name)).compact()).text() ==
          "unsupported_algorithm");
  CHECK(rig.touched() == 0);
}

TEST_CASE("headers that are not sound are refused before any key is touched", "[refusal]") {
  Rig rig;
  for (const char* json :
       {R"({})", R"({"alg":"dir","enc":"A256GCM"})", R"({"alg":"dir","kid":"oct"})",
        R"({"enc":"A256GCM","kid":"oct"})", R"({"alg":"dir","enc":"A256GCM","kid":""})",
        R"({"alg":"dir","enc":"A256GCM","kid":7})", R"({"alg":1,"enc":"A256GCM","kid":"oct"})",
        R"({"alg":"dir","enc":null,"kid":"oct"})",
        R"({"alg":"dir","enc":"A256GCM","kid":"oct","crit":["exp"],"exp":1})",
        R"({"alg":"dir","enc":"A256GCM","kid":"oct","crit":[]})",
        R"({"alg":"dir","enc":"A256GCM","kid":"oct","kid":"oct"})",
        R"({"alg":"dir","enc":"A256GCM","kid":"oct","\u006bid":"oct"})",
        R"({"alg":"dir","enc":"A256GCM","kid":"a\u0000b"})", "[]", "\"\"", "{"}) {
    INFO(json);
    const Decrypted decrypted = decrypt(rig.kms, with_header(json).compact());
    CHECK(decrypted.text() == "bad_request");
    CHECK(decrypted.clean());
  }
  CHECK(rig.touched() == 0);
}

TEST_CASE("a token above the limit is refused before any key is touched", "[refusal]") {
  Policy policy;
  policy.limits.max_token_bytes = good_rsa().compact().size();
  Rig rig(policy);
  std::string token = good_rsa().compact();
  CHECK(decrypt(rig.kms, token).text() == "content");
  rig.touched();
  token += "A";
  CHECK(decrypt(rig.kms, token).text() == "too_large");
  CHECK(code_of(rig.kms.decrypt_bound(token)) == "too_large");
  CHECK(code_of(rig.kms.unwrap_key(token)) == "too_large");
  CHECK(rig.touched() == 0);
}

TEST_CASE("options that no token can have are refused before any key is touched", "[refusal]") {
  Rig rig;
  const Bytes aad = pattern(3);
  const EncryptOptions wrong[] = {
      {.key = "rsa", .serialization = Serialization::general},
      {.key = "rsa", .serialization = Serialization::compact, .aad = aad},
      {.key = "rsa", .serialization = Serialization::flattened, .aad = Bytes{}},
  };
  for (const EncryptOptions& options : wrong)
    CHECK(code_of(encrypt(rig.kms, {}, options)) == "bad_request");
  CHECK(rig.touched() == 0);
}

TEST_CASE("a key is never used for a token whose parts have the wrong length",
          "[refusal][threat]") {
  Rig rig;
  const auto check = [&](const TokenParts& parts, const char* what, std::size_t size) {
    const Decrypted decrypted = decrypt(rig.kms, parts.compact());
    INFO(what << " of " << size);
    CHECK(decrypted.text() == "bad_request");
    CHECK(decrypted.clean());
  };
  for (const TokenParts& good : {good_rsa(), good_dir()})
    for (std::size_t size = 0; size <= 40; ++size) {
      TokenParts bad_tag = good, bad_iv = good;
      // CVE-2023-37464 and others: a GCM tag cut short.
      Bytes tag = from_b64(good.tag), iv = from_b64(good.iv);
      tag.resize(size);
      iv.resize(size);
      bad_tag.tag = b64(tag);
      bad_iv.iv = b64(iv);
      if (size != 16) check(bad_tag, "tag", size);
      if (size != 12) check(bad_iv, "iv", size);
    }
  TokenParts no_key = good_rsa(), superfluous_key = good_dir();
  no_key.encrypted_key.clear();
  superfluous_key.encrypted_key = "AAAA";
  check(no_key, "no encrypted_key", 0);
  check(superfluous_key, "encrypted_key with dir", 3);
  const Calls& calls = rig.provider->calls();
  CHECK(calls.unwrap + calls.content_key + calls.decrypt == 0);
}

TEST_CASE("every way to fail leaves an output buffer of zeros", "[refusal]") {
  Rig rig;
  rig.provider->add(
      {.uid = "off", .bits = 2048, .algs = {Alg::RSA_OAEP_256}, .state = KeyState::compromised},
      rsa_key(), {});
  const Kms kms = kms_over(rig.provider, Policy{});
  TokenParts bad_tag = good_dir(), bad_letter = good_dir(), bad_key = good_rsa();
  bad_tag.tag = with_other_letter(bad_tag.tag, 0);
  bad_letter.ciphertext[0] = '*';
  bad_key.encrypted_key = with_other_letter(bad_key.encrypted_key, 9);
  const std::pair<const char*, std::string> all[] = {
      {"bad_request", "no token"},
      {"bad_request", bad_letter.compact()},
      {"forbidden", with_header(header("RSA-OAEP-256", "A256GCM", "off")).compact()},
      {"not_found", with_header(header("RSA-OAEP-256", "A256GCM", "nobody")).compact()},
      {"unsupported_algorithm", with_header(header("RSA1_5")).compact()},
      {"decryption_failed", bad_tag.compact()},
      {"decryption_failed", bad_key.compact()},
      {"crypto_failure", with_header(header("RSA-OAEP-256", "A256GCM", "oct")).compact()},
  };
  for (const auto& [code, token] : all)
    for (const std::size_t extra : Sizes{0, 1, 5000}) {
      const Decrypted decrypted = decrypt(kms, token, {}, extra);
      CHECK(decrypted.text() == code);
      CHECK(decrypted.clean());
    }
}

TEST_CASE("CVE-2016-8871: every bad encrypted_key looks the same from outside",
          "[refusal][threat]") {
  Rig rig;
  std::set<std::pair<std::string, const char*>> seen;
  const TokenParts good = good_rsa();
  std::vector<Bytes> keys = {Bytes{1},      Bytes(255, 1),  Bytes(256, 0), Bytes(256, 0xFF),
                             Bytes(257, 1), Bytes(2048, 1), pattern(256),  pattern(256, 2)};
  keys.push_back(other_rsa_key()->wrap(row(Alg::RSA_OAEP_256), make_cek(cek)).value());
  keys.push_back(rsa_key()->wrap(row(Alg::RSA_OAEP), make_cek(cek)).value());
  for (const std::size_t size : Sizes{16, 24, 64})
    keys.push_back(rsa_key()->wrap(row(Alg::RSA_OAEP_256), make_cek(pattern(size))).value());
  for (const Bytes& key : keys) {
    TokenParts bad = good;
    bad.encrypted_key = b64(key);
    const Decrypted decrypted = decrypt(rig.kms, bad.compact());
    seen.emplace(decrypted.code(), decrypted.result.error().text);
    CHECK(decrypted.result.error().position == 0);
    CHECK(decrypted.clean());
  }
  TokenParts bad_tag = good;
  bad_tag.tag = with_other_letter(bad_tag.tag, 0);
  const Decrypted decrypted = decrypt(rig.kms, bad_tag.compact());
  seen.emplace(decrypted.code(), decrypted.result.error().text);
  CHECK(seen.size() == 1);
  CHECK(seen.begin()->first == "decryption_failed");
  CHECK(rig.provider->calls().decrypt == static_cast<int>(keys.size()) + 1);  // the AEAD always ran
}

TEST_CASE("texts of errors are fixed, whatever the sizes of the input", "[refusal]") {
  Rig rig;
  const auto errors = [&](std::size_t n) {
    const std::string filler(n, 'A');
    const TokenParts good = good_dir();
    TokenParts bad = seal_token(header("dir", "A256GCM", "oct"), cek, pattern(n));
    bad.tag = with_other_letter(bad.tag, 0);
    TokenParts long_tag = good, long_key = good_rsa();
    long_tag.tag = filler;
    long_key.encrypted_key = filler;
    Bytes none;
    return std::vector<Error>{
        decrypt(rig.kms, filler).result.error(),
        decrypt(rig.kms, bad.compact()).result.error(),
        decrypt(rig.kms, long_tag.compact()).result.error(),
        decrypt(rig.kms, long_key.compact()).result.error(),
        decrypt(rig.kms, with_header(header("dir", "A256GCM", filler)).compact()).result.error(),
        decrypt(rig.kms, with_header(header(filler)).compact()).result.error(),
        rig.kms.decrypt(seal_token(header("dir"), cek, pattern(n)).compact(), none).error(),
        encrypt(rig.kms, {}, {.key = filler}).error(),
        rig.kms.describe_key(filler).error(),
    };
  };
  const std::vector<Error> small = errors(3332), large = errors(7776);  // both a multiple of 4
  for (std::size_t i = 0; i < small.size(); ++i) {
    INFO(small[i].text);
    CHECK(small[i].code == large[i].code);
    CHECK(static_cast<const void*>(small[i].text) == static_cast<const void*>(large[i].text));
    CHECK(std::string_view(small[i].text).find("AAAA") == std::string_view::npos);
    CHECK(std::string_view(small[i].text).find("333") == std::string_view::npos);
  }
}

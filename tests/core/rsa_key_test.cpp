// SPDX-License-Identifier: Apache-2.0
#include "crypto/rsa_key.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "oaep.hpp"
#include "support.hpp"

using namespace jwekms;
using namespace support;
using crypto::RsaKey;

namespace {

constexpr Alg oaep_algs[] = {Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::RSA_OAEP_384,
                             Alg::RSA_OAEP_512};
constexpr Enc gcm_encs[] = {Enc::A128GCM, Enc::A192GCM, Enc::A256GCM};

WrappedCek wrapped(Alg alg, Enc enc, std::span<const std::uint8_t> encrypted_key) {
  static const JoseHeader no_header{};
  return {row(alg), row(enc), no_header, EncryptedKey{encrypted_key}};
}

/// One encrypted_key that must not open, and what is wrong with it.
struct Bad {
  const char* what;
  Bytes encrypted_key;
};

/// RFC 8017 §7.1.2: every fault of an encoding, made with the public key alone.
std::vector<Bad> badly_encoded(const RsaKey& key, std::span<const std::uint8_t> cek) {
  const auto made = [&](const oaep::Fault& fault) {
    return oaep::encrypt(key, Hash::sha256, cek, fault);
  };
  return {
      {"the first byte is 1 (Manger)", made({.leading = 1})},
      {"the first byte is 0x7F (Manger)", made({.leading = 0x7F})},
      {"another label", made({.label = "label"})},
      {"padding that is not zero", made({.padding = 2})},
      {"no separator", made({.separator = 0})},
      {"another separator", made({.separator = 2})},
      {"another hash", oaep::encrypt(key, Hash::sha1, cek)},
      {"no encoding at all", oaep::encrypt_raw(key, pattern(key.bits() / 8 - 1))},
      {"the bare CEK", oaep::encrypt_raw(key, cek)},
  };
}

/// Lengths and numbers that are no RSA ciphertext (RFC 8017 §7.1.2 step 1 and §5.1.2).
std::vector<Bad> out_of_range(const RsaKey& key, std::span<const std::uint8_t> cek) {
  const Bytes n = key.public_numbers().value().n;
  const Bytes good = oaep::encrypt(key, Hash::sha256, cek);
  Bytes zero_in_front = good, one_more = good, above_n = n;
  zero_in_front.insert(zero_in_front.begin(), 0);
  one_more.push_back(0);
  above_n.back() = static_cast<std::uint8_t>(above_n.back() + 1);  // n is odd: no carry but at 255
  Bytes zero(n.size(), 0), one = zero;
  one.back() = 1;
  return {
      {"empty", {}},
      {"one byte", {1}},
      {"one byte short", {good.begin(), good.end() - 1}},
      {"the first byte is missing", {good.begin() + 1, good.end()}},
      {"a zero in front", zero_in_front},
      {"one byte more", one_more},
      {"the modulus", n},
      {"above the modulus", above_n.back() == 0 ? Bytes(n.size(), 0xFF) : above_n},
      {"all ones", Bytes(n.size(), 0xFF)},
      {"longer than any modulus", Bytes(4096, 0x55)},
      {"zero", zero},
      {"one", one},
  };
}

std::vector<Bad> wrong_sizes(const RsaKey& key) {
  std::vector<Bad> all;
  for (const std::size_t size : Sizes{0, 1, 16, 24, 31, 33, 48, 64, 190})  // 190: RSA-2048's most
    all.push_back({"a CEK of another size", oaep::encrypt(key, Hash::sha256, pattern(size))});
  return all;
}

}  // namespace

TEST_CASE("what a key wraps it unwraps, for every hash, size and enc", "[rsa]") {
  const std::uint32_t bits = GENERATE(2048u, 3072u, 4096u);
  const RsaKey& key = *rsa_key(bits);
  CHECK(key.bits() == bits);
  for (const Alg alg : oaep_algs)
    for (const Enc enc : gcm_encs) {
      const Cek cek = make_cek(pattern(row(enc).cek_bytes));
      const Bytes encrypted = key.wrap(row(alg), cek).value();
      INFO(row(alg).name << " " << row(enc).name << " " << bits);
      CHECK(encrypted.size() == bits / 8);
      CHECK(raw(key.unwrap_or_random(wrapped(alg, enc, encrypted)).value()) == raw(cek));
      CHECK(raw(key.unwrap_to_keep(wrapped(alg, enc, encrypted)).value()) == raw(cek));
    }
}

TEST_CASE("what others encode by RFC 8017 is understood", "[rsa]") {
  const Bytes cek = pattern(32);
  for (const Alg alg : oaep_algs) {
    const Bytes encrypted = oaep::encrypt(*rsa_key(), row(alg).hash, cek);
    INFO(row(alg).name);
    CHECK(raw(rsa_key()->unwrap_or_random(wrapped(alg, Enc::A256GCM, encrypted)).value()) == cek);
  }
}

TEST_CASE("the same CEK is wrapped differently each time", "[rsa]") {
  const Cek cek = make_cek(pattern(32));
  const AlgRow& alg = row(Alg::RSA_OAEP_256);
  CHECK(rsa_key()->wrap(alg, cek).value() != rsa_key()->wrap(alg, cek).value());
}

TEST_CASE("CVE-2016-8871, RFC 7516 section 11.5: a bad encrypted_key gives a random CEK",
          "[rsa][threat]") {
  const Bytes cek = pattern(32);
  std::vector<Bad> all = badly_encoded(*rsa_key(), cek);
  for (auto more : {out_of_range(*rsa_key(), cek), wrong_sizes(*rsa_key())})
    all.insert(all.end(), more.begin(), more.end());
  all.push_back({"for another key", oaep::encrypt(*other_rsa_key(), Hash::sha256, cek)});

  std::set<Bytes> seen{cek, Bytes(32, 0)};
  for (const Bad& bad : all)
    for (int again = 0; again < 2; ++again) {
      const auto opened =
          rsa_key()->unwrap_or_random(wrapped(Alg::RSA_OAEP_256, Enc::A256GCM, bad.encrypted_key));
      INFO(bad.what);
      REQUIRE(code_of(opened) == "ok");
      CHECK(opened->size() == 32);
      CHECK(seen.insert(raw(*opened)).second);
    }
}

TEST_CASE("the random CEK has the size that enc asks for", "[rsa][threat]") {
  const Bytes garbage = oaep::encrypt_raw(*rsa_key(), pattern(255));
  for (const Enc enc : gcm_encs) {
    const Cek cek = rsa_key()->unwrap_or_random(wrapped(Alg::RSA_OAEP, enc, garbage)).value();
    CHECK(cek.size() == row(enc).cek_bytes);
  }
}

TEST_CASE("unwrapping to keep tells a bad key from a bad size, and nothing more", "[rsa]") {
  const Bytes cek = pattern(32);
  const auto keep = [](const Bytes& encrypted) {
    return rsa_key()->unwrap_to_keep(wrapped(Alg::RSA_OAEP_256, Enc::A256GCM, encrypted));
  };
  std::vector<Bad> all = badly_encoded(*rsa_key(), cek);
  for (const Bad& bad : out_of_range(*rsa_key(), cek)) all.push_back(bad);
  std::set<const char*> texts;
  for (const Bad& bad : all) {
    const auto kept = keep(bad.encrypted_key);
    INFO(bad.what);
    REQUIRE(code_of(kept) == "decryption_failed");
    texts.insert(kept.error().text);
    CHECK(kept.error().position == 0);
  }
  CHECK(texts.size() == 1);
  for (const Bad& bad : wrong_sizes(*rsa_key()))
    CHECK(code_of(keep(bad.encrypted_key)) == "crypto_failure");
}

TEST_CASE("a key goes through PKCS#8 and back", "[rsa]") {
  const Bytes der = pkcs8(*rsa_key());
  const auto back = RsaKey::from_pkcs8(library(), der);
  REQUIRE(code_of(back) == "ok");
  CHECK((*back)->public_numbers().value().n == rsa_key()->public_numbers().value().n);
  CHECK(pkcs8(**back) == der);
  const Cek cek = make_cek(pattern(32));
  const Bytes encrypted = rsa_key()->wrap(row(Alg::RSA_OAEP), cek).value();
  CHECK(raw((*back)->unwrap_to_keep(wrapped(Alg::RSA_OAEP, Enc::A256GCM, encrypted)).value()) ==
        raw(cek));
}

TEST_CASE("damaged PKCS#8 is refused", "[rsa]") {
  const Bytes der = pkcs8(*rsa_key());
  for (const std::size_t size : Sizes{0, 1, der.size() / 2, der.size() - 1}) {
    const Bytes cut(der.begin(), der.begin() + static_cast<long>(size));
    CHECK(code_of(RsaKey::from_pkcs8(library(), cut)) == "internal_error");
  }
}

TEST_CASE("public numbers are minimal big-endian", "[rsa]") {
  const RsaKey::Public numbers = rsa_key()->public_numbers().value();
  CHECK(numbers.e == Bytes{1, 0, 1});
  CHECK(numbers.n.size() == 256);
  CHECK(numbers.n.front() >= 0x80);
}

TEST_CASE("keys are made in three sizes", "[rsa]") {
  for (const std::uint32_t bits : {0u, 512u, 1024u, 2047u, 2049u, 8192u, 4294967295u})
    CHECK(code_of(RsaKey::generate(library(), bits)) == "bad_request");
}

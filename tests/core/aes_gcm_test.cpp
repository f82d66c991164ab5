// SPDX-License-Identifier: Apache-2.0
#include "crypto/aes_gcm.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "support.hpp"

using namespace jwekms;
using namespace support;

namespace {

/// The size of the blocks in which content is decoded and decrypted.
constexpr std::size_t block = 24576;

std::unique_ptr<ContentKey> content_key(
    Enc enc, unsigned seed = 1, std::shared_ptr<crypto::EncryptionBudget> budget = nullptr) {
  const EncRow& r = row(enc);
  return crypto::make_content_key(library(), r, make_cek(pattern(r.cek_bytes, seed)),
                                  std::move(budget))
      .value();
}

/// Content as encrypt() made it, which tests then alter.
struct Sealed {
  std::string protected_b64 = "eyJhbGciOiJkaXIifQ";
  std::optional<std::string> aad_b64{};
  Bytes iv = Bytes(12);
  std::string ciphertext_b64{};
  Bytes tag = Bytes(16);

  [[nodiscard]] Aad aad() const {
    Aad both{protected_b64, std::nullopt};
    if (aad_b64) both.aad_b64 = *aad_b64;
    return both;
  }
  [[nodiscard]] SealedContent view() const { return {{iv}, aad(), ciphertext_b64, {tag}}; }
};

Result<Sealed> try_seal(const ContentKey& key, std::span<const std::uint8_t> plaintext,
                        Sealed sealed = {}) {
  sealed.ciphertext_b64.resize(base64url::encoded_size(plaintext.size()));
  const Result<void> done =
      key.encrypt(sealed.aad(), plaintext, {sealed.ciphertext_b64, sealed.iv, sealed.tag});
  if (!done) return done.error();
  return sealed;
}

Sealed seal(const ContentKey& key, std::span<const std::uint8_t> plaintext, Sealed sealed = {}) {
  return try_seal(key, plaintext, std::move(sealed)).value();
}

/// Decrypts into a buffer of exactly the right size that was full of ones.
struct Opened {
  Bytes out;
  Result<std::size_t> result;
};

Opened open(const ContentKey& key, const Sealed& sealed) {
  Bytes out(base64url::decoded_size(sealed.ciphertext_b64.size()), 0xFF);
  Result<std::size_t> result = key.decrypt(sealed.view(), out);
  return {std::move(out), result};
}

void check_refused(const ContentKey& key, const Sealed& sealed, std::string_view code) {
  const Opened opened = open(key, sealed);
  CHECK(code_of(opened.result) == code);
  CHECK(all_zero(opened.out));
}

class Budget final : public crypto::EncryptionBudget {
 public:
  explicit Budget(int left) : left_(left) {}
  Result<void> take() override {
    if (left_.fetch_sub(1) > 0) return {};
    return Error{Errc::forbidden, 0, "the key's encryptions are used up"};
  }

 private:
  std::atomic<int> left_;
};

}  // namespace

TEST_CASE("content of every size around the block boundaries comes back", "[gcm]") {
  const Enc enc = GENERATE(Enc::A128GCM, Enc::A192GCM, Enc::A256GCM);
  const auto key = content_key(enc);
  const std::size_t sizes[] = {0,
                               1,
                               2,
                               3,
                               4,
                               15,
                               16,
                               17,
                               block - 2,
                               block - 1,
                               block,
                               block + 1,
                               block + 2,
                               block + 3,
                               2 * block - 1,
                               2 * block,
                               2 * block + 1,
                               std::size_t{1} << 20};
  for (const std::size_t size : sizes) {
    const Bytes plaintext = pattern(size, 7);
    const Sealed sealed = seal(*key, plaintext);
    const Opened opened = open(*key, sealed);
    INFO(row(enc).name << ", " << size << " bytes");
    REQUIRE(code_of(opened.result) == "ok");
    CHECK(*opened.result == size);
    CHECK((opened.out == plaintext));
    if (size >= 15) CHECK((sealed.ciphertext_b64 != b64(plaintext)));
  }
}

// McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 4, 10 and 16.
TEST_CASE("the test cases of the GCM paper decrypt", "[gcm]") {
  struct Row {
    Enc enc;
    std::string_view ciphertext, tag;
  };
  const Row r = GENERATE(Row{Enc::A128GCM,
                             "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
                             "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
                             "5bc94fbc3221a5db94fae95ae7121a47"},
                         Row{Enc::A192GCM,
                             "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c"
                             "7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
                             "2519498e80f1478f37ba55bd6d27618c"},
                         Row{Enc::A256GCM,
                             "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                             "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
                             "76fc6ece0f4e1768cddf8853bb2d551b"});
  const Bytes full_key =
      from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const auto key =
      crypto::make_content_key(library(), row(r.enc),
                               make_cek(std::span(full_key).first(row(r.enc).cek_bytes)))
          .value();
  Sealed sealed;
  sealed.protected_b64 = text(from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"));
  sealed.iv = from_hex("cafebabefacedbaddecaf888");
  sealed.ciphertext_b64 = b64(from_hex(r.ciphertext));
  sealed.tag = from_hex(r.tag);
  const Opened opened = open(*key, sealed);
  INFO(row(r.enc).name);
  REQUIRE(code_of(opened.result) == "ok");
  CHECK(opened.out == from_hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                               "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"));
}

TEST_CASE("whatever is altered, decryption fails and leaves zeros", "[gcm]") {
  const auto key = content_key(Enc::A256GCM);
  const Bytes plaintext = pattern(2 * block + 100);
  Sealed with_aad;
  with_aad.aad_b64 = "YWFk";
  const Sealed good = seal(*key, plaintext, with_aad);
  REQUIRE(code_of(open(*key, good).result) == "ok");

  for (std::size_t i = 0; i < good.tag.size(); ++i) {
    Sealed bad = good;
    bad.tag[i] ^= 1;
    check_refused(*key, bad, "decryption_failed");
  }
  for (std::size_t i = 0; i < good.iv.size(); ++i) {
    Sealed bad = good;
    bad.iv[i] ^= 0x80;
    check_refused(*key, bad, "decryption_failed");
  }
  const std::size_t last = good.ciphertext_b64.size() - 2;  // the last character has spare bits
  for (const std::size_t at : Sizes{0, block / 3 * 4 - 1, block / 3 * 4, last}) {
    Sealed bad = good;
    bad.ciphertext_b64 = with_other_letter(good.ciphertext_b64, at);
    check_refused(*key, bad, "decryption_failed");
  }
  check_refused(*content_key(Enc::A256GCM, 2), good, "decryption_failed");
}

TEST_CASE("the additional data is what was sent, letter by letter", "[gcm]") {
  const auto key = content_key(Enc::A256GCM);
  Sealed with_aad;
  with_aad.aad_b64 = "YWFk";
  const Sealed good = seal(*key, pattern(100), with_aad);

  Sealed other_header = good, other_aad = good, no_aad = good, empty_aad = good, joined = good;
  other_header.protected_b64[0] = 'f';
  other_aad.aad_b64 = "YWFl";
  no_aad.aad_b64.reset();
  empty_aad.aad_b64 = "";
  for (const Sealed& bad : {other_header, other_aad, no_aad, empty_aad})
    check_refused(*key, bad, "decryption_failed");

  // RFC 7516 §5.1 step 14: the two parts are joined with a dot, so this is the same octet string.
  joined.protected_b64 = good.protected_b64 + "." + *good.aad_b64;
  joined.aad_b64.reset();
  CHECK(code_of(open(*key, joined).result) == "ok");
}

TEST_CASE("bad base64url in any block is a bad request and leaves zeros", "[gcm]") {
  const auto key = content_key(Enc::A256GCM);
  const Sealed good = seal(*key, pattern(2 * block + 101));  // 101 = 2 over a multiple of 3
  const std::size_t chars = good.ciphertext_b64.size();
  const std::size_t quad = block / 3 * 4;
  for (const std::size_t at : Sizes{0, quad - 1, quad, quad + 77, 2 * quad, chars - 1})
    for (const char foreign : {'=', '+', '/', '.', ' ', '\n', '\0', '\x80', '\xFF'}) {
      Sealed bad = good;
      bad.ciphertext_b64[at] = foreign;
      INFO("letter " << int{foreign} << " at " << at);
      check_refused(*key, bad, "bad_request");
    }

  Sealed trailing_bits = good, one_over = good;
  const std::size_t value = base64url::detail::alphabet.find(good.ciphertext_b64.back());
  trailing_bits.ciphertext_b64.back() = base64url::detail::alphabet[value | 1];
  check_refused(*key, trailing_bits, "bad_request");
  one_over.ciphertext_b64.resize(chars - chars % 4 + 1, 'A');
  check_refused(*key, one_over, "bad_request");
}

TEST_CASE("a malformed ciphertext is a bad request whatever the tag says", "[gcm]") {
  const auto key = content_key(Enc::A256GCM);
  Sealed bad = seal(*key, pattern(block + 1));
  bad.tag[0] ^= 1;
  bad.ciphertext_b64.back() = '*';
  check_refused(*key, bad, "bad_request");
}

TEST_CASE("a failure does not spoil the key", "[gcm]") {
  const auto key = content_key(Enc::A256GCM);
  const Sealed good = seal(*key, pattern(64));
  Sealed bad = good;
  bad.tag[0] ^= 1;
  for (int i = 0; i < 3; ++i) {
    check_refused(*key, bad, "decryption_failed");
    CHECK(open(*key, good).out == pattern(64));
  }
}

TEST_CASE("a buffer that is too small is not written to", "[gcm]") {
  const auto key = content_key(Enc::A256GCM);
  const Sealed good = seal(*key, pattern(64));
  Bytes small(63, 0xFF);
  CHECK(code_of(key->decrypt(good.view(), small)) == "buffer_too_small");
  CHECK(small == Bytes(63, 0xFF));
}

TEST_CASE("a larger buffer is written no further than the plaintext", "[gcm]") {
  const auto key = content_key(Enc::A256GCM);
  for (const std::size_t size : Sizes{1, 64, block, block + 1}) {
    const Sealed good = seal(*key, pattern(size));
    Bytes large(size + 64, 0xEE);
    REQUIRE(code_of(key->decrypt(good.view(), large)) == "ok");
    CHECK(Bytes(large.begin() + static_cast<long>(size), large.end()) == Bytes(64, 0xEE));
  }
}

TEST_CASE("every encryption draws an IV of its own", "[gcm]") {
  const auto key = content_key(Enc::A128GCM);
  std::set<Bytes> ivs{Bytes(12, 0)};
  for (int i = 0; i < 1000; ++i) CHECK(ivs.insert(seal(*key, {}).iv).second);
}

TEST_CASE("a key whose budget is used up encrypts no more and decrypts on", "[gcm]") {
  const auto key = content_key(Enc::A256GCM, 1, std::make_shared<Budget>(2));
  const Sealed first = seal(*key, pattern(10));
  CHECK(code_of(try_seal(*key, pattern(10))) == "ok");
  for (int i = 0; i < 3; ++i) CHECK(code_of(try_seal(*key, pattern(10))) == "forbidden");
  CHECK(open(*key, first).out == pattern(10));
}

TEST_CASE("a refused encryption writes nothing", "[gcm]") {
  const auto key = content_key(Enc::A256GCM, 1, std::make_shared<Budget>(0));
  Bytes iv(12, 0xEE), tag(16, 0xEE);
  std::string ciphertext(base64url::encoded_size(10), '#');
  CHECK(code_of(key->encrypt({"e30", {}}, pattern(10), {ciphertext, iv, tag})) == "forbidden");
  CHECK(iv == Bytes(12, 0xEE));
  CHECK(tag == Bytes(16, 0xEE));
  CHECK(ciphertext == std::string(ciphertext.size(), '#'));
}

TEST_CASE("a CEK must have exactly the size of its enc", "[gcm]") {
  for (const EncRow& r : enc_table)
    for (const std::size_t size : Sizes{0, 1, 15, 16, 17, 23, 24, 25, 31, 32, 33, 48, 64}) {
      const auto made = crypto::make_content_key(library(), r, make_cek(pattern(size)));
      INFO(r.name << ", " << size);
      if (r.support != Support::implemented)
        CHECK(code_of(made) == "unsupported_algorithm");
      else
        CHECK(code_of(made) == (size == r.cek_bytes ? "ok" : "crypto_failure"));
    }
}

TEST_CASE("many threads share one content key", "[gcm][threads]") {
  const auto key = content_key(Enc::A256GCM);
  constexpr int threads = 8, rounds = 200;
  std::atomic<int> good = 0, refused = 0;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&, t] {
      for (int i = 0; i < rounds; ++i) {
        const Bytes plaintext = pattern(static_cast<std::size_t>(i * 7), static_cast<unsigned>(t));
        Sealed sealed = seal(*key, plaintext);
        if (open(*key, sealed).out == plaintext) ++good;
        sealed.tag[3] ^= 1;
        if (code_of(open(*key, sealed).result) == "decryption_failed") ++refused;
      }
    });
  for (std::thread& thread : all) thread.join();
  CHECK(good == threads * rounds);
  CHECK(refused == threads * rounds);
}

TEST_CASE("records at rest are sealed and unsealed", "[gcm]") {
  Kek kek;
  const Bytes key = pattern(32);
  std::ranges::copy(key, kek.fill(32, InsecureSecretAccess::token()).begin());
  std::array<std::uint8_t, 12> iv{1, 2, 3};
  std::array<std::uint8_t, 16> tag;
  const Bytes aad = pattern(50, 2);
  for (const std::size_t size : Sizes{0, 1, 1700}) {
    const Bytes plaintext = pattern(size);
    Bytes ciphertext(size), out(size, 0xFF);
    REQUIRE(code_of(crypto::seal(*library(), kek, iv, aad, plaintext, ciphertext, tag)) == "ok");
    REQUIRE(code_of(crypto::unseal(*library(), kek, iv, aad, ciphertext, tag, out)) == "ok");
    CHECK(out == plaintext);
    std::fill(out.begin(), out.end(), std::uint8_t{0xFF});
    tag[15] ^= 1;
    CHECK(code_of(crypto::unseal(*library(), kek, iv, aad, ciphertext, tag, out)) ==
          "decryption_failed");
    CHECK(all_zero(out));
    tag[15] ^= 1;
    CHECK(code_of(crypto::unseal(*library(), kek, iv, pattern(49, 2), ciphertext, tag, out)) ==
          "decryption_failed");
  }
}

// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <random>
#include <thread>

#include "kms_support.hpp"

using namespace jwekms;
using namespace support;

namespace {

const Policy permissive = Policy::permissive();

/// How a token is written.
struct Shape {
  const char* name;
  Serialization serialization;
  std::optional<std::string_view> aad;

  [[nodiscard]] EncryptOptions options(std::string_view key, Alg alg, Enc enc) const {
    EncryptOptions o{.key = key, .alg = alg, .enc = enc, .serialization = serialization};
    if (aad) o.aad = bytes(*aad);
    return o;
  }
};
constexpr Shape shapes[] = {
    {"compact", Serialization::compact, std::nullopt},
    {"flattened", Serialization::flattened, std::nullopt},
    {"flattened with aad", Serialization::flattened, "The Fellowship of the Ring"},
};

/// One database for this file: an RSA key and a symmetric one for each enc.
const Kms& keys() {
  static const Database database;
  static const bool filled = [] {
    import_rsa(database.kms, "rsa", *rsa_key());
    for (const EncRow& enc : enc_table)
      if (enc.support == Support::implemented)
        create_oct(database.kms, "oct-" + std::string(enc.name), enc.id);
    database.kms.add_alias("rsa", "an alias").value();
    return true;
  }();
  (void)filled;
  return database.kms;
}

std::string key_for(const AlgRow& alg, const EncRow& enc) {
  return alg.mode == KeyManagement::direct ? "oct-" + std::string(enc.name) : "rsa";
}

}  // namespace

TEST_CASE("every implemented alg, enc and serialization goes both ways", "[kms]") {
  int combinations = 0;
  for (const AlgRow& alg : alg_table)
    for (const EncRow& enc : enc_table)
      for (const Shape& shape : shapes) {
        if (!permissive.algs.contains(alg.id) || !permissive.encs.contains(enc.id)) continue;
        ++combinations;
        INFO(alg.name << " " << enc.name << " " << shape.name);
        const std::string key = key_for(alg, enc);
        const auto token =
            encrypt(keys(), bytes("Live long and prosper."), shape.options(key, alg.id, enc.id));
        REQUIRE(code_of(token) == "ok");
        CHECK(token->starts_with('{') == (shape.serialization == Serialization::flattened));
        const Decrypted decrypted = decrypt(keys(), *token);
        CHECK(decrypted.text() == "Live long and prosper.");
        CHECK(decrypted.out.size() == *decrypted.result);
      }
  CHECK(combinations == 5 * 3 * 3);
}

TEST_CASE("an empty plaintext is one too", "[kms]") {
  for (const Shape& shape : shapes)
    for (const char* key : {"rsa", "oct-A256GCM"}) {
      const Alg alg = std::string_view(key) == "rsa" ? Alg::RSA_OAEP_256 : Alg::dir;
      const auto token = encrypt(keys(), {}, shape.options(key, alg, Enc::A256GCM));
      REQUIRE(code_of(token) == "ok");
      const Decrypted decrypted = decrypt(keys(), *token);
      CHECK(decrypted.code() == "ok");
      CHECK(*decrypted.result == 0);
    }
}

TEST_CASE("a large plaintext goes both ways", "[kms]") {
  const Bytes plaintext = pattern((std::size_t{8} << 20) + 5);
  const auto token =
      encrypt(keys(), plaintext, {.key = "oct-A128GCM", .alg = Alg::dir, .enc = Enc::A128GCM});
  REQUIRE(code_of(token) == "ok");
  CHECK((decrypt(keys(), *token).out == plaintext));
}

TEST_CASE("an alias is a kid", "[kms]") {
  const auto token = encrypt(keys(), bytes("x"), {.key = "an alias"});
  REQUIRE(code_of(token) == "ok");
  const std::string header = text(from_b64(token->substr(0, token->find('.'))));
  CHECK(header == R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"an alias"})");
  CHECK(decrypt(keys(), *token).text() == "x");
  CHECK(keys().describe_key("an alias")->uid == "rsa");
}

TEST_CASE("two encryptions share neither CEK nor IV", "[kms][threat]") {
  for (const char* key : {"rsa", "oct-A256GCM"}) {
    const Alg alg = std::string_view(key) == "rsa" ? Alg::RSA_OAEP_256 : Alg::dir;
    const EncryptOptions options{.key = key, .alg = alg};
    const std::string one = encrypt(keys(), Bytes(32, 0), options).value();
    const std::string two = encrypt(keys(), Bytes(32, 0), options).value();
    CHECK(one.substr(0, one.find('.')) == two.substr(0, two.find('.')));
    CHECK(one.substr(one.find('.')) != two.substr(two.find('.')));
    CHECK(one.substr(one.rfind('.')) != two.substr(two.rfind('.')));
  }
}

TEST_CASE("reencryption changes the key and keeps the content", "[kms]") {
  const Bytes plaintext = pattern(30000);
  const auto token = encrypt(keys(), plaintext, {.key = "rsa", .alg = Alg::RSA_OAEP});
  const EncryptOptions to[] = {
      {.key = "oct-A192GCM", .alg = Alg::dir, .enc = Enc::A192GCM},
      {.key = "rsa", .alg = Alg::RSA_OAEP_512, .enc = Enc::A128GCM},
      {.key = "rsa", .serialization = Serialization::flattened, .aad = bytes("aad")},
  };
  std::string last = *token;
  for (const EncryptOptions& options : to) {
    const auto next = reencrypt(keys(), last, {}, options);
    REQUIRE(code_of(next) == "ok");
    CHECK(*next != last);
    CHECK((decrypt(keys(), *next).out == plaintext));
    last = *next;
  }
}

TEST_CASE("reencryption fails as its halves fail", "[kms]") {
  const std::string token = encrypt(keys(), bytes("x"), {.key = "rsa"}).value();
  CHECK(code_of(reencrypt(keys(), token, {}, {.key = "nobody"})) == "not_found");
  CHECK(code_of(reencrypt(keys(), token, {.key = "nobody"}, {.key = "rsa"})) == "not_found");
  CHECK(code_of(reencrypt(keys(), token, {}, {.key = "rsa", .alg = Alg::RSA1_5})) ==
        "unsupported_algorithm");
  CHECK(code_of(reencrypt(keys(), "no token", {}, {.key = "rsa"})) == "bad_request");
  const std::string forged = with_other_letter(token, token.rfind('.') + 1);
  CHECK(code_of(reencrypt(keys(), forged, {}, {.key = "rsa"})) == "decryption_failed");
  CHECK(code_of(reencrypt(keys(), encrypt(keys(), {}, {.key = "rsa"}).value(), {},
                          {.key = "rsa"})) == "ok");
}

TEST_CASE("the bound for encryption suffices and the token's own bound is exact", "[kms]") {
  std::mt19937 random(2026);
  const auto up_to = [&](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random);
  };
  for (int i = 0; i < 300; ++i) {
    const Shape& shape = shapes[up_to(2)];
    const AlgRow& alg = row(std::array{Alg::RSA_OAEP, Alg::RSA_OAEP_512, Alg::dir}[up_to(2)]);
    const EncRow& enc = row(std::array{Enc::A128GCM, Enc::A192GCM, Enc::A256GCM}[up_to(2)]);
    const Bytes plaintext = pattern(up_to(i % 10 == 0 ? 60000 : 300), static_cast<unsigned>(i));
    const std::string key = key_for(alg, enc);
    EncryptOptions options = shape.options(key, alg.id, enc.id);
    const Bytes aad = pattern(up_to(2000) + 1);
    if (options.aad) options.aad = aad;
    const auto token = encrypt(keys(), plaintext, options);
    REQUIRE(code_of(token) == "ok");
    CHECK(token->size() <= keys().encrypt_bound(plaintext.size(), options));
    CHECK(keys().decrypt_bound(*token).value() == plaintext.size() + 16);
    CHECK((decrypt(keys(), *token).out == plaintext));
  }
}

TEST_CASE("a buffer above the bound is left alone behind the plaintext", "[kms]") {
  const std::string token = encrypt(keys(), bytes("hello"), {.key = "rsa"}).value();
  const Decrypted decrypted = decrypt(keys(), token, {}, 100);
  REQUIRE(decrypted.code() == "ok");
  CHECK(decrypted.text() == "hello");
  CHECK(Bytes(decrypted.out.begin() + 5, decrypted.out.end()) == Bytes(100, 0xFF));
}

TEST_CASE("two Kms in one process know nothing of each other", "[kms]") {
  const Database one;
  auto two = std::make_unique<Database>();
  import_rsa(one.kms, "same name", *rsa_key());
  import_rsa(two->kms, "same name", *other_rsa_key());
  import_rsa(two->kms, "only two", *other_rsa_key());
  const std::string for_one = encrypt(one.kms, bytes("1"), {.key = "same name"}).value();
  const std::string for_two = encrypt(two->kms, bytes("2"), {.key = "same name"}).value();
  CHECK(decrypt(one.kms, for_one).text() == "1");
  CHECK(decrypt(two->kms, for_two).text() == "2");
  CHECK(decrypt(one.kms, for_two).text() == "decryption_failed");
  CHECK(decrypt(one.kms, encrypt(two->kms, bytes("3"), {.key = "only two"}).value()).text() ==
        "not_found");
  two.reset();
  CHECK(decrypt(one.kms, for_one).text() == "1");
}

TEST_CASE("a Kms that was moved works where it went", "[kms]") {
  Database database;
  import_rsa(database.kms, "k", *rsa_key());
  const std::string token = encrypt(database.kms, bytes("x"), {.key = "k"}).value();
  const Kms moved(std::move(database.kms));
  CHECK(decrypt(moved, token).text() == "x");
}

TEST_CASE("many threads share one Kms", "[kms][threads]") {
  const std::string rsa = encrypt(keys(), bytes("rsa"), {.key = "rsa"}).value();
  const std::string dir =
      encrypt(keys(), bytes("dir"), {.key = "oct-A256GCM", .alg = Alg::dir}).value();
  const std::string forged = with_other_letter(dir, dir.rfind('.') + 1);
  constexpr int threads = 6, rounds = 30;
  std::atomic<int> good = 0;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) {
        good += decrypt(keys(), rsa).text() == "rsa";
        good += decrypt(keys(), dir).text() == "dir";
        good += decrypt(keys(), forged).text() == "decryption_failed";
        good +=
            code_of(encrypt(keys(), bytes("x"), {.key = "oct-A256GCM", .alg = Alg::dir})) == "ok";
      }
    });
  for (std::thread& thread : all) thread.join();
  CHECK(good == threads * rounds * 4);
}

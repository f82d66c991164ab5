// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "fixture.hpp"
#include "jwekms/open.hpp"

using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

const Ctx& ctx() { return keyring().ctx; }

/// A caller's buffer, filled with what was there before.
struct Buffer {
  static constexpr std::uint8_t old = 0xAA;
  std::vector<std::uint8_t> bytes;
  std::size_t size;

  explicit Buffer(std::size_t capacity) : bytes(capacity, old), size(capacity) {}
  bool is_wiped() const {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
  }
};

jwekms_status decrypt_into(Buffer& buffer, std::string_view token, jwekms_error* error = nullptr) {
  return jwekms_decrypt(ctx().get(), token.data(), token.size(), nullptr, buffer.bytes.data(),
                        &buffer.size, error);
}

/// Changes one letter of a token's last part, the tag.
std::string tampered(std::string token) {
  char& letter = token[token.size() - 5];
  letter = letter == 'A' ? 'B' : 'A';
  return token;
}

/// The bound that a call tells when it has nowhere to write to.
template <class Call>
std::size_t bound_of(Call call) {
  std::size_t bound = 0, again = 12345;
  REQUIRE(call(&bound) == JWEKMS_OK);
  REQUIRE(call(&again) == JWEKMS_OK);
  REQUIRE(again == bound);
  return bound;
}

std::size_t decrypt_bound(std::string_view token) {
  return bound_of([&](std::size_t* size) {
    return jwekms_decrypt(ctx().get(), token.data(), token.size(), nullptr, nullptr, size, nullptr);
  });
}

/// A token that names a key which nobody has: whoever uses a key fails with it.
std::string token_of_nobody() {
  return "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoibm9ib2R5In0"
         ".AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";
}

}  // namespace

TEST_CASE("what is encrypted decrypts", "[capi][tokens]") {
  for (std::string_view alg : {"RSA-OAEP"sv, "RSA-OAEP-256"sv, "dir"sv})
    for (std::int32_t serialization : {JWEKMS_COMPACT, JWEKMS_FLATTENED})
      for (const std::string& message : {""s, "x"s, std::string(100000, 'm')}) {
        CAPTURE(alg, serialization, message.size());
        jwekms_encrypt_options options = encrypt_to(alg == "dir" ? "oct" : "rsa", alg);
        options.serialization = serialization;
        const std::string token = encrypt(ctx(), message, options);
        CHECK((token[0] == '{') == (serialization == JWEKMS_FLATTENED));
        const auto [status, plaintext] = decrypt(ctx().get(), token);
        CHECK(status == JWEKMS_OK);
        CHECK(plaintext == message);
      }
}

TEST_CASE("enc and aad are the caller's", "[capi][tokens]") {
  jwekms_encrypt_options options = encrypt_to("rsa");
  options.enc = "A128GCM and what follows";
  options.enc_len = 7;
  options.serialization = JWEKMS_FLATTENED;
  options.aad = bytes_of("aad").data();
  options.aad_len = 3;
  std::string token = encrypt(ctx(), "text", options);
  CHECK(token.find("\"aad\":\"YWFk\"") != token.npos);
  CHECK(decrypt(ctx().get(), token).plaintext == "text");
  token.replace(token.find("YWFk"), 4, "YWFs");
  CHECK(decrypt(ctx().get(), token).status == JWEKMS_DECRYPTION_FAILED);
}

TEST_CASE("a question for a size uses no key", "[capi][tokens]") {
  const std::string token = token_of_nobody();
  CHECK(decrypt_bound(token) == 3 + 16);
  std::size_t size = 0;
  const jwekms_encrypt_options to = encrypt_to("nobody");
  CHECK(bound_of([&](std::size_t* s) {
          return jwekms_encrypt(ctx().get(), bytes_of("text").data(), 4, &to, nullptr, s, nullptr);
        }) > 4);
  CHECK(bound_of([&](std::size_t* s) {
          return jwekms_reencrypt(ctx().get(), token.data(), token.size(), nullptr, &to, nullptr, s,
                                  nullptr);
        }) > 3);
  CHECK(jwekms_decrypt(ctx().get(), "bad", 3, nullptr, nullptr, &(size = 7), nullptr) ==
        JWEKMS_BAD_REQUEST);
  CHECK(size == 0);
}

TEST_CASE("the bound has room for a tag, but an empty plaintext needs none", "[capi][tokens]") {
  const std::string token = encrypt(ctx(), "", encrypt_to("rsa"));
  CHECK(decrypt_bound(token) == 16);
  std::uint8_t nowhere = 0;
  std::size_t size = 0;
  CHECK(jwekms_decrypt(ctx().get(), token.data(), token.size(), nullptr, &nowhere, &size,
                       nullptr) == JWEKMS_OK);
  CHECK(size == 0);
  size = 0;
  const std::string forged = tampered(token);
  CHECK(jwekms_decrypt(ctx().get(), forged.data(), forged.size(), nullptr, &nowhere, &size,
                       nullptr) == JWEKMS_DECRYPTION_FAILED);
}

TEST_CASE("a buffer that is too small", "[capi][tokens]") {
  jwekms_error error = JWEKMS_ERROR_INIT;

  SECTION("of decrypt: no key is used") {
    for (std::size_t capacity : {0U, 1U, 2U}) {
      Buffer buffer(capacity + 1);
      buffer.size = capacity;
      CHECK(decrypt_into(buffer, token_of_nobody(), &error) == JWEKMS_BUFFER_TOO_SMALL);
      CHECK(error.code == JWEKMS_BUFFER_TOO_SMALL);
      CHECK(buffer.size == 3 + 16);
      CHECK(buffer.bytes.back() == Buffer::old);
      buffer.bytes.pop_back();
      CHECK(buffer.is_wiped());
    }
    Buffer buffer(3);
    CHECK(decrypt_into(buffer, token_of_nobody(), &error) == JWEKMS_NOT_FOUND);
  }
  SECTION("of encrypt and reencrypt") {
    const std::string token = encrypt(ctx(), "text", encrypt_to("rsa"));
    const jwekms_encrypt_options to = encrypt_to("rsa");
    char letter = 'x';
    std::size_t size = 1;
    CHECK(jwekms_encrypt(ctx().get(), bytes_of("text").data(), 4, &to, &letter, &size, &error) ==
          JWEKMS_BUFFER_TOO_SMALL);
    CHECK(size > token.size() - 4);
    size = 1;
    CHECK(jwekms_reencrypt(ctx().get(), token.data(), token.size(), nullptr, &to, &letter, &size,
                           &error) == JWEKMS_BUFFER_TOO_SMALL);
    CHECK(size > token.size() - 4);
  }
  SECTION("the bound suffices exactly, and nothing beyond it is written") {
    const std::string token = encrypt(ctx(), "text", encrypt_to("rsa"));
    Buffer buffer(decrypt_bound(token) + 1);
    buffer.size -= 1;
    CHECK(decrypt_into(buffer, token) == JWEKMS_OK);
    CHECK(std::memcmp(buffer.bytes.data(), "text", 4) == 0);
    CHECK(buffer.bytes.back() == Buffer::old);
  }
}

TEST_CASE("a failure leaves nothing behind", "[capi][tokens]") {
  const std::string token = encrypt(ctx(), "secret", encrypt_to("rsa"));
  jwekms_error error = JWEKMS_ERROR_INIT;
  Buffer buffer(64);

  SECTION("a tag that does not fit") {
    CHECK(decrypt_into(buffer, tampered(token), &error) == JWEKMS_DECRYPTION_FAILED);
    CHECK(error.code == JWEKMS_DECRYPTION_FAILED);
  }
  SECTION("a text that is no token") {
    CHECK(decrypt_into(buffer, "no token", &error) == JWEKMS_BAD_REQUEST);
  }
  SECTION("a key that nobody has") {
    CHECK(decrypt_into(buffer, token_of_nobody(), &error) == JWEKMS_NOT_FOUND);
  }
  SECTION("no context") {
    CHECK(jwekms_decrypt(nullptr, token.data(), token.size(), nullptr, buffer.bytes.data(),
                         &buffer.size, &error) == JWEKMS_BAD_REQUEST);
  }
  SECTION("encryption to nobody") {
    buffer = Buffer(8192);
    const jwekms_encrypt_options to = encrypt_to("nobody");
    CHECK(jwekms_encrypt(ctx().get(), nullptr, 0, &to, reinterpret_cast<char*>(buffer.bytes.data()),
                         &buffer.size, &error) == JWEKMS_NOT_FOUND);
  }
  CHECK(buffer.size == 0);
  CHECK(buffer.is_wiped());
}

TEST_CASE("tokens fail as they do in C++", "[capi][tokens]") {
  jwekms::Options options;
  options.database.path = keyring().path;
  options.database.kek = test_kek;
  const jwekms::Kms kms = jwekms::open(options).value();

  const std::string good = encrypt(ctx(), "text", encrypt_to("rsa"));
  const auto part = [&](int n) {
    std::size_t at = 0;
    for (; n > 0; --n) at = good.find('.', at) + 1;
    return at;
  };
  std::vector<std::string> tokens{"",
                                  ".",
                                  "....",
                                  "{}",
                                  "{\"a\":",
                                  "{\"a\":1,\"a\":2}",
                                  good + ".",
                                  good + "=",
                                  good.substr(0, good.size() - 2),
                                  tampered(good),
                                  token_of_nobody(),
                                  std::string(100, '\0')};
  for (int n = 0; n < 5; ++n) {
    std::string changed = good;
    char& letter = changed[part(n) + 2];
    letter = letter == 'Q' ? 'R' : 'Q';
    tokens.push_back(changed);
    changed.erase(part(n), 1);
    tokens.push_back(changed);
    changed[part(n)] = '+';
    tokens.push_back(changed);
  }
  for (const std::string& token : tokens) {
    CAPTURE(token);
    std::vector<std::uint8_t> out(1024);
    const auto in_cpp = kms.decrypt(token, out);
    REQUIRE_FALSE(in_cpp);
    jwekms_error error = JWEKMS_ERROR_INIT;
    Buffer buffer(1024);
    CHECK(decrypt_into(buffer, token, &error) == static_cast<int>(in_cpp.error().code));
    CHECK(error.position == in_cpp.error().position);
    CHECK(error.text == std::string_view(in_cpp.error().text));
  }
}

TEST_CASE("arguments that are missing", "[capi][tokens]") {
  const std::string token = encrypt(ctx(), "text", encrypt_to("rsa"));
  const jwekms_encrypt_options to = encrypt_to("rsa");
  std::vector<char> out(8192);
  std::size_t size = out.size();
  const jwekms_ctx* kms = ctx().get();

  SECTION("out_len") {
    CHECK(jwekms_decrypt(kms, token.data(), token.size(), nullptr, nullptr, nullptr, nullptr) ==
          JWEKMS_BAD_REQUEST);
    CHECK(jwekms_encrypt(kms, nullptr, 0, &to, out.data(), nullptr, nullptr) == JWEKMS_BAD_REQUEST);
    CHECK(jwekms_reencrypt(kms, token.data(), token.size(), nullptr, &to, out.data(), nullptr,
                           nullptr) == JWEKMS_BAD_REQUEST);
  }
  SECTION("the context") {
    CHECK(jwekms_encrypt(nullptr, nullptr, 0, &to, nullptr, &size, nullptr) == JWEKMS_BAD_REQUEST);
    CHECK(jwekms_reencrypt(nullptr, token.data(), token.size(), nullptr, &to, nullptr, &size,
                           nullptr) == JWEKMS_BAD_REQUEST);
  }
  SECTION("input with a length") {
    CHECK(jwekms_decrypt(kms, nullptr, 5, nullptr, nullptr, &size, nullptr) == JWEKMS_BAD_REQUEST);
    CHECK(jwekms_encrypt(kms, nullptr, 5, &to, nullptr, &size, nullptr) == JWEKMS_BAD_REQUEST);
    for (auto member : {&jwekms_encrypt_options::key_len, &jwekms_encrypt_options::alg_len,
                        &jwekms_encrypt_options::enc_len, &jwekms_encrypt_options::aad_len}) {
      jwekms_encrypt_options broken = JWEKMS_ENCRYPT_OPTIONS_INIT;
      broken.*member = 1;
      CHECK(jwekms_encrypt(kms, nullptr, 0, &broken, nullptr, &size, nullptr) ==
            JWEKMS_BAD_REQUEST);
    }
  }
  SECTION("an empty token, an empty plaintext") {
    CHECK(jwekms_decrypt(kms, nullptr, 0, nullptr, nullptr, &size, nullptr) == JWEKMS_BAD_REQUEST);
    CHECK(jwekms_encrypt(kms, nullptr, 0, &to, out.data(), &(size = out.size()), nullptr) ==
          JWEKMS_OK);
  }
  SECTION("the key to encrypt to") {
    CHECK(jwekms_encrypt(kms, nullptr, 0, nullptr, out.data(), &(size = out.size()), nullptr) ==
          JWEKMS_BAD_REQUEST);
  }
}

TEST_CASE("names and numbers without a meaning", "[capi][tokens]") {
  std::vector<char> out(8192);
  std::size_t size = out.size();
  const auto status_of = [&](const jwekms_encrypt_options& to) {
    return jwekms_encrypt(ctx().get(), nullptr, 0, &to, out.data(), &(size = out.size()), nullptr);
  };
  CHECK(status_of(encrypt_to("rsa", "RSA-OAEP-257")) == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(status_of(encrypt_to("rsa", "rsa-oaep-256")) == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(status_of(encrypt_to("rsa", "RSA1_5")) == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(status_of(encrypt_to("rsa", "RSA-OAEP-512")) == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(status_of(encrypt_to("rsa", "dir")) == JWEKMS_CRYPTO_FAILURE);
  jwekms_encrypt_options to = encrypt_to("rsa");
  to.enc = "A257GCM";
  to.enc_len = 7;
  CHECK(status_of(to) == JWEKMS_UNSUPPORTED_ALGORITHM);
  for (std::int32_t serialization : {-1, 2}) {
    to = encrypt_to("rsa");
    to.serialization = serialization;
    CHECK(status_of(to) == JWEKMS_BAD_REQUEST);
  }
  jwekms_decrypt_options from = JWEKMS_DECRYPT_OPTIONS_INIT;
  from.flags = 1;
  CHECK(decrypt(ctx().get(), token_of_nobody(), &from).status == JWEKMS_BAD_REQUEST);
}

TEST_CASE("the caller may name the key", "[capi][tokens]") {
  const std::string token = encrypt(ctx(), "text", encrypt_to("rsa"));
  const auto with_key = [&](std::string_view key) {
    jwekms_decrypt_options options = JWEKMS_DECRYPT_OPTIONS_INIT;
    options.key = key.data();
    options.key_len = key.size();
    return decrypt(ctx().get(), token, &options);
  };
  CHECK(with_key("rsa").plaintext == "text");
  CHECK(with_key("").plaintext == "text");
  CHECK(with_key("nobody").status == JWEKMS_NOT_FOUND);
  CHECK(with_key("oct").status == JWEKMS_CRYPTO_FAILURE);
}

TEST_CASE("reencrypt moves a token from key to key", "[capi][tokens]") {
  const std::string token = encrypt(ctx(), "text", encrypt_to("rsa"));
  const jwekms_encrypt_options to = encrypt_to("oct", "dir");
  std::size_t size = 0;
  REQUIRE(jwekms_reencrypt(ctx().get(), token.data(), token.size(), nullptr, &to, nullptr, &size,
                           nullptr) == JWEKMS_OK);
  std::string moved(size, '\0');
  REQUIRE(jwekms_reencrypt(ctx().get(), token.data(), token.size(), nullptr, &to, moved.data(),
                           &size, nullptr) == JWEKMS_OK);
  moved.resize(size);
  CHECK(moved.find("..") != moved.npos);  // dir has no encrypted_key
  CHECK(decrypt(ctx().get(), moved).plaintext == "text");

  const std::string forged = tampered(token);
  std::string out(8192, 'x');
  size = out.size();
  CHECK(jwekms_reencrypt(ctx().get(), forged.data(), forged.size(), nullptr, &to, out.data(), &size,
                         nullptr) == JWEKMS_DECRYPTION_FAILED);
  CHECK(size == 0);
  CHECK(out == std::string(8192, '\0'));
}

TEST_CASE("a context serves eight threads", "[capi][tokens]") {
  const std::string rsa = encrypt(ctx(), "rsa text", encrypt_to("rsa"));
  const std::string dir = encrypt(ctx(), "dir text", encrypt_to("oct", "dir"));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int n = 0; n < 8; ++n)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        if (decrypt(ctx().get(), rsa).plaintext != "rsa text") ++wrong;
        if (decrypt(ctx().get(), dir).plaintext != "dir text") ++wrong;
        Buffer buffer(64);
        jwekms_error error = JWEKMS_ERROR_INIT;
        if (decrypt_into(buffer, tampered(dir), &error) != JWEKMS_DECRYPTION_FAILED ||
            error.code != JWEKMS_DECRYPTION_FAILED || !buffer.is_wiped())
          ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

// SPDX-License-Identifier: Apache-2.0

// Bodies that no honest client sends, at every path.

#include <random>
#include <utility>

#include "support.hpp"

using namespace service_test;

namespace {

constexpr std::pair<std::string_view, std::string_view> with_body[]{
    {"POST", "/v1/crypto/decrypt"},
    {"POST", "/v1/crypto/encrypt"},
    {"POST", "/v1/crypto/reencrypt"},
    {"POST", "/v1/crypto/keys/unwrap"},
    {"POST", "/v1/crypto/keys"},
    {"PATCH", "/v1/crypto/keys/rsa"},
    {"POST", "/kmip/2_1"}};

void check_refused(const Api& api, std::string_view body) {
  for (const auto& [method, path] : with_body) {
    const Reply reply = call(api.kms, method, path, body);
    INFO(method << " " << path << " " << body.substr(0, 200));
    CHECK(reply.status == 400);
    CHECK(reply.error == Errc::bad_request);
  }
}

std::string nested(std::size_t depth) {
  return R"({"kid":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

}  // namespace

TEST_CASE("bodies that are no JSON object, or not one that an operation knows") {
  const Api api;
  using namespace std::string_view_literals;
  for (const std::string_view body : {""sv,
                                      " "sv,
                                      "null"sv,
                                      "true"sv,
                                      "1"sv,
                                      "\"{}\""sv,
                                      "[]"sv,
                                      "{"sv,
                                      "{}}"sv,
                                      "{},"sv,
                                      "{} {}"sv,
                                      "{\"kid\":1,}"sv,
                                      "{'kid':1}"sv,
                                      "{kid:1}"sv,
                                      "\xEF\xBB\xBF{}"sv,
                                      "{}\0"sv,
                                      "{\"a\0\":1}"sv,
                                      R"({"kid":"\u0000"})"sv,
                                      R"({"kid":"\ud800"})"sv,
                                      "{\"kid\":\"\xFF\"}"sv,
                                      "{\"kid\":\"\xC0\x80\"}"sv,
                                      "{\"kid\":\"\n\"}"sv,
                                      R"({"kid":01})"sv,
                                      R"({"kid":NaN})"sv,
                                      R"({"KID":"rsa"})"sv,
                                      R"({"unknown":null})"sv,
                                      R"({"__proto__":{}})"sv,
                                      R"({"kid":"a","kid":"a"})"sv,
                                      R"({"kid":"a","\u006bid":"b"})"sv,
                                      R"({"protected":"a","protected":"b"})"sv,
                                      R"({"protected":{"alg":"dir"}})"sv,
                                      R"({"recipients":[]})"sv,
                                      R"({"header":{}})"sv,
                                      R"({"unprotected":{}})"sv})
    check_refused(api, body);
  for (const std::size_t depth : {8U, 9U, 33U, 100'000U}) check_refused(api, nested(depth));
}

TEST_CASE("members of every wrong type") {
  const Api api;
  for (const std::string_view name :
       {"protected", "encrypted_key", "iv", "ciphertext", "tag", "aad", "kid", "alg", "enc", "data",
        "label", "store_in_hsm", "aliases", "kty", "bits", "jwk", "state"})
    for (const std::string_view value : {"null", "[[]]", "-1", "1e999"})
      check_refused(api, R"({")" + std::string(name) + R"(":)" + std::string(value) + "}");
}

TEST_CASE("escapes have no place in what is base64url") {
  const Api api;
  const support::TokenParts t = token(api, "value");
  for (const std::string* part :
       {&t.protected_b64, &t.encrypted_key, &t.iv, &t.ciphertext, &t.tag}) {
    std::string body = decrypt_body(t);
    constexpr std::string_view digits = "0123456789abcdef";
    const auto first = static_cast<unsigned char>(part->at(0));
    body.replace(body.find(*part), 1,
                 std::string("\\u00") + digits[first >> 4] + digits[first & 15]);
    CHECK(post(api.kms, "/v1/crypto/decrypt", body).outcome() == "400 bad_request");
  }
  CHECK(post(api.kms, "/v1/crypto/encrypt",
             R"({"kid":"oct","alg":"dir","enc":"A256GCM","data":"\u0041A"})")
            .outcome() == "400 bad_request");
  // Elsewhere an escape is a letter like any other.
  CHECK(post(api.kms, "/v1/crypto/encrypt",
             R"({"\u006bid":"\u006fct","alg":"d\u0069r","enc":"A256GCM","data":"AA"})")
            .outcome() == "200");
}

TEST_CASE("many members and long strings") {
  const Api api;
  std::string many = "{";
  for (int i = 0; i < 1000; ++i) many += "\"m" + std::to_string(i) + "\":1,";
  many.back() = '}';
  check_refused(api, many);
  check_refused(api, R"({"kid":")" + std::string(1 << 20, 'k') + R"("})");
  check_refused(api, R"({"protected":")" + std::string(1 << 20, 'A') + R"("})");
  check_refused(api, R"({"aliases":[)" + std::string(1 << 20, ' ') + "1]}");
}

TEST_CASE("a payload of some megabytes goes through") {
  const Api api;
  const std::string payload(5 << 20, 'x');
  const Reply made =
      post(api.kms, "/v1/crypto/encrypt", encrypt_body("oct", "dir", "A256GCM", payload));
  REQUIRE(made.outcome() == "200");
  CHECK(post(api.kms, "/v1/crypto/decrypt", made.body)["data"] == b64(bytes(payload)));
}

TEST_CASE("mutants of good bodies never bring about a 5xx, and no answer echoes them") {
  const Api api;
  std::vector<std::pair<std::string, std::string>> good;
  good.emplace_back("/v1/crypto/decrypt", decrypt_body(token(api, "value")));
  good.emplace_back("/v1/crypto/keys/unwrap", unwrap_body(token(api, "value")));
  good.emplace_back("/v1/crypto/encrypt", encrypt_body("oct", "dir", "A256GCM", "value"));
  good.emplace_back("/v1/crypto/keys", R"({"kty":"oct","bits":128,"aliases":["a"]})");
  std::mt19937 random(1);  // NOLINT: the same each time
  for (const auto& [path, body] : good)
    for (int round = 0; round < 400; ++round) {
      std::string mutant = body;
      for (std::size_t changes = random() % 3 + 1; changes > 0; --changes) {
        const std::size_t at = random() % mutant.size();
        switch (random() % 3) {
          case 0: mutant[at] = static_cast<char>(random()); break;
          case 1: mutant.erase(at, random() % 8 + 1); break;
          default: mutant.insert(at, mutant.substr(random() % mutant.size(), 8)); break;
        }
        if (mutant.empty()) mutant = " ";
      }
      const Reply reply = post(api.kms, path, mutant);
      INFO(path << " " << mutant);
      CHECK(reply.status < 500);
      CHECK(json::read(reply.body, {.max_depth = 32}).has_value());
    }
}

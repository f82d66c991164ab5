// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "../service/support.hpp"
#include "token.hpp"

// The REST service with keys in a token: the use case's second and fourth way.

using jwekms::Alg;
using jwekms::Enc;
using jwekms::Kms;
using service_test::Reply;

namespace {

constexpr std::string_view unwrap = "/v1/crypto/keys/unwrap";
constexpr std::string_view decrypt = "/v1/crypto/decrypt";

/// A database beside the token, so that a key could go to either.
struct Api {
  support::TempDir folder;
  Kms kms = token::try_open(token::options(), folder.file("keys")).value();
  std::string parent = token::rsa_uid(kms);
  jwekms::Cek cek = token::random_cek(32);
  std::vector<std::uint8_t> wrapped =
      token::public_key(kms, parent)->wrap(jwekms::row(Alg::RSA_OAEP), cek).value();

  [[nodiscard]] std::string unwrap_body(std::string_view members = {}) const {
    const std::string header = service_test::header("RSA-OAEP", "A256GCM", parent);
    return R"({"protected":")" + support::b64(support::bytes(header)) + R"(","encrypted_key":")" +
           support::b64(wrapped) + "\"" + std::string(members) + "}";
  }
  /// What a `dir` token under the CEK gives when it names a key.
  [[nodiscard]] std::string opens(const std::string& kid) const {
    const support::TokenParts t = support::seal_token(service_test::header("dir", "A256GCM", kid),
                                                      support::raw(cek), support::bytes("value"));
    const Reply reply = service_test::post(kms, decrypt, service_test::dir_body(t));
    return reply.status == 200 && reply["kid"] == kid
               ? support::text(support::from_b64(reply["data"]))
               : reply.outcome();
  }
  void destroy(const std::string& kid) const {
    CHECK(service_test::call(kms, "DELETE", "/v1/crypto/keys/" + kid).status == 200);
  }
};

/// What a token that keeps no CEK answers instead of `good`.
std::string or_refused(const std::string& good) {
  return token::expected().boundary_sha1 ? good : "422 unsupported_algorithm";
}

}  // namespace

TEST_CASE("the service decrypts with a private key in the token") {
  const Api api;
  for (const std::string_view alg : {"RSA-OAEP", "RSA-OAEP-256"}) {
    const Reply made =
        service_test::post(api.kms, "/v1/crypto/encrypt",
                           service_test::encrypt_body(api.parent, alg, "A256GCM", "value"));
    REQUIRE(made.outcome() == "200");
    const Reply opened = service_test::post(api.kms, decrypt, made.body);
    CHECK(opened["kid"] == api.parent);
    CHECK(opened["data"] == support::b64(support::bytes("value")));
  }
}

TEST_CASE("the service unwraps a CEK of the token's key into the database") {
  const Api api;
  const Reply kept = service_test::post(api.kms, unwrap, api.unwrap_body());
  REQUIRE(kept.outcome() == "200");
  CHECK_FALSE(kept["kid"].starts_with("hsm::"));
  CHECK(api.opens(kept["kid"]) == "value");
}

TEST_CASE("the service unwraps a CEK to stay in the token") {
  const Api api;
  const auto keep = [&](std::string_view members, const std::string& uid) {
    const Reply kept = service_test::post(api.kms, unwrap, api.unwrap_body(members));
    CHECK(kept.outcome() == or_refused("200"));
    if (kept.status != 200) return;
    const std::string kid = kept["kid"];
    if (!uid.empty()) CHECK(kid == uid);
    CHECK(kid.starts_with(token::prefix()));
    CHECK(kept["alg"] == "A256GCM");
    CHECK(api.opens(kid) == "value");
    CHECK(service_test::get(api.kms, "/v1/crypto/keys/" + kid)["parent"] == api.parent);
    api.destroy(kid);
  };
  keep(R"(,"store_in_hsm":true)", "");
  keep(R"(,"label":"ksym_1")", token::prefix() + "ksym_1");
  keep(R"(,"store_in_hsm":true,"label":"k::2")", token::prefix() + "k::2");
  keep(R"(,"kid":")" + token::prefix() + R"(ksym_3")", token::prefix() + "ksym_3");
}

TEST_CASE("KMIP's Import keeps the key where its wrapping key is") {
  const Api api;
  std::string hex;
  for (const std::uint8_t byte : api.wrapped) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    hex += digits[byte >> 4];
    hex += digits[byte & 15];
  }
  const auto import = [&](std::string_view sample, std::string_view store, const std::string& uid) {
    const std::string text = service_test::read_file(std::string(JWEKMS_TEST_DATA) +
                                                     "/service/kmip/" + std::string(sample));
    return service_test::post(api.kms, "/kmip/2_1",
                              service_test::fill(text, {{"uid", uid},
                                                        {"bits", "256"},
                                                        {"kid", api.parent},
                                                        {"hash", "SHA1"},
                                                        {"wrapped", hex},
                                                        {"store_in_hsm", std::string(store)}}));
  };
  const auto check = [&](const Reply& reply, const std::string& uid) {
    if (!token::expected().boundary_sha1) {
      CHECK(reply.status == 422);
      return;
    }
    CHECK(reply.status == 200);
    CHECK(reply.body.find("\"" + uid + "\"") != std::string::npos);
    CHECK(api.opens(uid) == "value");
    api.destroy(uid);
  };
  check(import("import.json", "", "ksym_4"), token::prefix() + "ksym_4");
  check(import("import_store_in_hsm.json", "true", token::prefix() + "ksym_5"),
        token::prefix() + "ksym_5");
  const Reply in_database = import("import_store_in_hsm.json", "false", "ksym_6");
  CHECK(in_database.status == 200);
  CHECK(api.opens("ksym_6") == "value");
}

TEST_CASE("the service makes keys in the token") {
  const Api api;
  const auto make = [&](const std::string& members) {
    return service_test::post(api.kms, "/v1/crypto/keys", "{" + members + "}");
  };
  const std::string uid = token::prefix() + "made";
  const Reply rsa = make(R"("kty":"RSA","bits":2048,"kid":")" + uid + "\"");
  REQUIRE(rsa.outcome() == "201");
  CHECK(rsa["kid"] == uid);
  CHECK(make(R"("kty":"RSA","kid":")" + uid + "\"").outcome() == "409 conflict");
  CHECK_FALSE(service_test::get(api.kms, "/v1/crypto/keys/" + uid)["public_jwk"].empty());
  CHECK(service_test::get(api.kms, "/v1/crypto/keys?prefix=" + token::instance_prefix())
            .body.find("\"" + uid + "\"") != std::string::npos);
  CHECK(service_test::get(api.kms, "/.well-known/jwks.json").body.find(uid) != std::string::npos);
  api.destroy(uid);

  // By label, and under a random one: there is one slot.
  for (const std::string name : {R"(,"kid":"by-label")", ""}) {
    const Reply oct = make(R"("kty":"oct","enc":"A128GCM","store_in_hsm":true)" + name);
    REQUIRE(oct.outcome() == "201");
    const std::string kid = oct["kid"];
    CHECK(kid.starts_with(token::prefix() + (name.empty() ? "key-" : "by-label")));
    const Reply token = service_test::post(api.kms, "/v1/crypto/encrypt",
                                           service_test::encrypt_body(kid, "dir", "A128GCM", "v"));
    CHECK(token.outcome() == (token::expected().gcm ? "200" : "422 unsupported_algorithm"));
    if (token.status == 200)
      CHECK(service_test::post(api.kms, decrypt, token.body)["data"] ==
            support::b64(support::bytes("v")));
    api.destroy(kid);
  }
  CHECK(make(R"("kid":")" + uid + R"(","jwk":{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAA"})")
            .outcome() == "400 bad_request");
  CHECK(service_test::call(api.kms, "PATCH", "/v1/crypto/keys/" + api.parent,
                           R"({"aliases":{"add":[")" + token::prefix() + R"(x"]}})")
            .outcome() == "400 bad_request");
}

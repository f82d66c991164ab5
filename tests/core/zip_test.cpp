// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "deflate.hpp"
#include "fake_provider.hpp"
#include "kms_support.hpp"
#include "make_token.hpp"

using namespace jwekms;
using namespace support;

namespace {

constexpr std::string_view header = R"({"alg":"dir","enc":"A256GCM","kid":"oct","zip":"DEF"})";
const Bytes cek = pattern(32, 6);

Policy zip_policy(std::size_t max_bytes = 1 << 20, std::size_t max_ratio = 100) {
  Policy policy;
  policy.allow_zip = true;
  policy.limits.max_inflated_bytes = max_bytes;
  policy.limits.max_inflated_ratio = max_ratio;
  return policy;
}

Kms kms_with(const Policy& policy) {
  auto provider = std::make_shared<FakeProvider>();
  provider->add_oct("oct", cek);
  provider->add_rsa("rsa", rsa_key());
  return kms_over(provider, policy);
}

/// A direct token whose content is these bytes, compressed or not.
std::string token_of(std::span<const std::uint8_t> content, std::string_view header_json = header) {
  return seal_token(header_json, cek, content).compact();
}

void check_refused(const Kms& kms, const std::string& token, std::string_view code) {
  const Decrypted decrypted = decrypt(kms, token, {}, 100);
  CHECK(decrypted.text() == code);
  CHECK(decrypted.clean());
}

}  // namespace

TEST_CASE("compressed content is inflated where the policy allows it", "[zip]") {
  const Kms kms = kms_with(zip_policy());
  for (const std::size_t size : Sizes{0, 1, 1000, 100000}) {
    const Bytes plaintext = pattern(size);
    CHECK(decrypt(kms, token_of(deflate_raw(plaintext))).text() == text(plaintext));
  }
  const std::string for_rsa = R"({"alg":"RSA-OAEP","enc":"A128GCM","kid":"rsa","zip":"DEF"})";
  const TokenParts rsa =
      seal_for(*rsa_key(), for_rsa, Alg::RSA_OAEP, deflate_raw(bytes("small")), Enc::A128GCM);
  CHECK(decrypt(kms, rsa.compact()).text() == "small");
  CHECK(decrypt(kms, rsa.flattened()).text() == "small");
}

TEST_CASE("compressed content is refused by default, unopened", "[zip]") {
  const auto provider = std::make_shared<FakeProvider>();
  provider->add_oct("oct", cek);
  const Kms kms = kms_over(provider, Policy{});
  check_refused(kms, token_of(deflate_raw(bytes("x"))), "unsupported_algorithm");
  CHECK(provider->calls().all() == 0);
}

TEST_CASE("DEF is the only compression", "[zip]") {
  const Kms kms = kms_with(zip_policy());
  for (const char* zip : {R"("GZIP")", R"("def")", R"("")", R"("none")"}) {
    const std::string other =
        R"({"alg":"dir","enc":"A256GCM","kid":"oct","zip":)" + std::string(zip) + "}";
    check_refused(kms, token_of(deflate_raw(bytes("x")), other), "unsupported_algorithm");
  }
  for (const char* zip : {"null", "1", "[]"}) {
    const std::string other =
        R"({"alg":"dir","enc":"A256GCM","kid":"oct","zip":)" + std::string(zip) + "}";
    check_refused(kms, token_of(deflate_raw(bytes("x")), other), "bad_request");
  }
}

TEST_CASE("zip counts in the protected header alone", "[zip][threat]") {
  const Kms kms = kms_with(Policy::permissive());
  const TokenParts parts =
      seal_token(R"({"alg":"dir","enc":"A256GCM","kid":"oct"})", cek, deflate_raw(bytes("x")));
  const std::string start = R"({"protected":")" + parts.protected_b64 + R"(",)";
  for (const char* where : {"unprotected", "header"}) {
    const std::string token = start + '"' + where + R"(":{"zip":"DEF"},)" + parts.content() + "}";
    check_refused(kms, token, "bad_request");
  }
}

TEST_CASE("CVE-2024-28176: what a bomb inflates to is bounded absolutely", "[zip][threat]") {
  const Bytes bomb = deflate_raw(Bytes(std::size_t{64} << 20, 'a'));
  const std::string token = token_of(bomb);
  for (const std::size_t most : Sizes{1, 1000, 1 << 20}) {
    const Kms kms = kms_with(zip_policy(most, 1000000));
    CHECK(kms.decrypt_bound(token).value() == most + 16);  // room for a tag
    check_refused(kms, token, "bad_request");
  }
}

TEST_CASE("CVE-2024-28180: and by its ratio", "[zip][threat]") {
  const Bytes compressed = deflate_raw(Bytes(20000, 'a'));
  const std::size_t ratio = 20000 / compressed.size();
  const std::string token = token_of(compressed);
  check_refused(kms_with(zip_policy(1 << 20, ratio / 2)), token, "bad_request");
  CHECK(decrypt(kms_with(zip_policy(1 << 20, ratio + 1)), token).code() == "ok");
}

TEST_CASE("content of exactly the bound inflates, one byte more does not", "[zip]") {
  const Kms kms = kms_with(zip_policy(5000));
  CHECK(decrypt(kms, token_of(deflate_raw(pattern(5000)))).text() == text(pattern(5000)));
  check_refused(kms, token_of(deflate_raw(pattern(5001))), "bad_request");
}

TEST_CASE("the bound of a compressed token suffices and is asked for", "[zip]") {
  const Kms kms = kms_with(zip_policy());
  const std::string token = token_of(deflate_raw(pattern(100)));
  const std::size_t bound = kms.decrypt_bound(token).value();
  Bytes small(bound - 17, 0xFF);
  CHECK(code_of(kms.decrypt(token, small)) == "buffer_too_small");
  CHECK(all_zero(small));
}

TEST_CASE("what was not compressed, or was altered, does not open", "[zip]") {
  const Kms kms = kms_with(zip_policy());
  check_refused(kms, token_of(bytes("not compressed at all")), "decryption_failed");
  Bytes cut = deflate_raw(pattern(1000));
  cut.pop_back();
  check_refused(kms, token_of(cut), "decryption_failed");
  const std::string good = token_of(deflate_raw(pattern(1000)));
  check_refused(kms, with_other_letter(good, good.rfind('.') + 1), "decryption_failed");
}

TEST_CASE("no content at all is no compressed content", "[zip]") {
  check_refused(kms_with(zip_policy()), token_of({}), "decryption_failed");
}

TEST_CASE("a compressed token is reencrypted in the clear", "[zip]") {
  const Kms kms = kms_with(zip_policy());
  const auto next = reencrypt(kms, token_of(deflate_raw(pattern(5000))), {}, {.key = "rsa"});
  REQUIRE(code_of(next) == "ok");
  CHECK(decrypt(kms, *next).text() == text(pattern(5000)));
}

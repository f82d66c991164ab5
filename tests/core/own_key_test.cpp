// SPDX-License-Identifier: Apache-2.0
// What a C++ program's own key provider builds on: ContentKeys, and the defaults of Key.
#include <catch2/catch.hpp>

#include "core/public_jwk.hpp"
#include "kms_support.hpp"
#include "make_token.hpp"

using namespace jwekms;
using namespace support;

namespace {

/// Keys "own::rsa" and "own::mute", which shows no public half, as ContentKeys makes them.
class OwnKeys final : public KeyProvider {
 public:
  std::string_view uid_prefix() const noexcept override { return "own::"; }
  Result<std::shared_ptr<const Key>> resolve(std::string_view kid) const override {
    if (kid != "own::rsa" && kid != "own::mute") return Error{Errc::not_found, 0, "no such key"};
    const KeyInfo info{.uid = std::string(kid), .bits = 2048, .algs = {Alg::RSA_OAEP_256}};
    return content_keys.rsa_key(
        info,
        [this](const WrappedCek& wrapped, std::span<std::uint8_t> cek) -> Result<std::size_t> {
          CHECK(all_zero(cek));
          CHECK(cek.size() == 2048);
          const Result<Cek> opened = rsa_key()->unwrap_to_keep(wrapped);
          if (opened) std::ranges::copy(opened->bytes(InsecureSecretAccess::token()), cek.begin());
          if (answer) return *answer;
          if (!opened) return opened.error();
          return size.value_or(opened->size());
        },
        kid == "own::rsa" ? jwk() : "");
  }

  static std::string jwk() {
    const auto numbers = rsa_key()->public_numbers().value();
    return core::write_public_jwk({}, numbers.n, numbers.e);
  }

  const ContentKeys content_keys = ContentKeys::open().value();
  std::optional<Error> answer;
  std::optional<std::size_t> size;
};

std::string own_token() {
  constexpr std::string_view header = R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"own::rsa"})";
  return seal_for(*rsa_key(), header, Alg::RSA_OAEP_256, bytes("content")).compact();
}

}  // namespace

TEST_CASE("an RSA key of one's own, both ways and kept", "[own]") {
  const auto provider = std::make_shared<OwnKeys>();
  const Database db(Policy{}, {provider});
  CHECK(decrypt(db.kms, own_token()).text() == "content");
  const std::string made = encrypt(db.kms, bytes("back"), {.key = "own::rsa"}).value();
  CHECK(decrypt(db.kms, made).text() == "back");
  const std::string jwk = db.kms.public_jwk("own::rsa").value();
  CHECK(jwk.find(R"("kid":"own::rsa")") != jwk.npos);
  CHECK(db.kms.unwrap_key(made).value().parent == "own::rsa");

  CHECK(code_of(encrypt(db.kms, bytes("x"), {.key = "own::mute"})) == "unsupported_algorithm");
  CHECK(code_of(db.kms.public_jwk("own::mute")) == "bad_request");
  // Asked for as what it is not.
  CHECK(code_of(encrypt(db.kms, bytes("x"), {.key = "own::rsa", .alg = Alg::dir})) ==
        "crypto_failure");
}

TEST_CASE("why a key of one's own did not unwrap is told to nobody", "[own][threat]") {
  const auto provider = std::make_shared<OwnKeys>();
  const Database db(Policy{}, {provider});
  const std::string good = own_token();
  const std::string bad_tag = with_other_letter(good, good.size() - 10);
  const std::string bad_padding = with_other_letter(good, good.find('.') + 10);
  const auto same = [&](const std::string& token) {
    const Decrypted seen = decrypt(db.kms, token);
    CHECK(seen.clean());
    REQUIRE(!seen.result);
    return seen.code() == "decryption_failed" && std::string_view(seen.result.error().text) ==
                                                     decrypt(db.kms, bad_tag).result.error().text;
  };
  CHECK(same(bad_tag));
  CHECK(same(bad_padding));
  for (const Errc code : {Errc::decryption_failed, Errc::bad_request, Errc::too_large,
                          Errc::crypto_failure, Errc::buffer_too_small}) {
    provider->answer = Error{code, 7, "the padding is wrong"};
    CHECK(same(good));
    CHECK(same(bad_tag));
  }
  provider->answer.reset();
  for (const std::size_t size : {0UL, 16UL, 31UL, 33UL, 64UL, 2048UL, 2049UL, ~0UL}) {
    provider->size = size;
    CHECK(same(good));
  }
  provider->size.reset();
  // An outage is none of the token's faults.
  for (const Errc code : {Errc::not_found, Errc::forbidden, Errc::unsupported_algorithm,
                          Errc::unavailable, Errc::internal_error}) {
    provider->answer = Error{code, 0, "it says so"};
    CHECK(decrypt(db.kms, good).code() == name(code));
    CHECK(decrypt(db.kms, bad_padding).code() == name(code));
  }
  provider->answer = Error{Errc::conflict, 0, "no code for this"};
  CHECK(decrypt(db.kms, good).code() == "internal_error");
}

TEST_CASE("what ContentKeys cannot make", "[own]") {
  const ContentKeys keys = ContentKeys::open().value();
  CHECK(code_of(ContentKeys::open("no such = = query")) == "bad_request");
  CHECK(code_of(keys.make(row(Enc::A256GCM), make_cek(pattern(16)))) == "crypto_failure");
  CHECK(code_of(keys.make(row(Enc::A128CBC_HS256), make_cek(pattern(32)))) ==
        "unsupported_algorithm");
  CHECK(keys.make(row(Enc::A128GCM), make_cek(pattern(16))));

  const UnwrapCek unwrap = [](const WrappedCek&, std::span<std::uint8_t>) { return 32UL; };
  const KeyInfo info{.uid = "own::rsa", .bits = 2048, .algs = {Alg::RSA_OAEP_256}};
  CHECK(keys.rsa_key(info, unwrap, OwnKeys::jwk()));
  CHECK(code_of(keys.rsa_key(info, {}, OwnKeys::jwk())) == "bad_request");
  CHECK(code_of(keys.rsa_key(info, unwrap, "{}")) == "bad_request");
  std::string with_d = OwnKeys::jwk();
  with_d.insert(with_d.size() - 1, R"(,"d":"AAAA")");
  CHECK(code_of(keys.rsa_key(info, unwrap, with_d)) == "bad_request");
  KeyInfo larger = info;
  larger.bits = 3072;
  CHECK(code_of(keys.rsa_key(larger, unwrap, OwnKeys::jwk())) == "crypto_failure");
}

TEST_CASE("what a kind of key has not is crypto_failure", "[own]") {
  struct Bare final : Key {
    const KeyInfo& info() const noexcept override { return told; }
    KeyInfo told;
  } key;
  const JoseHeader header{};
  CHECK(code_of(key.unwrap({row(Alg::RSA_OAEP), row(Enc::A256GCM), header, {}})) ==
        "crypto_failure");
  CHECK(code_of(key.unwrap_to_keep({row(Alg::RSA_OAEP), row(Enc::A256GCM), header, {}},
                                   InsecureSecretAccess::token())) == "crypto_failure");
  CHECK(code_of(key.wrap(row(Alg::RSA_OAEP), row(Enc::A256GCM))) == "crypto_failure");
  CHECK(code_of(key.content_key(row(Enc::A256GCM))) == "crypto_failure");
  CHECK(code_of(key.public_jwk()) == "crypto_failure");
}

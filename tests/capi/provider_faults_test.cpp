// SPDX-License-Identifier: Apache-2.0
// Key providers of a program's own that err, lie or break: nothing of it opens a key, overruns a
// buffer, or tells the sender of a token what he must not know.
#include <limits>

#include "vault.hpp"

namespace {

using Call = Vault::Call;

constexpr std::size_t huge = std::numeric_limits<std::size_t>::max();

/// A vault whose tokens were made while it was sound.
struct Rig {
  Vault vault;
  const jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table);
  const std::string wrapped = encrypt(ctx, "content", encrypt_to("vault::rsa"));
  const std::string stays = encrypt(ctx, "content", encrypt_to("vault::stays"));
  const std::string direct = encrypt(ctx, "content", encrypt_to("vault::aes", "dir"));
};

/// What a caller sees of a decryption: all of it.
struct Seen {
  jwekms_status status;
  std::string text;
  std::size_t size;
  bool operator==(const Seen&) const = default;
};
Seen see(const Ctx& ctx, const std::string& token) {
  std::array<std::uint8_t, 100> out;
  out.fill(0xAA);
  std::size_t size = out.size();
  jwekms_error error = JWEKMS_ERROR_INIT;
  const jwekms_status status =
      jwekms_decrypt(ctx.get(), token.data(), token.size(), nullptr, out.data(), &size, &error);
  if (status != JWEKMS_OK) CHECK(support::all_zero(out));
  return {status, error.text, size};
}

const jwekms_status unknown_statuses[] = {-1, 12, 4711, INT32_MAX, INT32_MIN};
/// What callbacks may say, and what none may.
const std::pair<jwekms_status, jwekms_status> told_as[] = {
    {JWEKMS_NOT_FOUND, JWEKMS_NOT_FOUND},
    {JWEKMS_FORBIDDEN, JWEKMS_FORBIDDEN},
    {JWEKMS_UNSUPPORTED_ALGORITHM, JWEKMS_UNSUPPORTED_ALGORITHM},
    {JWEKMS_UNAVAILABLE, JWEKMS_UNAVAILABLE},
    {JWEKMS_CONFLICT, JWEKMS_INTERNAL_ERROR},
    {JWEKMS_INTERNAL_ERROR, JWEKMS_INTERNAL_ERROR}};
const jwekms_status of_tokens[] = {JWEKMS_DECRYPTION_FAILED, JWEKMS_BAD_REQUEST, JWEKMS_TOO_LARGE,
                                   JWEKMS_CRYPTO_FAILURE, JWEKMS_BUFFER_TOO_SMALL};

}  // namespace

TEST_CASE("why a CEK did not unwrap is not told", "[capi][provider][threat]") {
  Rig rig;
  REQUIRE(see(rig.ctx, rig.wrapped).status == JWEKMS_OK);
  // What a wrong tag looks like.
  std::string tampered = rig.wrapped;
  tampered = support::with_other_letter(tampered, tampered.size() - 10);
  const Seen wrong = see(rig.ctx, tampered);
  CHECK(wrong.status == JWEKMS_DECRYPTION_FAILED);

  std::string bad_padding = rig.wrapped;
  bad_padding = support::with_other_letter(bad_padding, bad_padding.find('.') + 10);
  CHECK(see(rig.ctx, bad_padding) == wrong);
  for (const jwekms_status status : of_tokens) {
    INFO(status);
    rig.vault.answers = {{Call::unwrap, status}};
    CHECK(see(rig.ctx, rig.wrapped) == wrong);
    // The callback wrote the right CEK all the same: it is not to be used.
    CHECK(see(rig.ctx, tampered) == wrong);
  }
  rig.vault.answers.clear();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{16}, std::size_t{31}, std::size_t{33}, std::size_t{64},
        std::size_t{2048}, std::size_t{2049}, (std::size_t{1} << 32) + 32, huge}) {
    INFO(size);
    rig.vault.on_size = [=](std::size_t& said) { said = size; };
    CHECK(see(rig.ctx, rig.wrapped) == wrong);
  }
  CHECK(rig.vault.all_released());
}

TEST_CASE("what each callback may say, and what is made of the rest", "[capi][provider]") {
  Rig rig;
  const auto check = [&](Call call, jwekms_status said, jwekms_status told) {
    rig.vault.answers = {{call, said}};
    INFO("call " << static_cast<int>(call) << " says " << said);
    std::array<char, 20000> jwk;
    std::size_t size = jwk.size();
    switch (call) {
      case Call::resolve:
      case Call::unwrap: CHECK(see(rig.ctx, rig.wrapped).status == told); break;
      case Call::decrypt:
        CHECK(see(rig.ctx, rig.stays).status == told);
        CHECK(see(rig.ctx, rig.direct).status == told);
        break;
      case Call::wrap:
        CHECK(try_encrypt(rig.ctx.get(), "x", "vault::rsa").status == told);
        CHECK(try_encrypt(rig.ctx.get(), "x", "vault::stays").status == told);
        break;
      case Call::encrypt:
        CHECK(try_encrypt(rig.ctx.get(), "x", "vault::aes", "dir").status == told);
        CHECK(try_encrypt(rig.ctx.get(), "x", "vault::stays").status == told);
        break;
      case Call::public_jwk:
        CHECK(jwekms_public_jwk(rig.ctx.get(), "vault::rsa", 10, jwk.data(), &size, nullptr) ==
              told);
        break;
      case Call::release:
      case Call::after_fork: break;
    }
  };
  const Call all[] = {Call::resolve, Call::unwrap,  Call::decrypt,
                      Call::wrap,    Call::encrypt, Call::public_jwk};
  for (const Call call : all) {
    for (const auto& [said, told] : told_as) check(call, said, told);
    for (const jwekms_status said : unknown_statuses) check(call, said, JWEKMS_INTERNAL_ERROR);
    const bool reads_token = call == Call::unwrap || call == Call::decrypt;
    for (const jwekms_status said : of_tokens)
      check(call, said, reads_token ? JWEKMS_DECRYPTION_FAILED : JWEKMS_INTERNAL_ERROR);
  }
  CHECK(rig.vault.all_released());
}

TEST_CASE("a key that contradicts itself is damaged", "[capi][provider][threat]") {
  Rig rig;
  using Key = jwekms_provided_key;
  const auto uid = [](std::string_view text) {
    return [=](Key& key) {
      text.copy(key.uid, sizeof key.uid);
      key.uid_len = text.size();
    };
  };
  const auto algs = [](std::string_view text) {
    return [=](Key& key) {
      text.copy(key.algs, sizeof key.algs);
      key.algs_len = text.size();
    };
  };
  const auto enc = [](std::string_view text, std::int32_t type) {
    return [=](Key& key) {
      key.type = type;
      key.bits = type == JWEKMS_KEY_TYPE_OCT ? 256 : 2048;
      text.copy(key.enc, sizeof key.enc);
      key.enc_len = text.size();
    };
  };
  using namespace std::string_view_literals;
  const std::pair<const char*, std::function<void(Key&)>> faults[] = {
      {"no type", [](Key& key) { key.type = 0; }},
      {"type 3", [](Key& key) { key.type = 3; }},
      {"type -1", [](Key& key) { key.type = -1; }},
      {"no bits", [](Key& key) { key.bits = 0; }},
      {"1023 bits", [](Key& key) { key.bits = 1023; }},
      {"16385 bits", [](Key& key) { key.bits = 16385; }},
      {"4294967295 bits", [](Key& key) { key.bits = UINT32_MAX; }},
      {"255 bits",
       [](Key& key) {
         key.type = JWEKMS_KEY_TYPE_OCT;
         key.bits = 255;
       }},
      {"384 bits",
       [](Key& key) {
         key.type = JWEKMS_KEY_TYPE_OCT;
         key.bits = 384;
       }},
      {"2048 bits",
       [](Key& key) {
         key.type = JWEKMS_KEY_TYPE_OCT;
         key.bits = 2048;
       }},
      {"state 5", [](Key& key) { key.state = 5; }},
      {"state -1", [](Key& key) { key.state = -1; }},
      {"flag 8", [](Key& key) { key.flags = 8; }},
      {"flag 2^31", [](Key& key) { key.flags = 0x80000000; }},
      {"reserved", [](Key& key) { key.reserved = 1; }},
      {"made before 1970", [](Key& key) { key.created_at = -1; }},
      {"made in milliseconds", [](Key& key) { key.created_at = 1'700'000'000'000; }},
      {"UID of another provider", uid("rsa")},
      {"UID of an HSM", uid("hsm::softhsm2::0::rsa")},
      {"UID with NUL", uid("vault::r\0sa"sv)},
      {"UID of 257 bytes", [](Key& key) { key.uid_len = 257; }},
      {"UID of all bytes", [](Key& key) { key.uid_len = huge; }},
      {"unknown alg", algs("RSA-OAEP-257")},
      {"alg of the other type", algs("RSA-OAEP dir")},
      {"alg that is never", algs("RSA1_5")},
      {"alg with NUL", algs("RSA-OAEP\0"sv)},
      {"algs of spaces", algs("   ")},
      {"algs of 513 bytes", [](Key& key) { key.algs_len = 513; }},
      {"algs of all bytes", [](Key& key) { key.algs_len = huge; }},
      {"enc of an RSA key", enc("A256GCM", JWEKMS_KEY_TYPE_RSA)},
      {"unknown enc", enc("A256CTR", JWEKMS_KEY_TYPE_OCT)},
      {"enc of another size", enc("A128GCM", JWEKMS_KEY_TYPE_OCT)},
      {"enc of 33 bytes",
       [](Key& key) {
         key.type = JWEKMS_KEY_TYPE_OCT;
         key.bits = 256;
         key.enc_len = 33;
       }},
      {"enc of all bytes",
       [](Key& key) {
         key.type = JWEKMS_KEY_TYPE_OCT;
         key.bits = 256;
         key.enc_len = huge;
       }},
  };
  for (const auto& [name, fault] : faults) {
    INFO(name);
    rig.vault.on_resolve = fault;
    CHECK(see(rig.ctx, rig.wrapped).status == JWEKMS_INTERNAL_ERROR);
    CHECK(try_encrypt(rig.ctx.get(), "x", "vault::rsa").status == JWEKMS_INTERNAL_ERROR);
    CHECK(rig.vault.all_released());
  }
  // The fullest that is right.
  rig.vault.on_resolve = [](Key& key) {
    const std::string longest = "vault::" + std::string(249, 'u');
    longest.copy(key.uid, sizeof key.uid);
    key.uid_len = longest.size();
  };
  CHECK(see(rig.ctx, rig.wrapped).status == JWEKMS_OK);
}

TEST_CASE("sizes that a provider cannot have meant", "[capi][provider][threat]") {
  Rig rig;
  const auto said = [&](std::size_t size) {
    rig.vault.on_size = [=](std::size_t& all) { all = size; };
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{257},
                                 std::size_t{2048}, std::size_t{2049}, huge}) {
    INFO(size);
    said(size);
    CHECK(try_encrypt(rig.ctx.get(), "x", "vault::rsa").status == JWEKMS_INTERNAL_ERROR);
    CHECK(try_encrypt(rig.ctx.get(), "x", "vault::stays").status == JWEKMS_INTERNAL_ERROR);
    CHECK(see(rig.ctx, rig.stays).status == JWEKMS_INTERNAL_ERROR);
    CHECK(see(rig.ctx, rig.direct).status == JWEKMS_INTERNAL_ERROR);
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{16384}, std::size_t{16385}, huge}) {
    INFO(size);
    said(size);
    std::array<char, 20000> out;
    std::size_t room = out.size();
    CHECK(jwekms_public_jwk(rig.ctx.get(), "vault::rsa", 10, out.data(), &room, nullptr) ==
          JWEKMS_INTERNAL_ERROR);
  }
  CHECK(rig.vault.all_released());
}

TEST_CASE("a callback that says it is done and has done nothing", "[capi][provider][threat]") {
  Rig rig;
  const std::string empty = encrypt(rig.ctx, "", encrypt_to("vault::aes", "dir"));
  jwekms_provider idle = rig.table;
  idle.unwrap = [](auto...) { return jwekms_status{JWEKMS_OK}; };
  idle.decrypt = [](auto...) { return jwekms_status{JWEKMS_OK}; };
  idle.wrap = [](auto...) { return jwekms_status{JWEKMS_OK}; };
  idle.encrypt = [](auto...) { return jwekms_status{JWEKMS_OK}; };
  const Ctx ctx = open_with(idle);
  // As a failure that a provider forgot to report would have to be.
  CHECK(see(ctx, rig.wrapped).status == JWEKMS_DECRYPTION_FAILED);
  CHECK(see(ctx, rig.stays).status == JWEKMS_INTERNAL_ERROR);
  CHECK(see(ctx, rig.direct).status == JWEKMS_INTERNAL_ERROR);
  // Nobody has looked at the tag.
  CHECK(see(ctx, empty).status == JWEKMS_INTERNAL_ERROR);
  // Else a token of zeros would go out, and the content be lost.
  CHECK(try_encrypt(ctx.get(), "x", "vault::aes", "dir").status == JWEKMS_INTERNAL_ERROR);
  CHECK(try_encrypt(ctx.get(), "", "vault::aes", "dir").status == JWEKMS_INTERNAL_ERROR);
  CHECK(try_encrypt(ctx.get(), "x", "vault::rsa").status == JWEKMS_INTERNAL_ERROR);
  idle.wrap = rig.table.wrap;
  const Ctx wraps = open_with(idle);
  CHECK(try_encrypt(wraps.get(), "x", "vault::stays").status == JWEKMS_INTERNAL_ERROR);
  CHECK(rig.vault.all_released());
}

TEST_CASE("a JWK that is not the key's public half goes nowhere", "[capi][provider][threat]") {
  Rig rig;
  jwekms_provider wraps_here = rig.table;
  wraps_here.wrap = nullptr;
  const Ctx ctx = open_with(wraps_here);
  const auto numbers = support::rsa_key()->public_numbers().value();
  const std::string n = support::b64(numbers.n), e = support::b64(numbers.e);
  const auto rsa = [&](const std::string& n_b64, const std::string& e_b64,
                       const std::string& more = "") {
    return R"({"kty":"RSA","n":")" + n_b64 + R"(","e":")" + e_b64 + '"' + more + "}";
  };
  const std::string jwks[] = {
      "",
      "null",
      "[]",
      "{}",
      "not JSON",
      std::string(16384, '['),
      R"({"kty":"RSA"})",
      R"({"kty":"oct","k":"AAAA"})",
      R"({"kty":"EC","n":")" + n + R"(","e":"AQAB"})",
      rsa(n, ""),
      rsa("", e),
      rsa(n + "=", e),
      rsa(n, e, R"(,"n":"AQAB")"),
      rsa(n, "AA"),
      rsa(n.substr(4), e),          // other bits than it said
      rsa(n, e, R"(,"d":"AAAA")"),  // a private key
      rsa(n, e, R"(,"\u0064":"AAAA")"),
      rsa(n, e, R"(,"q":"AAAA")"),  // disguised, or in part
      rsa(n, e, R"(,"dp":1)"),
  };
  for (const std::string& jwk : jwks) {
    INFO(jwk.substr(0, 60) << " ... " << jwk.substr(jwk.size() < 20 ? 0 : jwk.size() - 20));
    rig.vault.on_jwk = [&](const std::string&) { return jwk; };
    std::array<char, 20000> out;
    std::size_t room = out.size();
    CHECK(jwekms_public_jwk(ctx.get(), "vault::rsa", 10, out.data(), &room, nullptr) ==
          JWEKMS_INTERNAL_ERROR);
    CHECK(room == 0);
    CHECK(try_encrypt(ctx.get(), "x", "vault::rsa").status == JWEKMS_INTERNAL_ERROR);
  }
  rig.vault.on_jwk = [&](const std::string&) { return rsa(n, e, R"(,"x5c":[],"kid":"other")"); };
  CHECK(try_encrypt(ctx.get(), "x", "vault::rsa").status == JWEKMS_OK);
  CHECK(rig.vault.all_released());
}

TEST_CASE("tables that cannot be taken", "[capi][provider]") {
  const TemporaryFolder folder;
  Vault vault;
  const jwekms_provider good = vault.table();
  const auto refused = [&](auto change) {
    jwekms_provider table = good;
    change(table);
    Ctx ctx;
    const jwekms_status status = try_open({&table}, ctx);
    CHECK((ctx == nullptr) == (status != JWEKMS_OK));
    return status == JWEKMS_BAD_REQUEST;
  };
  using Table = jwekms_provider;
  const auto prefix = [&](std::string_view text) {
    return refused([=](Table& table) {
      table.prefix = text.data();
      table.prefix_len = text.size();
    });
  };
  using namespace std::string_view_literals;
  CHECK(refused([](Table& table) { table.struct_size = 0; }));
  CHECK(refused([](Table& table) { table.struct_size = sizeof table - 8; }));
  CHECK(refused([](Table& table) { table.struct_size = 5000; }));
  CHECK(refused([](Table& table) { table.flags = 1; }));
  CHECK(refused([](Table& table) { table.resolve = nullptr; }));
  CHECK(refused([](Table& table) { table.prefix = nullptr; }));
  CHECK(refused([](Table& table) { table.admin_count = 1; }));
  for (const std::string_view text : {"h"sv, "hsm"sv, "hsm::"sv, "hsm::softhsm2::"sv, "v\0"sv})
    CHECK(prefix(text));
  CHECK(prefix(std::string(256, 'v')));
  CHECK(!prefix(std::string(255, 'v')));
  CHECK(!prefix("hsms::"));
  const char* const nobody = "";
  const std::size_t none = 0;
  CHECK(refused([&](Table& table) {
    table.admins = &nobody;
    table.admin_lens = &none;
    table.admin_count = 1;
  }));

  // A newer caller's table, whose last callback this library would not call.
  struct Newer {
    jwekms_provider table;
    void (*news)();
  } newer{good, nullptr};
  newer.table.struct_size = sizeof newer;
  Ctx ctx;
  CHECK(try_open({&newer.table}, ctx) == JWEKMS_OK);
  newer.news = [] {};
  CHECK(try_open({&newer.table}, ctx) == JWEKMS_BAD_REQUEST);

  CHECK(try_open({nullptr}, ctx) == JWEKMS_BAD_REQUEST);
  CHECK(try_open({&good, &good}, ctx) == JWEKMS_BAD_REQUEST);
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  options.provider_count = 1;
  jwekms_ctx* opened = nullptr;
  CHECK(jwekms_open(&options, &opened, nullptr) == JWEKMS_BAD_REQUEST);
}

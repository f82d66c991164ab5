// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <sstream>

#include "world.hpp"

/// Operation x role x path: what is to be expected, written out, and the way to try it.
namespace gate {

/// A kind of place where keys live, with a key pair and a symmetric key that roles() were granted.
class Place {
 public:
  explicit Place(const Kms& host_kms) : host(host_kms) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  virtual ~Place() = default;

  const Kms& host;
  std::string rsa{}, oct{};  ///< UIDs.

  /// Makes new keys, and grants them.
  void renew() {
    rsa = new_uid();
    oct = new_uid();
    make_keys();
    grant_to_all(host, rsa);
    grant_to_all(host, oct);
  }
  [[nodiscard]] std::string new_uid() { return prefix() + "k" + std::to_string(++count_); }
  /// A sound token for the key pair, by whatever name.
  [[nodiscard]] virtual std::string token(const std::string& kid) const {
    return seal_for(*rsa_key(), header(kid), Alg::RSA_OAEP, bytes("content")).compact();
  }
  /// One for the symmetric key.
  [[nodiscard]] virtual std::string dir_token() const {
    const std::string dir = R"({"alg":"dir","enc":"A256GCM","kid":")" + oct + R"("})";
    return seal_token(dir, pattern(32), bytes("content")).compact();
  }
  /// What Kms::list_keys takes.
  [[nodiscard]] virtual std::string listing() const = 0;
  /// A name of the key pair that could be taken away.
  [[nodiscard]] virtual std::string alias() { return rsa; }
  /// What a refused call must leave as it is.
  [[nodiscard]] virtual std::string state() const = 0;

 protected:
  [[nodiscard]] static std::string header(const std::string& kid) {
    return R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":")" + kid + R"("})";
  }
  [[nodiscard]] virtual std::string prefix() const = 0;
  virtual void make_keys() = 0;

 private:
  int count_ = 0;
};

/// One thing to try.
struct Try {
  const Kms& kms;  ///< Of the role.
  Place& place;
  std::string own;  ///< A key pair of the role's own, in the database.
};

inline std::string content_or_code(const Decrypted& decrypted) {
  return decrypted.text() == "content" ? "ok" : decrypted.text();
}

struct Operation {
  std::function<std::string_view(Try&)> run;
  bool consumes = false;  ///< When it succeeds the keys are no more what they were.
};

/// By name, which begins with that of the member of Kms.
inline const std::map<std::string, Operation>& operations() {
  static const auto code = [](std::string text) -> std::string_view {
    static std::set<std::string> kept;
    return *kept.insert(std::move(text)).first;
  };
  static const auto to_rsa = [](const std::string& key) {
    return EncryptOptions{.key = key, .alg = Alg::RSA_OAEP};
  };
  static const std::map<std::string, Operation> all{
      {"decrypt",
       {[](Try& t) { return code(content_or_code(decrypt(t.kms, t.place.token(t.place.rsa)))); }}},
      {"decrypt dir",
       {[](Try& t) { return code(content_or_code(decrypt(t.kms, t.place.dir_token()))); }}},
      {"decrypt by name", {[](Try& t) {
         return code(
             content_or_code(decrypt(t.kms, t.place.token("an issuer's"), {.key = t.place.rsa})));
       }}},
      {"decrypt by alias", {[](Try& t) {
         return code(content_or_code(decrypt(t.kms, t.place.token(t.place.alias()))));
       }}},
      {"decrypt by the public half", {[](Try& t) {
         return code(content_or_code(decrypt(t.kms, t.place.token(t.place.rsa + "_pk"))));
       }}},
      {"encrypt", {[](Try& t) { return code_of(encrypt(t.kms, {}, to_rsa(t.place.rsa))); }}},
      {"encrypt dir",
       {[](Try& t) { return code_of(encrypt(t.kms, {}, {.key = t.place.oct, .alg = Alg::dir})); }}},
      {"encrypt by the public half", {[](Try& t) {
         const std::string half = t.place.rsa + "_pk";
         return code_of(encrypt(t.kms, {}, to_rsa(half)));
       }}},
      {"reencrypt from", {[](Try& t) {
         return code_of(reencrypt(t.kms, t.place.token(t.place.rsa), {}, to_rsa(t.own)));
       }}},
      {"reencrypt to", {[](Try& t) {
         const auto token = encrypt(t.place.host, {}, to_rsa(t.own));
         return code_of(reencrypt(t.kms, token.value(), {}, to_rsa(t.place.rsa)));
       }}},
      {"unwrap_key",
       {[](Try& t) { return code_of(t.kms.unwrap_key(t.place.token(t.place.rsa))); }}},
      {"unwrap_key into the HSM", {[](Try& t) {
         return code_of(t.kms.unwrap_key(t.place.token(t.place.rsa), {.store_in_hsm = true}));
       }}},
      {"unwrap_key for another", {[](Try& t) {
         return code_of(t.kms.unwrap_key(t.place.token(t.place.rsa), {.owner = "zoe"}));
       }}},
      {"create_key", {[](Try& t) {
         return code_of(t.kms.create_key({.uid = t.place.new_uid(), .type = KeyType::oct}));
       }}},
      {"create_key for another", {[](Try& t) {
         return code_of(
             t.kms.create_key({.uid = t.place.new_uid(), .type = KeyType::oct, .owner = "zoe"}));
       }}},
      {"import_key", {[](Try& t) {
         const Bytes raw = pattern(32);
         return code_of(
             t.kms.import_key({.format = KeyFormat::raw, .data = raw, .uid = t.place.new_uid()}));
       }}},
      {"import_key for another", {[](Try& t) {
         const Bytes raw = pattern(32);
         return code_of(t.kms.import_key(
             {.format = KeyFormat::raw, .data = raw, .uid = t.place.new_uid(), .owner = "zoe"}));
       }}},
      {"describe_key", {[](Try& t) { return code_of(t.kms.describe_key(t.place.rsa)); }}},
      {"list_keys",  // here "forbidden" is to be left out
       {[](Try& t) {
         const auto page = t.kms.list_keys({.limit = 1000}, t.place.listing());
         if (!page) return code_of(page);
         const bool there = std::ranges::any_of(
             page->keys, [&](const KeyInfo& info) { return info.uid == t.place.rsa; });
         return code(there ? "ok" : "forbidden");
       }}},
      {"public_jwk", {[](Try& t) { return code_of(t.kms.public_jwk(t.place.rsa)); }}},
      {"public_jwk of a symmetric key",
       {[](Try& t) { return code_of(t.kms.public_jwk(t.place.oct)); }}},
      {"public_jwks", {[](Try& t) {
         const auto set = t.kms.public_jwks();
         if (!set) return code_of(set);
         return code(set->find('"' + t.place.rsa + '"') != std::string::npos ? "ok" : "left out");
       }}},
      {"add_alias",
       {[](Try& t) { return code_of(t.kms.add_alias(t.place.rsa, t.place.new_uid() + " alias")); },
        true}},
      {"remove_alias", {[](Try& t) { return code_of(t.kms.remove_alias(t.place.alias())); }, true}},
      {"set_key_state",
       {[](Try& t) { return code_of(t.kms.set_key_state(t.place.rsa, KeyState::deactivated)); },
        true}},
      {"set_key_state destroyed",
       {[](Try& t) { return code_of(t.kms.set_key_state(t.place.rsa, KeyState::destroyed)); },
        true}},
      {"grant",
       {[](Try& t) { return code_of(t.kms.grant(t.place.rsa, "zoe", {Permission::grant})); },
        true}},
      {"grant more than one has",
       {[](Try& t) {
          return code_of(t.kms.grant(t.place.rsa, "zoe", {Permission::grant, Permission::decrypt}));
        },
        true}},
      {"revoke", {[](Try& t) { return code_of(t.kms.revoke(t.place.rsa, "dora")); }, true}},
      {"grants", {[](Try& t) { return code_of(t.kms.grants(t.place.rsa)); }}},
      {"on_behalf_of", {[](Try& t) { return code_of(t.kms.on_behalf_of("zoe")); }}}};
  return all;
}

struct Row {
  const char* operation;
  const char* host;  ///< What the host gets.
  /// What everybody else gets, in the order of roles(): "+" what the host gets, "-" forbidden.
  const char* others;
};

// clang-format off
/// Keys in the database, which olga owns.
inline constexpr Row database_table[]{
//                                      owner  hsm a. nobody decrypt unwrap manage
//                                        admin  oth. revoked encrypt describe grant
    {"decrypt",                    "ok", "+ +    - -    - -    + -    - -    - -"},
    {"decrypt dir",                "ok", "+ +    - -    - -    + -    - -    - -"},
    {"decrypt by name",            "ok", "+ +    - -    - -    + -    - -    - -"},
    {"decrypt by alias",           "ok", "+ +    - -    - -    + -    - -    - -"},
    {"decrypt by the public half", "ok", "+ +    - -    - -    + -    - -    - -"},
    {"encrypt",                    "ok", "+ +    - -    - -    - +    - -    - -"},
    {"encrypt dir",                "ok", "+ +    - -    - -    - +    - -    - -"},
    {"encrypt by the public half", "ok", "+ +    - -    - -    - +    - -    - -"},
    {"reencrypt from",             "ok", "+ +    - -    - -    + -    - -    - -"},
    {"reencrypt to",               "ok", "+ +    - -    - -    - +    - -    - -"},
    {"unwrap_key",                 "ok", "+ +    - -    - -    - -    + -    - -"},
    {"unwrap_key for another",     "ok", "- +    - -    - -    - -    - -    - -"},
    {"unwrap_key into the HSM",
                          "bad_request", "+ +    - -    - -    - -    + -    - -"},
    {"create_key",                 "ok", "+ +    + +    + +    + +    + +    + +"},
    {"create_key for another",     "ok", "- +    - -    - -    - -    - -    - -"},
    {"import_key",                 "ok", "+ +    + +    + +    + +    + +    + +"},
    {"import_key for another",     "ok", "- +    - -    - -    - -    - -    - -"},
    {"describe_key",               "ok", "+ +    - -    - -    + +    + +    + +"},
    {"list_keys",                  "ok", "+ +    - -    - -    + +    + +    + +"},
    {"public_jwk",                 "ok", "+ +    + +    + +    + +    + +    + +"},
    {"public_jwk of a symmetric key",
                       "crypto_failure", "+ +    - -    - -    + +    + +    + +"},
    {"public_jwks",                "ok", "+ +    + +    + +    + +    + +    + +"},
    {"add_alias",                  "ok", "+ +    - -    - -    - -    - -    + -"},
    {"remove_alias",               "ok", "+ +    - -    - -    - -    - -    + -"},
    {"set_key_state",              "ok", "+ +    - -    - -    - -    - -    + -"},
    {"set_key_state destroyed",    "ok", "+ +    - -    - -    - -    - -    - -"},
    {"grant",                      "ok", "+ +    - -    - -    - -    - -    - +"},
    {"grant more than one has",    "ok", "+ +    - -    - -    - -    - -    - -"},
    {"revoke",                     "ok", "+ +    - -    - -    - -    - -    - +"},
    {"grants",                     "ok", "+ +    - -    - -    - -    - -    - +"},
    {"on_behalf_of",               "ok", "- -    - -    - -    - -    - -    - -"},
};

/// Keys elsewhere, where nobody owns any and hana is the admin: with providers that do all.
inline constexpr Row hsm_table[]{
//                                      owner  hsm a. nobody decrypt unwrap manage
//                                        admin  oth. revoked encrypt describe grant
    {"decrypt",                    "ok", "- +    + -    - -    + -    - -    - -"},
    {"decrypt dir",                "ok", "- +    + -    - -    + -    - -    - -"},
    {"decrypt by name",            "ok", "- +    + -    - -    + -    - -    - -"},
    {"decrypt by the public half", "ok", "- +    + -    - -    + -    - -    - -"},
    {"encrypt",                    "ok", "- +    + -    - -    - +    - -    - -"},
    {"encrypt dir",                "ok", "- +    + -    - -    - +    - -    - -"},
    {"encrypt by the public half", "ok", "- +    + -    - -    - +    - -    - -"},
    {"reencrypt from",             "ok", "- +    + -    - -    + -    - -    - -"},
    {"reencrypt to",               "ok", "- +    + -    - -    - +    - -    - -"},
    {"unwrap_key",                 "ok", "- +    + -    - -    - -    + -    - -"},
    {"unwrap_key for another",     "ok", "- +    - -    - -    - -    - -    - -"},
    {"create_key",                 "ok", "- +    + -    - -    - -    - -    - -"},
    {"create_key for another",     "ok", "- +    + -    - -    - -    - -    - -"},
    {"import_key",                 "ok", "- +    + -    - -    - -    - -    - -"},
    {"import_key for another",     "ok", "- +    + -    - -    - -    - -    - -"},
    {"describe_key",               "ok", "- +    + -    - -    + +    + +    + +"},
    {"list_keys",                  "ok", "- +    + -    - -    + +    + +    + +"},
    {"public_jwk",                 "ok", "+ +    + +    + +    + +    + +    + +"},
    {"public_jwk of a symmetric key",
                       "crypto_failure", "- +    + -    - -    + +    + +    + +"},
    {"public_jwks",                "ok", "+ +    + +    + +    + +    + +    + +"},
    {"add_alias",                  "ok", "- +    + -    - -    - -    - -    + -"},
    {"remove_alias",               "ok", "- +    + -    - -    - -    - -    + -"},
    {"set_key_state",              "ok", "- +    + -    - -    - -    - -    + -"},
    {"set_key_state destroyed",    "ok", "- +    + -    - -    - -    - -    - -"},
    {"grant",                      "ok", "- +    + -    - -    - -    - -    - +"},
    {"grant more than one has",    "ok", "- +    + -    - -    - -    - -    - -"},
    {"revoke",                     "ok", "- +    + -    - -    - -    - -    - +"},
    {"grants",                     "ok", "- +    + -    - -    - -    - -    - +"},
    {"on_behalf_of",               "ok", "- -    - -    - -    - -    - -    - -"},
};

/// For keys in an HSM alone.
inline constexpr Row into_hsm{
     "unwrap_key into the HSM",    "ok", "- +    + -    - -    - -    - -    - -"};
// clang-format on

/// Tries one row in one place, for everybody.
/// @param host_code  what the host gets; empty: what the row says.
inline void check_row(const Row& row, Place& place, std::string_view host_code = {}) {
  if (host_code.empty()) host_code = row.host;
  const Operation& operation = operations().at(row.operation);
  std::istringstream cells("+ " + std::string(row.others));
  for (const Role& role : roles()) {
    std::string cell;
    REQUIRE(cells >> cell);
    REQUIRE((cell == "+" || cell == "-"));
    const std::string_view expected = cell == "+" ? host_code : "forbidden";
    INFO(row.operation << " by " << role.name << ": " << expected);
    const Acting acting(place.host, role.principal);
    Try attempt{acting.kms(), place, "own of " + std::string(role.name)};
    const std::string before = place.state();
    const std::string got(operation.run(attempt));
    CHECK(got == expected);
    if (got == "forbidden") CHECK(place.state() == before);
    if (got == "ok" && operation.consumes) place.renew();
  }
  std::string more;
  CHECK_FALSE(cells >> more);
}

/// A key pair in the database for everybody, for the other half of a reencryption.
inline void make_own_keys(const Kms& host) {
  for (const Role& role : roles()) {
    const Bytes der = pkcs8(*rsa_key());
    (void)host
        .import_key({.format = KeyFormat::der,
                     .data = der,
                     .uid = "own of " + std::string(role.name),
                     .owner = role.principal})
        .value();
  }
}

}  // namespace gate

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "jwekms/key_uid.hpp"
#include "service/body.hpp"
#include "service/call.hpp"
#include "service/reply.hpp"
#include "service/target.hpp"

namespace jwekms::service {

namespace {

[[nodiscard]] Error bad(const char* text) noexcept { return {Errc::bad_request, 0, text}; }

/// All that anybody may know of a key.
[[nodiscard]] Json describe(const KeyInfo& info) {
  Json key = new_object();
  add_text(key.get(), "kid", info.uid);
  add_text(key.get(), "kty", info.type == KeyType::rsa ? "RSA" : "oct");
  add_number(key.get(), "bits", info.bits);
  std::vector<std::string> names;
  for (const AlgRow& r : alg_table)
    if (info.algs.contains(r.id)) names.emplace_back(r.name);
  add_texts(key.get(), "algs", names);
  if (info.enc) add_text(key.get(), "enc", row(*info.enc).name);
  names.clear();
  if (info.may_encrypt) names.emplace_back("encrypt");
  if (info.may_decrypt) names.emplace_back("decrypt");
  add_texts(key.get(), "key_ops", names);
  add_text(key.get(), "state", name(info.state));
  if (!info.parent.empty()) add_text(key.get(), "parent", info.parent);
  if (!info.owner.empty()) add_text(key.get(), "owner", info.owner);
  if (info.created_at_s != 0)
    add_number(key.get(), "created_at", static_cast<double>(info.created_at_s));
  add_number(key.get(), "version", static_cast<double>(info.version));
  add_texts(key.get(), "aliases", info.aliases);
  return key;
}

/// What a new key's `alg` and `enc` say. A symmetric key's `alg` may name its `enc`, as in a JWK.
struct Serves {
  AlgSet algs;
  std::optional<Enc> enc;
};
[[nodiscard]] Result<Serves> read_serves(const std::string& alg, const std::string& enc) {
  constexpr Error unknown{Errc::unsupported_algorithm, 0, "alg or enc is unknown"};
  Serves serves;
  const EncRow* of_alg = find_enc(alg);
  if (!enc.empty()) {
    const EncRow* found = find_enc(enc);
    if (found == nullptr) return unknown;
    serves.enc = found->id;
  }
  if (of_alg != nullptr) {
    if (serves.enc && *serves.enc != of_alg->id) return bad("alg and enc contradict each other");
    serves.enc = of_alg->id;
  } else if (!alg.empty()) {
    const AlgRow* found = find_alg(alg);
    if (found == nullptr) return unknown;
    serves.algs.insert(found->id);
  }
  return serves;
}

[[nodiscard]] Result<KeyInfo> generate(const Kms& kms, const std::string& kty, std::uint32_t bits,
                                       CreateKey request) {
  if (kty == "oct") {
    request.type = KeyType::oct;
    if (bits != 0 && !request.enc) {
      for (const EncRow& r : enc_table)
        if (r.hash == Hash::none && r.cek_bytes * 8U == bits) request.enc = r.id;
      if (!request.enc) return bad("a symmetric key has 128, 192 or 256 bits");
    }
  } else if (kty != "RSA") {
    return Error{Errc::unsupported_algorithm, 0, "kty must be RSA or oct"};
  }
  request.bits = bits;
  return kms.create_key(request);
}

[[nodiscard]] Result<KeyInfo> import(const Kms& kms, const json::Value& jwk, CreateKey request) {
  const std::string_view text = jwk.text();
  return kms.import_key({.format = KeyFormat::jwk,
                         .data = {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                         .uid = std::move(request.uid),
                         .algs = request.algs,
                         .enc = request.enc,
                         .aliases = std::move(request.aliases)});
}

[[nodiscard]] Result<KeyState> read_state(std::string_view name) {
  for (const KeyState state : {KeyState::active, KeyState::deactivated, KeyState::compromised})
    if (name == jwekms::name(state)) return state;
  if (name == jwekms::name(KeyState::destroyed)) return bad("DELETE destroys a key");
  return bad("unknown key state");
}

}  // namespace

Result<std::string> beside(std::string_view uid, std::string_view label) {
  const Result<KeyUid> read = parse_key_uid(uid);
  if (!read || !read->in_hsm) return bad("a label is for a key that an HSM key unwraps");
  return std::string(uid.substr(0, uid.size() - read->label.size())).append(label);
}

Result<Answer> add_key(Call& call) {
  Body body(call.body, call.kms.policy().limits,
            {"kty", "bits", "alg", "enc", "kid", "aliases", "store_in_hsm", "jwk"});
  const std::string alg = body.text("alg"), enc = body.text("enc"), kty = body.text("kty");
  const std::optional<std::uint32_t> bits = body.number("bits");
  const std::optional<json::Value> jwk = body.object("jwk");
  const std::optional<bool> store_in_hsm = body.boolean("store_in_hsm");
  CreateKey request{.uid = body.text("kid"),
                    .aliases = body.texts("aliases"),
                    .store_in_hsm = store_in_hsm.value_or(false)};
  if (const Result<void> read = body.error(); !read) return read.error();
  if (body.has("kid") && request.uid.empty()) return bad("a kid must not be empty");
  if (request.uid.size() <= max_uid_bytes) call.kid = request.uid;
  if (jwk ? !kty.empty() || bits : kty.empty()) return bad("a key has either kty or jwk");
  if (store_in_hsm == false && request.uid.starts_with("hsm::"))
    return bad("the kid is an HSM key's");
  if (jwk && request.store_in_hsm) return bad("an HSM takes in no key from outside");
  const Result<Serves> serves = read_serves(alg, enc);
  if (!serves) return serves.error();
  request.algs = serves->algs;
  request.enc = serves->enc;

  const Result<KeyInfo> made = jwk ? import(call.kms, *jwk, std::move(request))
                                   : generate(call.kms, kty, bits.value_or(0), std::move(request));
  if (!made) return made.error();
  call.kid = made->uid;
  return Answer{.body = print(describe(*made)), .status = 201};
}

Result<Answer> list_keys(Call& call) {
  const Result<Query> query = Query::read(call.query, {"limit", "after", "prefix"});
  if (!query) return query.error();
  ListKeys request;
  if (const std::string* limit = query->find("limit")) {
    const char* const end = limit->data() + limit->size();
    const auto [stop, error] = std::from_chars(limit->data(), end, request.limit);
    if (stop != end || error != std::errc{}) return bad("limit must be a number");
  }
  if (const std::string* after = query->find("after")) request.after = *after;
  const std::string* prefix = query->find("prefix");
  const Result<KeyPage> page = call.kms.list_keys(request, prefix != nullptr ? *prefix : "");
  if (!page) return page.error();

  const Json answer = new_object();
  cJSON* keys = need(cJSON_AddArrayToObject(answer.get(), "keys"));
  for (const KeyInfo& info : page->keys) add_item(keys, describe(info));
  need(cJSON_AddBoolToObject(answer.get(), "more", page->more));
  return Answer{print(answer)};
}

Result<Answer> describe_key(Call& call) {
  const Result<KeyInfo> info = call.kms.describe_key(call.name);
  if (!info) return info.error();
  const Json answer = describe(*info);
  if (info->type == KeyType::rsa) {
    const Result<std::string> jwk = call.kms.public_jwk(call.name);
    if (!jwk) return jwk.error();
    add_raw(answer.get(), "public_jwk", *jwk);
  }
  return Answer{print(answer)};
}

/// In this order: aliases removed, aliases added, the state. What was done before a failure stays
/// done: an alias is one change, and no provider can take several at once.
Result<Answer> change_key(Call& call) {
  Body body(call.body, call.kms.policy().limits, {"state", "aliases"});
  const std::string state_name = body.text("state");
  const std::optional<json::Value> aliases = body.object("aliases");
  if (const Result<void> read = body.error(); !read) return read.error();
  std::vector<std::string> add, remove;
  if (aliases) {
    Body changes(*aliases, {"add", "remove"});
    add = changes.texts("add");
    remove = changes.texts("remove");
    if (const Result<void> read = changes.error(); !read) return read.error();
  }
  std::optional<KeyState> state;
  if (body.has("state")) {
    const Result<KeyState> named = read_state(state_name);
    if (!named) return named.error();
    state = *named;
  }

  Result<KeyInfo> info = call.kms.describe_key(call.name);
  if (!info) return info.error();
  if (info->uid != call.name) return bad("a key is changed by its own kid, not by an alias");
  for (const std::string& alias : remove) {
    if (std::ranges::find(info->aliases, alias) == info->aliases.end())
      return Error{Errc::not_found, 0, "no such alias of this key"};
    if (const Result<void> done = call.kms.remove_alias(alias); !done) return done.error();
  }
  for (const std::string& alias : add)
    if (const Result<void> done = call.kms.add_alias(info->uid, alias); !done) return done.error();
  info = state ? call.kms.set_key_state(info->uid, *state) : call.kms.describe_key(call.name);
  if (!info) return info.error();
  return Answer{print(describe(*info))};
}

Result<Answer> destroy_key(Call& call) {
  const Result<KeyInfo> info = call.kms.set_key_state(call.name, KeyState::destroyed);
  if (!info) return info.error();
  return Answer{print(describe(*info))};
}

Result<Answer> public_jwks(Call& call) {
  const Result<std::string> jwks = call.kms.public_jwks();
  if (!jwks) return jwks.error();
  return Answer{.body = concat({*jwks}), .content_type = "application/jwk-set+json"};
}

}  // namespace jwekms::service

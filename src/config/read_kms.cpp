// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "config/read_config.hpp"
#include "jwekms/key_uid.hpp"

namespace jwekms::config {

namespace {

constexpr Range milliseconds{1, 86400000};
constexpr Range counts{1, 1000000};
constexpr Range sessions{1, 4096};
constexpr Range unsigned_numbers{0, INT64_MAX};
constexpr std::int64_t four_gib = UINT32_MAX;

void read_grantees(Table& table, std::string_view key, std::vector<std::string>& out) {
  table.texts(key, out);
  for (const std::string& each : out)
    if (!check_grantee(each)) table.problem(key, "expected names of principals, or \"*\"");
}

/// The parallel arrays of a configuration with a slot or two.
void read_slot_arrays(Table& hsm, HsmOptions& out) {
  std::vector<std::int64_t> numbers;
  std::vector<std::string> passwords;
  hsm.integers("hsm_slot", numbers, unsigned_numbers);
  hsm.secrets("hsm_password", passwords);
  if (numbers.size() != passwords.size())
    return hsm.problem("hsm_password", "expected one password for each hsm_slot");
  for (std::size_t i = 0; i < numbers.size(); ++i)
    out.slots.push_back(
        {.number = static_cast<std::uint64_t>(numbers[i]), .pin = std::move(passwords[i])});
}

void read_slot(Table& slot, HsmOptions& out) {
  HsmSlot found;
  slot.require("number", "the slot's number in key UIDs");
  slot.integer("number", found.number, unsigned_numbers);
  slot.text("token_label", found.token_label);
  slot.text("token_serial", found.token_serial);
  if (slot.has("slot_id")) found.slot_id.emplace();
  std::uint64_t slot_id = 0;
  slot.integer("slot_id", slot_id, unsigned_numbers);
  if (found.slot_id) found.slot_id = slot_id;
  slot.secret("password", found.pin);
  slot.choice("login", found.login, {{"user", HsmLogin::user}, {"none", HsmLogin::none}});
  if (found.login == HsmLogin::user) slot.require("password", "a PIN, or login = \"none\"");
  out.slots.push_back(std::move(found));
}

void check_numbers(Table& hsm, std::string_view key, const HsmOptions& read) {
  std::set<std::uint64_t> seen;
  for (const HsmSlot& slot : read.slots)
    if (!seen.insert(slot.number).second) return hsm.problem(key, "two slots have one number");
}

void read_model(Table& hsm, std::string& out) {
  std::string words;
  for (std::string_view word : hsm_models)
    words.append(words.empty() ? "" : ", ").append("\"").append(word).append("\"");
  hsm.require("hsm_model", "one of " + words);
  hsm.text("hsm_model", out);
  if (hsm.has("hsm_model") && std::ranges::find(hsm_models, out) == hsm_models.end())
    hsm.problem("hsm_model", "expected one of " + words);
}

void read_hsm(Table& hsm, HsmOptions& out) {
  read_model(hsm, out.model);
  read_grantees(hsm, "hsm_admin", out.admins);
  read_slot_arrays(hsm, out);
  const bool arrays = hsm.has("hsm_slot") || hsm.has("hsm_password");
  const bool both = arrays && hsm.has("slots");
  if (both) hsm.problem("slots", "expected either slots or hsm_slot with hsm_password");
  hsm.sections("slots", [&](Table& slot) { read_slot(slot, out); });
  if (!arrays) hsm.require("slots", "slots, or hsm_slot with hsm_password");
  if (!both) check_numbers(hsm, arrays ? "hsm_slot" : "slots", out);
  hsm.path("module_path", out.module_path);
  hsm.text("init_args", out.init_args);
  hsm.choice("cek_boundary", out.cek_boundary,
             {{"process", CekBoundary::process}, {"hsm", CekBoundary::hsm}});
  hsm.integer("max_sessions", out.max_sessions, sessions);
  hsm.duration("session_timeout_ms", out.session_timeout, milliseconds);
  bool fallback = false;
  hsm.boolean("raw_rsa_fallback", fallback);
  if (hsm.has("raw_rsa_fallback")) out.raw_rsa_fallback = fallback;
  hsm.boolean("forbid_weak_keys", out.forbid_weak_keys);
}

void read_pool(Table& pool, HsmPool& out) {
  pool.require("slots", "two or more of hsm::<model>::<slot>");
  pool.texts("slots", out.slots);
  if (pool.has("slots") && out.slots.size() < 2)
    pool.problem("slots", "expected two or more of hsm::<model>::<slot>");
}

void read_database_type(Table& db) {
  std::string type = "sqlite";
  db.text("database_type", type);
  if (type == "postgresql")
    db.problem("database_type", "PostgreSQL is not in this version: expected \"sqlite\"");
  else if (type != "sqlite")
    db.problem("database_type", "expected \"sqlite\"");
  std::string url;
  db.text("database_url", url);
  if (db.has("database_url") && type == "sqlite")
    db.problem("database_url", "is for a database server; \"sqlite\" takes sqlite_path");
}

void read_database(Table& db, DatabaseOptions& out) {
  read_database_type(db);
  db.require("sqlite_path", "the file of the database");
  db.path("sqlite_path", out.path);
  out.make_folders = true;
  if (db.has("sqlite_path") && out.path.empty())
    db.problem("sqlite_path", "expected the file of the database");
  db.path("kek_path", out.kek_path);
  db.text("key_encryption_key", out.key_encryption_key);
  if (!out.kek_path.empty() && !out.key_encryption_key.empty())
    db.problem("key_encryption_key", "expected either kek_path or key_encryption_key");
  const Result<KeyUid> kek = parse_key_uid(out.key_encryption_key);
  if (!out.key_encryption_key.empty() && !(kek && kek->in_hsm))
    db.problem("key_encryption_key", "expected a key in an HSM, hsm::<model>::<slot>::<label>");
  db.duration("cache_ttl_ms", out.cache_ttl, {0, milliseconds.most});
  db.integer("cache_entries", out.cache_entries, {0, counts.most});
  db.duration("busy_timeout_ms", out.busy_timeout, {0, milliseconds.most});
}

/// A list of names of an algorithm table.
template <class Row, std::size_t Size, class Set>
void read_algorithms(Table& policy, std::string_view key, const std::array<Row, Size>& rows,
                     Set& out) {
  std::vector<std::string> names;
  policy.texts(key, names);
  if (!policy.has(key)) return;
  out = {};
  for (const std::string& name : names) {
    const auto found = std::ranges::find(rows, name, &Row::name);
    if (found != rows.end() && found->support == Support::implemented) {
      out.insert(found->id);
      continue;
    }
    std::string words;
    for (const Row& each : rows)
      if (each.support == Support::implemented)
        words.append(words.empty() ? "" : ", ").append(each.name);
    policy.problem(key, "expected names of what is implemented: " + words);
  }
}

void read_policy_limits(Table& limits, Limits& out) {
  limits.integer("max_token_bytes", out.max_token_bytes, {1, four_gib});
  limits.integer("max_header_bytes", out.max_header_bytes,
                 {1, static_cast<std::int64_t>(max_header_bytes)});
  limits.integer("max_recipients", out.max_recipients, counts);
  limits.integer("max_inflated_bytes", out.max_inflated_bytes, {1, four_gib});
  limits.integer("max_inflated_ratio", out.max_inflated_ratio, counts);
}

void read_policy(Table& policy, Policy& out) {
  read_algorithms(policy, "algs", alg_table, out.algs);
  read_algorithms(policy, "encs", enc_table, out.encs);
  policy.integer("rsa_min_bits", out.rsa_min_bits, {1024, 16384});
  policy.boolean("require_kid", out.require_kid);
  policy.boolean("require_protected", out.require_protected);
  policy.boolean("allow_zip", out.allow_zip);
  policy.boolean("allow_compromised", out.allow_compromised);
  policy.section("limits", [&](Table& limits) { read_policy_limits(limits, out.limits); });
}

}  // namespace

void read_kms(Table& root, Options& out) {
  read_grantees(root, "admins", out.admins);
  root.sections("hsm_instances", [&](Table& hsm) { read_hsm(hsm, out.hsms.emplace_back()); });
  root.sections("hsm_pools", [&](Table& pool) { read_pool(pool, out.hsm_pools.emplace_back()); });
  root.section("db", [&](Table& db) { read_database(db, out.database); });
  root.section("policy", [&](Table& policy) { read_policy(policy, out.policy); });
  root.section("openssl", [&](Table& openssl) {
    openssl.text("properties", out.openssl_properties);
    openssl.path("config", out.openssl_config);
  });
}

}  // namespace jwekms::config

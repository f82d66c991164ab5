// SPDX-License-Identifier: Apache-2.0
#include "convert.hpp"

#include <algorithm>
#include <chrono>

#include "entry.hpp"
#include "struct_size.hpp"

namespace jwekms::capi {
namespace {

[[noreturn]] void unknown_algorithm(std::size_t position) {
  throw BadResult(Error{Errc::unsupported_algorithm, static_cast<std::uint32_t>(position),
                        "the name of an algorithm is unknown"});
}

Alg alg(std::string_view name, std::size_t position) {
  const AlgRow* row = find_alg(name);
  if (row == nullptr) unknown_algorithm(position);
  return row->id;
}

Enc enc(std::string_view name, std::size_t position) {
  const EncRow* row = find_enc(name);
  if (row == nullptr) unknown_algorithm(position);
  return row->id;
}

/// The set of a list of names that is separated by spaces.
/// @param id_of  `Id(name, position)`.
template <class Set, class IdOf>
Set name_set(std::string_view list, IdOf id_of) {
  Set set;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(' ', begin), list.size());
    if (end > begin) set.insert(id_of(list.substr(begin, end - begin), begin));
    begin = end + 1;
  }
  if (!list.empty() && set.empty()) bad_argument("a list of names without a name");
  return set;
}

constexpr std::size_t size_of_all_alg_names = [] {
  std::size_t size = 0;
  for (const AlgRow& row : alg_table) size += row.name.size() + 1;
  return size;
}();

std::optional<Enc> optional_enc(const char* name, std::size_t size) {
  if (size == 0) return std::nullopt;
  return enc(text(name, size), 0);
}

template <class CallersStruct>
std::vector<std::string> aliases(const CallersStruct& o) {
  return texts(o.aliases, o.alias_lens, o.alias_count);
}

AuditSink audit_sink(jwekms_audit_callback call, void* data) {
  return [call, data](const AuditEvent& from) {
    const jwekms_audit_event event{sizeof(jwekms_audit_event),
                                   from.error ? static_cast<jwekms_status>(*from.error) : JWEKMS_OK,
                                   static_cast<std::uint64_t>(from.time.count()),
                                   from.principal.data(),
                                   from.principal.size(),
                                   from.operation.data(),
                                   from.operation.size(),
                                   from.kid.data(),
                                   from.kid.size(),
                                   from.uid.data(),
                                   from.uid.size(),
                                   from.other.data(),
                                   from.other.size(),
                                   from.permissions.bits(),
                                   0};
    call(data, &event);
  };
}

Policy policy(const jwekms_open_options& o) {
  require_known(o.policy_flags, JWEKMS_ALLOW_MISSING_KID | JWEKMS_ALLOW_UNPROTECTED |
                                    JWEKMS_ALLOW_ZIP | JWEKMS_ALLOW_COMPROMISED);
  const auto allows = [&](std::uint32_t flag) { return (o.policy_flags & flag) != 0; };
  Policy p;
  if (o.policy_algs_len != 0) p.algs = alg_set(o.policy_algs, o.policy_algs_len);
  if (o.policy_encs_len != 0) p.encs = enc_set(o.policy_encs, o.policy_encs_len);
  set(p.rsa_min_bits, o.rsa_min_bits);
  p.require_kid = !allows(JWEKMS_ALLOW_MISSING_KID);
  p.require_protected = !allows(JWEKMS_ALLOW_UNPROTECTED);
  p.allow_zip = allows(JWEKMS_ALLOW_ZIP);
  p.allow_compromised = allows(JWEKMS_ALLOW_COMPROMISED);
  set(p.limits.max_token_bytes, o.max_token_bytes);
  set(p.limits.max_header_bytes, o.max_header_bytes);
  set(p.limits.max_recipients, o.max_recipients);
  set(p.limits.max_inflated_bytes, o.max_inflated_bytes);
  set(p.limits.max_inflated_ratio, o.max_inflated_ratio);
  return p;
}

}  // namespace

std::string_view text(const char* data, std::size_t size) {
  if (size == 0) return {};
  if (data == nullptr) bad_argument("NULL with a length");
  return {data, size};
}

std::vector<std::string> texts(const char* const* data, const std::size_t* sizes,
                               std::size_t count) {
  if (count != 0 && (data == nullptr || sizes == nullptr)) bad_argument("a list of texts is NULL");
  check_count(count);
  std::vector<std::string> all;
  for (std::size_t i = 0; i < count; ++i) all.emplace_back(text(data[i], sizes[i]));
  return all;
}

std::span<const std::uint8_t> bytes(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return {};
  if (data == nullptr) bad_argument("NULL with a length");
  return {data, size};
}

AlgSet alg_set(const char* names, std::size_t size) {
  return name_set<AlgSet>(text(names, size), alg);
}

EncSet enc_set(const char* names, std::size_t size) {
  return name_set<EncSet>(text(names, size), enc);
}

AlgNames alg_names(AlgSet algs) noexcept {
  static_assert(size_of_all_alg_names < sizeof AlgNames::text);
  AlgNames names;
  for (const AlgRow& row : alg_table) {
    if (!algs.contains(row.id)) continue;
    if (names.size != 0) names.text[names.size++] = ' ';
    row.name.copy(&names.text[names.size], row.name.size());
    names.size += row.name.size();
  }
  return names;
}

KeyState key_state(std::int32_t state) {
  if (state < JWEKMS_KEY_ACTIVE || state > JWEKMS_KEY_DESTROYED)
    bad_argument("an unknown key state");
  return static_cast<KeyState>(state);
}

void read_open_options(const jwekms_open_options* options, Options& to) {
  const auto o = read_struct(options).value();
  to.database.path = text(o.database_path, o.database_path_len);
  to.database.kek_path = text(o.kek_path, o.kek_path_len);
  // A pointer to nothing is a key that got lost, and no wish for a file.
  if (o.kek != nullptr || o.kek_len != 0) to.database.kek = bytes(o.kek, o.kek_len);
  set(to.database.cache_ttl, o.cache_ttl_ms);
  set(to.database.cache_entries, o.cache_entries);
  set(to.database.busy_timeout, o.busy_timeout_ms);
  to.policy = policy(o);
  to.openssl_properties = text(o.openssl_properties, o.openssl_properties_len);
  to.openssl_config = text(o.openssl_config, o.openssl_config_len);
  if (o.on_warning != nullptr)
    to.on_warning = [call = o.on_warning, data = o.on_warning_data](std::string_view warning) {
      call(data, warning.data(), warning.size());
    };
  to.admins = texts(o.admins, o.admin_lens, o.admin_count);
  if (o.on_audit != nullptr) to.on_audit = audit_sink(o.on_audit, o.on_audit_data);
  to.database.key_encryption_key = text(o.key_encryption_key, o.key_encryption_key_len);
  for (const std::string& slots : texts(o.hsm_pools, o.hsm_pool_lens, o.hsm_pool_count))
    to.hsm_pools.push_back(hsm_pool(slots));
  read_hsms(o.hsms, o.hsm_count, to.hsms);
}

DecryptOptions decrypt_options(const jwekms_decrypt_options* options) {
  const auto o = read_struct(options).value();
  require_known(o.flags, 0);
  return {.key = text(o.key, o.key_len)};
}

EncryptOptions encrypt_options(const jwekms_encrypt_options* options) {
  const auto o = read_struct(options).value();
  if (o.serialization != JWEKMS_COMPACT && o.serialization != JWEKMS_FLATTENED)
    bad_argument("an unknown serialization");
  EncryptOptions to;
  to.key = text(o.key, o.key_len);
  if (o.alg_len != 0) to.alg = alg(text(o.alg, o.alg_len), 0);
  if (o.enc_len != 0) to.enc = enc(text(o.enc, o.enc_len), 0);
  if (o.serialization == JWEKMS_FLATTENED) to.serialization = Serialization::flattened;
  if (o.aad_len != 0) to.aad = bytes(o.aad, o.aad_len);
  return to;
}

CreateKey create_key(const jwekms_create_key_options* options) {
  const auto o = read_struct(options).value();
  require_known(o.flags, 0);
  if (o.type < 0 || o.type > JWEKMS_KEY_TYPE_OCT) bad_argument("an unknown key type");
  CreateKey to;
  to.uid = text(o.uid, o.uid_len);
  if (o.type != 0) to.type = static_cast<KeyType>(o.type);
  to.bits = o.bits;
  to.algs = alg_set(o.algs, o.algs_len);
  to.enc = optional_enc(o.enc, o.enc_len);
  to.aliases = aliases(o);
  to.owner = text(o.owner, o.owner_len);
  return to;
}

ImportKey import_key(const jwekms_import_key_options* options) {
  const auto o = read_struct(options).value();
  if (o.format < 0 || o.format > JWEKMS_KEY_FORMAT_RAW) bad_argument("an unknown key format");
  ImportKey to;
  if (o.format != 0) to.format = static_cast<KeyFormat>(o.format);
  to.passphrase = bytes(o.passphrase, o.passphrase_len);
  to.uid = text(o.uid, o.uid_len);
  to.algs = alg_set(o.algs, o.algs_len);
  to.enc = optional_enc(o.enc, o.enc_len);
  to.aliases = aliases(o);
  to.owner = text(o.owner, o.owner_len);
  return to;
}

UnwrapKey unwrap_key(const jwekms_unwrap_key_options* options) {
  const auto o = read_struct(options).value();
  require_known(o.flags, JWEKMS_STORE_IN_HSM);
  UnwrapKey to;
  to.keep.store_in_hsm = (o.flags & JWEKMS_STORE_IN_HSM) != 0;
  to.from.key = text(o.key, o.key_len);
  to.keep.uid = text(o.uid, o.uid_len);
  to.keep.aliases = aliases(o);
  to.keep.owner = text(o.owner, o.owner_len);
  return to;
}

ListKeysOf list_keys(const jwekms_list_keys_options* options) {
  const auto o = read_struct(options).value();
  ListKeysOf to;
  to.page.after = text(o.after, o.after_len);
  set(to.page.limit, o.limit);
  to.prefix = text(o.prefix, o.prefix_len);
  return to;
}

}  // namespace jwekms::capi

// SPDX-License-Identifier: Apache-2.0
#include "jwekms/open.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <filesystem>

#include "config/open_with.hpp"
#include "core/kek_wrapper.hpp"
#include "crypto/library.hpp"
#include "crypto/secret_buffer.hpp"
#include "jwekms/key_uid.hpp"
#include "providers/db/db_provider.hpp"
#include "providers/pkcs11/hsm_provider.hpp"

namespace jwekms {

namespace {

void print_warning(std::string_view text) {
  std::fprintf(stderr, "jwekms: warning: %.*s\n", static_cast<int>(text.size()), text.data());
}

[[nodiscard]] Result<void> check_policy(const Policy& policy) {
  const Limits& limits = policy.limits;
  const auto bad = [](const char* text) { return Error{Errc::bad_request, 0, text}; };
  if (limits.max_header_bytes > max_header_bytes) return bad("max_header_bytes is above 16384");
  if (limits.max_token_bytes > UINT32_MAX) return bad("max_token_bytes is above 4 GiB");
  if (limits.max_inflated_ratio == 0) return bad("max_inflated_ratio is 0");
  if (policy.rsa_min_bits < 1024) return bad("rsa_min_bits is below 1024");
  constexpr Error not_implemented{Errc::unsupported_algorithm, 0,
                                  "the policy names an algorithm that is not implemented"};
  for (const AlgRow& r : alg_table)
    if (policy.algs.contains(r.id) && r.support != Support::implemented) return not_implemented;
  for (const EncRow& r : enc_table)
    if (policy.encs.contains(r.id) && r.support != Support::implemented) return not_implemented;
  return {};
}

/// These become C strings, which a NUL would cut short without a word.
[[nodiscard]] Result<void> check_text(const Options& options) {
  for (const std::string* text : {&options.database.path, &options.database.kek_path,
                                  &options.openssl_properties, &options.openssl_config})
    if (text->find('\0') != std::string::npos)
      return Error{Errc::bad_request, 0, "NUL in a path or a property query"};
  return {};
}

[[nodiscard]] Result<void> check_database(const DatabaseOptions& database) {
  const auto bad = [](const char* text) { return Error{Errc::bad_request, 0, text}; };
  if (database.key_encryption_key.empty()) return {};
  if (database.path.empty()) return bad("key_encryption_key without a database");
  if (database.kek || !database.kek_path.empty())
    return bad("key_encryption_key excludes kek and kek_path");
  const Result<KeyUid> uid = parse_key_uid(database.key_encryption_key);
  if (!uid || !uid->in_hsm) return bad("key_encryption_key is no UID of an HSM key");
  return {};
}

/// The folders that a new database needs, for its owner alone. Where that fails, so does opening
/// the database.
void make_folders_of(const std::string& path) {
  for (std::size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1))
    (void)mkdir(path.substr(0, end).c_str(), S_IRWXU);
}

void warn_of_swap(const WarningSink& warn) {
  if (crypto::SecretBuffer(1).locked()) return;
  warn("memory cannot be locked (RLIMIT_MEMLOCK): secrets may reach the swap space");
}

/// What open() and rewrap_database() begin with. Nothing of the database is touched yet: it is not
/// made while the HSM that guards it is out of reach.
struct Parts {
  std::shared_ptr<const crypto::Library> library{};
  WarningSink warn{};
  std::shared_ptr<db::Store> store{};  ///< Null: no database.
  std::vector<std::shared_ptr<KeyProvider>> hsms{};
  std::shared_ptr<core::KekWrapper> wrapper{};  ///< Null: no key_encryption_key.
};

/// @param sharing  whether others may have the database open.
[[nodiscard]] Result<Parts> open_parts(const Options& options,
                                       db::Sharing sharing = db::Sharing::many) {
  if (Result<void> checked = check_policy(options.policy); !checked) return checked.error();
  if (Result<void> checked = check_text(options); !checked) return checked.error();
  if (Result<void> checked = check_database(options.database); !checked) return checked.error();
  for (const std::string& admin : options.admins)
    if (Result<void> checked = check_grantee(admin); !checked) return checked.error();
  Result<std::shared_ptr<const crypto::Library>> library =
      crypto::Library::open(options.openssl_properties, options.openssl_config);
  if (!library) return library.error();
  Parts parts{.library = *std::move(library)};
  parts.warn = options.on_warning ? options.on_warning : print_warning;
  warn_of_swap(parts.warn);
  if (!options.database.path.empty()) parts.store = db::make_store(options.database, sharing);
  Result<std::vector<std::shared_ptr<KeyProvider>>> hsms = pkcs11::open_hsms(
      parts.library, options.hsms, options.hsm_pools, parts.store, parts.warn, options.policy);
  if (!hsms) return hsms.error();
  parts.hsms = *std::move(hsms);
  if (const std::string& uid = options.database.key_encryption_key; !uid.empty()) {
    Result<std::shared_ptr<core::KekWrapper>> wrapper =
        pkcs11::open_kek_wrapper(parts.library, parts.hsms, uid, parts.warn);
    if (!wrapper) return wrapper.error();
    parts.wrapper = *std::move(wrapper);
  }
  return parts;
}

/// For what makes no database.
[[nodiscard]] Result<void> check_there(const DatabaseOptions& database) {
  if (database.path.empty()) return Error{Errc::bad_request, 0, "no database is named"};
  std::error_code failed;
  if (std::filesystem::exists(database.path, failed)) return {};
  return Error{failed ? Errc::unavailable : Errc::not_found, 0, "no such database"};
}

}  // namespace

Result<Kms> open(const Options& options) {
  return config::open_with(options, [](const auto&) { return config::Providers{}; });
}

Result<Kms> config::open_with(const Options& options, const MakeProviders& make) {
  const crypto::ErrorQueueGuard guard;
  Result<Parts> parts = open_parts(options);
  if (!parts) return parts.error();
  Providers providers = options.providers;
  const Providers made = make(parts->library);
  providers.insert(providers.end(), made.begin(), made.end());
  providers.insert(providers.end(), parts->hsms.begin(), parts->hsms.end());
  if (parts->store) {
    if (options.database.make_folders) make_folders_of(options.database.path);
    Result<std::shared_ptr<KeyProvider>> database =
        db::open_database(parts->library, parts->store, options.database, parts->wrapper,
                          parts->warn, options.policy);
    if (!database) return database.error();
    providers.push_back(*std::move(database));
  }
  for (std::size_t i = 0; i < providers.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (providers[i]->uid_prefix() == providers[j]->uid_prefix())
        return Error{Errc::bad_request, 0, "two key providers with one UID prefix"};
  return Kms(parts->library, std::move(providers), options.policy, options.admins,
             options.on_audit);
}

Result<void> rewrap_database(const Options& options, std::string_view to) {
  const crypto::ErrorQueueGuard guard;
  if (Result<void> there = check_there(options.database); !there) return there;
  Result<Parts> parts = open_parts(options);
  if (!parts) return parts.error();
  const Result<std::shared_ptr<core::KekWrapper>> wrapper =
      pkcs11::open_kek_wrapper(parts->library, parts->hsms, std::string(to), parts->warn);
  if (!wrapper) return wrapper.error();
  return db::rewrap_kek(parts->library, parts->store, options.database, parts->wrapper, **wrapper);
}

Result<void> rotate_kek(const Options& options, const ProgressSink& progress) {
  const crypto::ErrorQueueGuard guard;
  if (Result<void> there = check_there(options.database); !there) return there;
  Result<Parts> parts = open_parts(options, db::Sharing::alone);
  if (!parts) return parts.error();
  return db::rotate_kek(parts->library, parts->store, options.database, parts->wrapper, progress);
}

}  // namespace jwekms

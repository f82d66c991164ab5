// SPDX-License-Identifier: Apache-2.0
#include "jwekms/open.hpp"

#include <sys/stat.h>

#include <cstdio>

#include "crypto/library.hpp"
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

/// The folders that a new database needs, for its owner alone. Where that fails, so does opening
/// the database.
void make_folders_of(const std::string& path) {
  for (std::size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1))
    (void)mkdir(path.substr(0, end).c_str(), S_IRWXU);
}

}  // namespace

Result<Kms> open(const Options& options) {
  const crypto::ErrorQueueGuard guard;
  if (Result<void> checked = check_policy(options.policy); !checked) return checked.error();
  if (Result<void> checked = check_text(options); !checked) return checked.error();
  for (const std::string& admin : options.admins)
    if (Result<void> checked = check_grantee(admin); !checked) return checked.error();
  Result<std::shared_ptr<const crypto::Library>> library =
      crypto::Library::open(options.openssl_properties, options.openssl_config);
  if (!library) return library.error();
  if (!options.database.key_encryption_key.empty() || !options.hsm_pools.empty())
    return Error{Errc::bad_request, 0, "not in this version: key_encryption_key, hsm_pools"};
  const WarningSink warn = options.on_warning ? options.on_warning : print_warning;
  std::vector<std::shared_ptr<KeyProvider>> providers = options.providers;
  if (!options.database.path.empty()) {
    if (options.database.make_folders) make_folders_of(options.database.path);
    Result<std::shared_ptr<KeyProvider>> database =
        db::open_database(*library, options.database, warn, options.policy);
    if (!database) return database.error();
    providers.push_back(*std::move(database));
  }
  Result<std::vector<std::shared_ptr<KeyProvider>>> hsms =
      pkcs11::open_hsms(*library, options.hsms, warn, options.policy);
  if (!hsms) return hsms.error();
  for (std::shared_ptr<KeyProvider>& hsm : *hsms) providers.push_back(std::move(hsm));
  for (std::size_t i = 0; i < providers.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (providers[i]->uid_prefix() == providers[j]->uid_prefix())
        return Error{Errc::bad_request, 0, "two key providers with one UID prefix"};
  return Kms(*std::move(library), std::move(providers), options.policy, options.admins,
             options.on_audit);
}

}  // namespace jwekms

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "crypto/library.hpp"
#include "jwekms/open.hpp"
#include "jwekms/policy.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"
#include "providers/db/store.hpp"

namespace jwekms::db {

/// The rows of the database of `options`; it is neither made nor touched before open_database().
[[nodiscard]] std::shared_ptr<Store> make_store(const DatabaseOptions& options);

/// Opens the database of `options`, and makes it and its key-encryption key file where there are
/// none. A forked child may go on using the provider; it must not open the same file again while
/// it has one that it inherited.
/// @param store   what make_store() made of the same options.
/// @param warn    may be empty.
/// @param policy  `rsa_min_bits` is held to when a key comes in.
/// Errors: bad_request (options), unavailable (database or key file out of reach; the key file of
/// an existing database is missing), forbidden (the key file is open to others), crypto_failure
/// (another database's key), internal_error (damaged, foreign, or of a newer version).
[[nodiscard]] Result<std::shared_ptr<KeyProvider>> open_database(
    std::shared_ptr<const crypto::Library> library, std::shared_ptr<Store> store,
    const DatabaseOptions& options, const WarningSink& warn, const Policy& policy);

}  // namespace jwekms::db

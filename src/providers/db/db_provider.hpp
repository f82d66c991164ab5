// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "core/kek_wrapper.hpp"
#include "crypto/library.hpp"
#include "jwekms/open.hpp"
#include "jwekms/policy.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"
#include "providers/db/store.hpp"

namespace jwekms::db {

/// The rows of the database of `options`; it is neither made nor touched before open_database().
[[nodiscard]] std::shared_ptr<Store> make_store(const DatabaseOptions& options,
                                                Sharing sharing = Sharing::many);

/// Opens the database of `options`, and makes it and its key-encryption key file where there are
/// none. A forked child may go on using the provider; it must not open the same file again while
/// it has one that it inherited.
/// @param store   what make_store() made of the same options.
/// @param wrapper  of `options.key_encryption_key`; null where there is none.
/// @param warn    may be empty.
/// @param policy  `rsa_min_bits` is held to when a key comes in.
/// Errors: bad_request (options), unavailable (database or key file out of reach; the key file of
/// an existing database is missing), forbidden (the key file is open to others), crypto_failure
/// (another database's key, or one that is kept in another way), internal_error (damaged, foreign,
/// or of a newer version), and those of the wrapper.
[[nodiscard]] Result<std::shared_ptr<KeyProvider>> open_database(
    std::shared_ptr<const crypto::Library> library, std::shared_ptr<Store> store,
    const DatabaseOptions& options, std::shared_ptr<core::KekWrapper> wrapper,
    const WarningSink& warn, const Policy& policy);

/// Has the key-encryption key of an existing database wrapped by `to`, in place of the way that
/// `options` and `wrapper` describe. Errors: as above, and conflict (changed by another process).
[[nodiscard]] Result<void> rewrap_kek(std::shared_ptr<const crypto::Library> library,
                                      std::shared_ptr<Store> store, const DatabaseOptions& options,
                                      std::shared_ptr<core::KekWrapper> wrapper,
                                      core::KekWrapper& to);

/// Seals an existing database anew, under a fresh key-encryption key that is kept where the one
/// before was. Errors: as above, and conflict (the old key file of an earlier rotation is there).
/// @param store  opened by nobody else, Sharing::alone.
[[nodiscard]] Result<void> rotate_kek(std::shared_ptr<const crypto::Library> library,
                                      std::shared_ptr<Store> store, const DatabaseOptions& options,
                                      std::shared_ptr<core::KekWrapper> wrapper,
                                      const ProgressSink& progress);

}  // namespace jwekms::db

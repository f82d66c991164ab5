// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "crypto/library.hpp"
#include "crypto/secret_buffer.hpp"
#include "jwekms/provider.hpp"

namespace jwekms::db {

/// A key that is about to be stored.
struct NewKey {
  KeyInfo info;
  crypto::SecretBuffer secret;
};

/// Whether a name may be a key's UID or alias in a database. Errors: bad_request.
[[nodiscard]] Result<void> check_name(std::string_view name);

// Requests of KeyProvider, read and checked against the tables and the policy. Nothing is stored.

/// Errors: bad_request, crypto_failure (RSA below `rsa_min_bits`).
[[nodiscard]] Result<NewKey> make_key(const std::shared_ptr<const crypto::Library>& library,
                                      const CreateKey& request, std::uint32_t rsa_min_bits);
/// Errors: those of crypto::read_key, and the ones above.
[[nodiscard]] Result<NewKey> read_key(const std::shared_ptr<const crypto::Library>& library,
                                      const ImportKey& request, std::uint32_t rsa_min_bits);
/// Errors: bad_request.
[[nodiscard]] Result<NewKey> keep_cek(const crypto::Library& library, const Cek& cek,
                                      const EncRow& enc, std::string parent,
                                      const KeepCek& request);

}  // namespace jwekms::db

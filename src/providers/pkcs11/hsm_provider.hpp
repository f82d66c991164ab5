// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/encryption_counter.hpp"
#include "core/kek_wrapper.hpp"
#include "crypto/library.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/open.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"

namespace jwekms::pkcs11 {

/// Opens the HSMs of `options`: loads their modules, finds the tokens and logs in. One provider for
/// each instance, in the same order. A forked child may go on using them. They make calls to the
/// module when they are destroyed, so they must not live until the process's static objects die.
/// @param pools    of their slots; one slot of each may be out of reach, with a warning.
/// @param counter  counts what is encrypted under their AES keys, durably; null: each process
/// counts
///                 for itself (ProcessBudget).
/// @param warn     may be empty.
/// Errors: bad_request (options), unavailable (module, token or PIN file out of reach; PIN
/// refused).
[[nodiscard]] Result<std::vector<std::shared_ptr<KeyProvider>>> open_hsms(
    const std::shared_ptr<const crypto::Library>& library, std::span<const HsmOptions> options,
    std::span<const HsmPool> pools, const std::shared_ptr<core::EncryptionCounter>& counter,
    const WarningSink& warn, const Policy& policy);

/// What wraps a database's key-encryption key with the AES-256 key that a UID names. The key serves
/// no JWE from then on.
/// @param hsms  what open_hsms() gave.
/// Errors: bad_request (no such HSM), not_found (no such key in it), crypto_failure (no AES-256
/// key), unsupported_algorithm (the token has neither AES-GCM nor AES key wrap for it),
/// unavailable.
[[nodiscard]] Result<std::shared_ptr<core::KekWrapper>> open_kek_wrapper(
    const std::shared_ptr<const crypto::Library>& library,
    std::span<const std::shared_ptr<KeyProvider>> hsms, const std::string& uid,
    const WarningSink& warn);

}  // namespace jwekms::pkcs11

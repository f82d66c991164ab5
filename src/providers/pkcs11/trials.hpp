// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "crypto/library.hpp"
#include "providers/pkcs11/key_objects.hpp"

// What the doctor tries on a token beside the operations of the provider. All objects that are made
// here are session objects, and destroyed.

namespace jwekms::pkcs11 {

/// How far a trial came: the call that failed; or one that ended with `code` and should not have,
/// or not with this result, and then `wrong`.
struct Progress {
  const char* at = "";
  const char* wrong = nullptr;
  CK_RV code = CKR_OK;
};

/// AES-GCM with a key for `dir`. Decryption must refuse a wrong tag.
[[nodiscard]] Result<Step> try_gcm_encrypt(const crypto::Library& library, const Session& session,
                                           CK_OBJECT_HANDLE key, Progress& progress);
[[nodiscard]] Result<Step> try_gcm_decrypt(const crypto::Library& library, const Session& session,
                                           CK_OBJECT_HANDLE key, Progress& progress);

/// AES key wrap (RFC 3394) of another key, there and back.
[[nodiscard]] Result<Step> try_key_wrap(const Session& session, Progress& progress);

/// A private key that was made without a word about CKA_SIGN has it not.
[[nodiscard]] Result<Step> try_sign_default(const Session& session, Progress& progress);

/// A key is unwrapped as it was asked for: sensitive and not extractable.
[[nodiscard]] Result<Step> try_unwrapped_attributes(
    const std::shared_ptr<const crypto::Library>& library, const Session& session,
    Progress& progress);

/// What CKA_UNWRAP_TEMPLATE of a private key forbids is not to be had.
[[nodiscard]] Result<Step> try_unwrap_template(
    const std::shared_ptr<const crypto::Library>& library, const Session& session,
    Progress& progress);

/// A key that is not extractable is not wrapped for an RSA key.
[[nodiscard]] Result<Step> try_wrap_out(const Session& session, Progress& progress);

}  // namespace jwekms::pkcs11

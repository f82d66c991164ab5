// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "crypto/aes_gcm.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/provider.hpp"
#include "providers/pkcs11/key_objects.hpp"
#include "providers/pkcs11/rsa_object.hpp"
#include "providers/pkcs11/working_key.hpp"

namespace jwekms::pkcs11 {

/// A Key whose object is in a token.
class HsmKey : public Key {
 public:
  /// Null for a symmetric key, and for one that several slots hold.
  [[nodiscard]] virtual const RsaObject* rsa() const noexcept { return nullptr; }
  /// The RSA key as it is in one slot. Errors: bad_request (it is not there), and those of a
  /// search.
  [[nodiscard]] virtual Result<std::shared_ptr<const RsaObject>> rsa_in(const TokenSlot&) const {
    return Error{Errc::bad_request, 0, "a CEK is kept in the HSM slot of the key that unwraps it"};
  }
};

[[nodiscard]] std::shared_ptr<const HsmKey> make_rsa_key(
    std::shared_ptr<const crypto::Library> library, KeyInfo info,
    std::shared_ptr<const RsaObject> rsa, CekBoundary boundary);

[[nodiscard]] std::shared_ptr<const HsmKey> make_aes_key(
    std::shared_ptr<const crypto::Library> library, KeyInfo info, std::shared_ptr<TokenSlot> slot,
    const KeyObject& object, std::shared_ptr<crypto::EncryptionBudget> budget);

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "jwekms/hsm.hpp"
#include "providers/pkcs11/key_objects.hpp"

namespace jwekms::pkcs11 {

/// Runs an operation that makes token objects with this CKA_ID, which must be random. Whatever it
/// made in an attempt that failed is destroyed before the next attempt and at the end.
[[nodiscard]] Result<Outcome> run_making(TokenSlot& slot, const std::string& id,
                                         const TokenSlot::Operation& make);

/// Reads back a private or secret key just made: it stays, sensitive, private and not to be
/// extracted, has its label and its CKA_ID, and serves for what it was made for and nothing else;
/// and it is alone with its label, which another process may have used meanwhile.
/// Errors: conflict, internal_error.
[[nodiscard]] Result<Step> check_made(const Session& session, CK_OBJECT_HANDLE object,
                                      const std::string& label, const std::string& id,
                                      KeyObject& made);

/// Makes an RSA pair with e = 65537, as the boundary wants it: within the HSM it only unwraps, else
/// it decrypts too. It never signs (a bare signature is the private operation), is sensitive and
/// cannot be extracted; what a boundary's key unwraps is so, too, where the token keeps to
/// CKA_UNWRAP_TEMPLATE. Errors: conflict, internal_error (the token made something else).
[[nodiscard]] Result<Step> generate_rsa(TokenSlot& slot, const Session& session,
                                        const std::string& label, const std::string& id,
                                        std::uint32_t bits, CekBoundary boundary, KeyObject& made);

/// Makes an AES key for `dir`. Errors: as above.
[[nodiscard]] Result<Step> generate_aes(TokenSlot& slot, const Session& session,
                                        const std::string& label, const std::string& id,
                                        std::size_t size_in_bytes, KeyObject& made);

}  // namespace jwekms::pkcs11

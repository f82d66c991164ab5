// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "jwekms/hsm.hpp"
#include "providers/pkcs11/key_objects.hpp"

namespace jwekms::pkcs11 {

/// Makes an RSA pair with e = 65537, as the boundary wants it: within the HSM it only unwraps, else
/// it decrypts too. It never signs (a bare signature is the private operation), is sensitive and
/// cannot be extracted. Errors: conflict, internal_error (the token made something else).
[[nodiscard]] Result<Step> generate_rsa(TokenSlot& slot, const Session& session,
                                        const std::string& label, const std::string& id,
                                        std::uint32_t bits, CekBoundary boundary);

/// Makes an AES key for `dir`. Errors: as above.
[[nodiscard]] Result<Step> generate_aes(TokenSlot& slot, const Session& session,
                                        const std::string& label, const std::string& id,
                                        std::size_t size_in_bytes);

}  // namespace jwekms::pkcs11

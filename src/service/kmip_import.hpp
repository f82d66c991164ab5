// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "jwekms/kms.hpp"
#include "service/ttlv.hpp"

namespace jwekms::service {

/// KMIP 2.1 §6.1.25, Import, of a symmetric key that is wrapped with RSA-OAEP: unwrapped, and kept
/// as a CEK for `dir`, as Kms::unwrap_key does.
///
/// - The key is wrapped as it is, with no TTLV around it: EncodingOption is NoEncoding or absent.
/// - PaddingMethod is OAEP, HashingAlgorithm SHA256 when absent; MGF1 takes the same hash, as in
/// JWE
///   (RFC 7518 §4.3), where KMIP has SHA-1 for its default: MaskGeneratorHashingAlgorithm, if it is
///   given, must say the same.
/// - CryptographicLength gives the `enc`: A128GCM, A192GCM or A256GCM.
/// - The key goes to the HSM when the vendor attribute `store_in_hsm` says so, or when the wrapping
///   key is there and it does not say otherwise. A UniqueIdentifier without `hsm::` is then a
///   label.
/// - What would make the key less than asked for is refused: a State that is not Active, a
///   CryptographicUsageMask without Encrypt and Decrypt. What would make it more (Export) is not
///   granted. Other attributes are left alone.
///
/// @param kid  receives the wrapping key's UID, for the log.
/// @return the new key's UID. Errors: those of Kms::unwrap_key.
[[nodiscard]] Result<std::string> import_wrapped_key(const Kms& kms, ttlv::Structure& request,
                                                     std::string& kid);

}  // namespace jwekms::service

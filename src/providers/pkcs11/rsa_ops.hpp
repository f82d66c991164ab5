// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "crypto/library.hpp"
#include "crypto/oaep.hpp"
#include "jwekms/algorithms.hpp"
#include "providers/pkcs11/attributes.hpp"
#include "providers/pkcs11/token_slot.hpp"

// The private operation of an RSA key in a token. The ciphertext has the modulus's length and is
// below it in number. CKM_RSA_PKCS is never used: it is a padding oracle.

namespace jwekms::pkcs11 {

/// CKM_RSA_PKCS_OAEP with an empty label and one hash (RFC 7518 §4.3).
class OaepMechanism {
 public:
  explicit OaepMechanism(Hash hash) noexcept;
  OaepMechanism(const OaepMechanism&) = delete;
  OaepMechanism& operator=(const OaepMechanism&) = delete;
  [[nodiscard]] CK_MECHANISM* get() noexcept { return &mechanism_; }

 private:
  CK_RSA_PKCS_OAEP_PARAMS params_;
  CK_MECHANISM mechanism_;
};

/// The token takes the padding off. `opened.good` tells whether it could.
[[nodiscard]] Step decrypt_oaep(const Session& session, CK_OBJECT_HANDLE key, Hash hash,
                                std::span<const std::uint8_t> ciphertext,
                                crypto::OaepOpened& opened) noexcept;

/// The token does the bare operation, and the padding comes off here in constant time.
[[nodiscard]] Step decrypt_raw(const Session& session, const crypto::Library& library,
                               CK_OBJECT_HANDLE key, Hash hash,
                               std::span<const std::uint8_t> ciphertext,
                               crypto::OaepOpened& opened) noexcept;

/// C_UnwrapKey. @param cek  CK_INVALID_HANDLE when it fails.
[[nodiscard]] Step unwrap_object(const Session& session, CK_OBJECT_HANDLE key, Hash hash,
                                 std::span<const std::uint8_t> ciphertext, Template& attributes,
                                 CK_OBJECT_HANDLE& cek) noexcept;

}  // namespace jwekms::pkcs11

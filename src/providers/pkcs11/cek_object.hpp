// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "jwekms/algorithms.hpp"
#include "providers/pkcs11/attributes.hpp"
#include "providers/pkcs11/gcm_ops.hpp"

// A CEK that a token unwraps to an object of its own: there it stays, and only decrypts.

namespace jwekms::pkcs11 {

/// How the size of an unwrapped CEK is learnt.
enum class CekSize : std::uint8_t {
  reported = 1,   ///< CKA_VALUE_LEN.
  by_digest = 2,  ///< It reads 0 (SoftHSM); where C_DigestKey pads tells (crypto/sha256_block.hpp).
};

/// One RSA-OAEP ciphertext, of the modulus's length and below it, and the key to open it.
struct RsaCiphertext {
  CK_OBJECT_HANDLE key;
  Hash hash;
  std::span<const std::uint8_t> bytes;
};

/// Attributes of an unwrapped CEK: sensitive, not extractable. CKA_VALUE_LEN is left out: SoftHSM
/// refuses it, NSS truncates to it, opencryptoki pads with zeros.
void describe_session_cek(Template& attributes) noexcept;
void describe_token_cek(Template& attributes, std::string_view label, std::string_view id) noexcept;

/// A session object like an unwrapped CEK.
[[nodiscard]] CK_RV generate_stand_in(const Session& session, std::size_t size_in_bytes,
                                      CK_OBJECT_HANDLE& key) noexcept;

/// Learns whether an object is sensitive and cannot be extracted, as it was asked to be. Some
/// tokens ignore that.
[[nodiscard]] Step check_guarded(const Session& session, CK_OBJECT_HANDLE object,
                                 bool& guarded) noexcept;

/// Learns whether a key has exactly `expected` bytes. Throws std::bad_alloc alone.
[[nodiscard]] Step check_cek_size(const Session& session, CK_OBJECT_HANDLE object,
                                  std::size_t expected, CekSize how, bool& fits);

/// Unwraps a CEK to a session object, decrypts the content with it and destroys it. Makes the same
/// calls whatever is wrong with the JWE: a key of the session's own stands in for a CEK that did
/// not come out, or has the wrong size. Ends with CKR_OK or CKR_ENCRYPTED_DATA_INVALID, but for
/// what is not the JWE's fault. Throws std::bad_alloc alone.
/// @param message  becomes the plaintext.
/// Errors: bad_request (not base64url), internal_error (the token did not keep to the attributes).
[[nodiscard]] Result<Step> open_in_token(const Session& session, const RsaCiphertext& ciphertext,
                                         const EncRow& enc, CekSize how, GcmMessage& message);

}  // namespace jwekms::pkcs11

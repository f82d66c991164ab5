// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one place that includes Cryptoki. p11-kit's header names a few members in its own way (iv_ptr
// for pIv, iv_bits for ulIvBits, hash_alg for hashAlg); layout and values are the standard's.
#include <p11-kit/pkcs11.h>

#include <cstdint>

namespace jwekms::pkcs11 {

/// What a call had to go by when it failed.
enum class Phase : std::uint8_t {
  setup,    ///< Only what is ours: session, mechanism, key.
  content,  ///< Bytes of a JWE: whoever made it may have caused the failure.
  cek,      ///< The same, and it must not show: the CEK may yet prove wrong by the content.
};

/// How an operation on the token ended.
struct Step {
  CK_RV rv = CKR_OK;
  Phase phase = Phase::setup;
};

/// What a return value asks for. The answer to each is in token_slot.cpp.
enum class Fault : std::uint8_t {
  none,
  content,    ///< The JWE is bad: the uniform rejection.
  refused,    ///< The token does not do this, or not with this key.
  suspect,    ///< Refused, or broken: ask the token how it is.
  stuck,      ///< This session is of no more use.
  session,    ///< Sessions were closed underneath.
  handle,     ///< Not logged in, or object handles have changed.
  device,     ///< The token or the connection is gone.
  exhausted,  ///< No room for more.
};

/// Takes the same time for every value.
[[nodiscard]] Fault classify(Step step) noexcept;

/// Whether session, login, handles or token turn out to be lost or used up: neither the JWE's doing
/// nor what the token is like.
[[nodiscard]] bool is_lost(Step step) noexcept;

/// Whether a code says that the token does not do a thing with this mechanism, template or key,
/// now or ever. Of a template it may also speak because of what was unwrapped.
[[nodiscard]] bool is_inability(CK_RV rv) noexcept;

/// CKR_...; "CKR_?" for one that is not in the standard.
[[nodiscard]] const char* name_of(CK_RV rv) noexcept;

}  // namespace jwekms::pkcs11

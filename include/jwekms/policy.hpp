// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which tokens are let in.

#include <cstddef>
#include <cstdint>

#include "jwekms/algorithms.hpp"

namespace jwekms {

/// Bounds that are checked before anything is allocated.
struct Limits {
  std::size_t max_token_bytes = std::size_t{64} << 20;    ///< The whole serialization.
  std::size_t max_header_bytes = 16384;                   ///< A decoded header, or a header object.
  std::size_t max_recipients = 100;                       ///< Of a general serialization.
  std::size_t max_inflated_bytes = std::size_t{1} << 20;  ///< Plaintext of a `zip` token.
  std::size_t max_inflated_ratio = 100;  ///< Plaintext bytes for each compressed byte.
};

/// What a Kms accepts. By default that is what the members below say; whatever else is implemented
/// is off until it is named here.
struct Policy {
  /// `alg`s that are accepted, and made.
  AlgSet algs{Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::dir};
  /// `enc`s likewise.
  EncSet encs{Enc::A128GCM, Enc::A192GCM, Enc::A256GCM};
  /// Smaller RSA keys are neither made, imported nor used. Not below 1024.
  std::uint32_t rsa_min_bits = 2048;
  /// The token itself must carry a `kid`. When false, a caller may name the key instead.
  bool require_kid = true;
  /// `alg`, `enc` and `kid` count only when they are integrity-protected. (In a general
  /// serialization each recipient's own `alg` and `kid` cannot be, and stand in its `header`.)
  /// When false they may stand in any header, as RFC 7516 §7.2.1 permits.
  bool require_protected = true;
  /// Accept `"zip":"DEF"`. Off: compression before encryption leaks through lengths, and inflating
  /// a stranger's bytes costs memory.
  bool allow_zip = false;
  /// Decrypt under keys that were marked compromised, to save old data. Never encrypts.
  bool allow_compromised = false;
  Limits limits;  ///< Of sizes and counts.

  /// Everything that is implemented, in every header that the RFC permits.
  [[nodiscard]] static Policy permissive() noexcept {
    Policy p;
    for (const AlgRow& r : alg_table)
      if (r.support == Support::implemented) p.algs.insert(r.id);
    for (const EncRow& r : enc_table)
      if (r.support == Support::implemented) p.encs.insert(r.id);
    p.require_kid = false;
    p.require_protected = false;
    p.allow_zip = true;
    return p;
  }
};

}  // namespace jwekms

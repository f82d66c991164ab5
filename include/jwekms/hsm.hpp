// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// HSMs behind PKCS#11, as they are configured.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace jwekms {

/// Where a CEK is while a token is decrypted with a key in an HSM.
enum class CekBoundary : std::uint8_t {
  /// The HSM decrypts `encrypted_key`; the CEK stays in wiped process memory for the call.
  process = 1,
  /// The HSM unwraps the CEK to an object of its own and decrypts the content too: the CEK is never
  /// in process memory. Where the HSM cannot, the call fails; it never falls back.
  hsm = 2,
};

/// Who logs in to a token.
enum class HsmLogin : std::uint8_t {
  user = 1,  ///< CKU_USER, with the PIN.
  none = 2,  ///< Keys that everybody may use; no PIN.
};

/// One token of an HSM. Which one: by label and serial where either is given, by `slot_id` where
/// that is, else the token at position `number` of C_GetSlotList (tokens present only, from 0).
/// The choice must be unique. After a reconnection a token is looked for as before, but one chosen
/// by position or `slot_id` by the label and serial that it had, as numbers move; or, where one
/// token alone has gone and one alone is new, as the one that was made anew.
struct HsmSlot {
  std::uint64_t number = 0;    ///< Stands in the UIDs: `hsm::<model>::<number>::<label>`.
  std::string token_label{};   ///< Without the padding; empty: whatever it is.
  std::string token_serial{};  ///< Likewise.
  std::optional<std::uint64_t> slot_id{};  ///< CK_SLOT_ID.
  /// The PIN, or where it is: "file:/path" (a last newline is left out), "env:NAME". Not empty,
  /// unless nobody logs in: tokens with a PIN pad of their own are not served. Never logged.
  std::string pin{};
  HsmLogin login = HsmLogin::user;  ///< Whether the token wants a PIN.
};

/// One HSM behind PKCS#11. The first instance of a model has the UIDs `hsm::<model>::...`, the
/// second `hsm::<model>_1::...`, and so on, in the order given.
///
/// Where a trial shows that the token is faster with copies of a key in its sessions, each session
/// makes one, sensitive and not extractable. It may then go unseen for one second that somebody
/// else has destroyed the key. (CKA_COPYABLE = false prevents copies, on tokens that know it.)
struct HsmOptions {
  std::string model{};        ///< softhsm2, utimaco, proteccio, crypt2pay, smartcardhsm, other.
  std::string module_path{};  ///< Empty: the model's usual path.
  /// Handed to C_Initialize as pReserved, for modules that want it (NSS). A module is initialised
  /// once for the process: HSMs of one module say the same, and the first context counts.
  std::string init_args{};
  std::vector<HsmSlot> slots{};  ///< One at least, each with a number of its own.
  CekBoundary cek_boundary = CekBoundary::process;  ///< Whether CEKs may be in this process.
  /// Sessions for operations in flight, a slot; one more holds the login.
  std::size_t max_sessions = 32;
  /// Wait for a session, or to be the one who searches, at most; then `unavailable`.
  std::chrono::milliseconds session_timeout{5000};
  /// Where a token lacks OAEP with a hash, let it do the bare RSA operation and take the padding
  /// off here, in constant time. Process boundary only. Empty: as is usual with the model (on for
  /// softhsm2, off for the others).
  std::optional<bool> raw_rsa_fallback{};
  /// In the HSM boundary, refuse keys that could bring a CEK out: those that may also decrypt or
  /// sign, or may leave the HSM token. When off, each gives a warning.
  bool forbid_weak_keys = false;
  /// Principals who may do everything with the keys of this HSM.
  std::vector<std::string> admins{};
};

/// Slots that hold the same RSA keys under the same labels: a replicated HSM. A UID of the first
/// slot is served by whichever slot is at hand, and a slot that is dead is passed over until it is
/// back: left alone for 100 ms, and up to 5 s, then tried by one operation. Only `unavailable`
/// makes another slot be asked, never what comes of a token's bytes. A slot's key counts when its
/// modulus is that of the first key found, in the order below; another one is passed over with a
/// warning. AES keys have nothing to compare: they are served by the slot that their UID names, as
/// keys are made, listed and destroyed there, and CEKs kept. Opening takes one slot that is there;
/// for each other that is not it warns.
struct HsmPool {
  /// `hsm::<model>[_n]::<slot>`, two or more, all of them in Options::hsms, with one cek_boundary;
  /// none is in two pools.
  std::vector<std::string> slots{};
};

}  // namespace jwekms

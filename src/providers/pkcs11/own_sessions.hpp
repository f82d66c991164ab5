// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>

#include "providers/pkcs11/cryptoki.hpp"

namespace jwekms::pkcs11 {

/// The sessions of a module that are ours, so that a handle never stands for two of them. Somebody
/// else may close them (C_CloseAllSessions closes everybody's), and some tokens then give their
/// handles anew (opencryptoki): a session in the hands of two threads, or closed by one while the
/// other is at work, crashes the token. Thread-safe.
class OwnSessions {
 public:
  /// CKR_DEVICE_ERROR: the token gave one handle after another that is in use.
  [[nodiscard]] CK_RV open(CK_FUNCTION_LIST& f, CK_SLOT_ID slot_id, CK_SESSION_HANDLE& session);

  /// @param is_lost  the token has said that the session is closed: its handle may be anybody's.
  void close(CK_FUNCTION_LIST& f, CK_SLOT_ID slot_id, CK_SESSION_HANDLE session,
             bool is_lost) noexcept;

  /// The module has been taken down, and all sessions with it.
  void clear() noexcept;

 private:
  [[nodiscard]] std::size_t count();
  std::mutex mutex_;
  /// Whether we were given the handle a second time. That session is never used: the handle's
  /// holder closes it.
  std::map<CK_SESSION_HANDLE, bool> given_again_;
};

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/own_sessions.hpp"

namespace jwekms::pkcs11 {

namespace {

[[nodiscard]] CK_RV open_any(CK_FUNCTION_LIST& f, CK_SLOT_ID slot_id, CK_SESSION_HANDLE& session) {
  const CK_RV rv =
      f.C_OpenSession(slot_id, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  if (rv != CKR_TOKEN_WRITE_PROTECTED) return rv;
  return f.C_OpenSession(slot_id, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
}

}  // namespace

CK_RV OwnSessions::open(CK_FUNCTION_LIST& f, CK_SLOT_ID slot_id, CK_SESSION_HANDLE& session) {
  // As many as are out may be given again, and some that others open meanwhile.
  for (std::size_t tries = count() + 64; tries > 0; --tries) {
    if (const CK_RV rv = open_any(f, slot_id, session); rv != CKR_OK) return rv;
    const std::lock_guard lock(mutex_);
    const auto [place, is_new] = given_again_.try_emplace(session, false);
    if (is_new) return CKR_OK;
    place->second = true;
  }
  return CKR_DEVICE_ERROR;
}

std::size_t OwnSessions::count() {
  const std::lock_guard lock(mutex_);
  return given_again_.size();
}

void OwnSessions::close(CK_FUNCTION_LIST& f, CK_SLOT_ID slot_id, CK_SESSION_HANDLE session,
                        bool is_lost) noexcept {
  // Held until the token has closed it: whoever is given the handle next comes after that.
  const std::lock_guard lock(mutex_);
  const auto place = given_again_.find(session);
  if (place == given_again_.end()) return;
  const bool is_open = !is_lost || place->second;
  given_again_.erase(place);
  if (!is_open) return;
  CK_SESSION_INFO info{};
  const CK_RV rv = f.C_GetSessionInfo(session, &info);
  const bool is_gone = rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED ||
                       (rv == CKR_OK && info.slotID != slot_id);
  if (!is_gone) (void)f.C_CloseSession(session);
}

void OwnSessions::clear() noexcept {
  const std::lock_guard lock(mutex_);
  given_again_.clear();
}

}  // namespace jwekms::pkcs11

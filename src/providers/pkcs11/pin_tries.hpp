// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>

#include "providers/pkcs11/cryptoki.hpp"

namespace jwekms::pkcs11 {

/// The token refuses the PIN: it is not tried again.
[[nodiscard]] bool refuses_pin(CK_RV rv) noexcept;
/// The token may mean the PIN, though it does not say so: some have GENERAL_ERROR alone for it.
[[nodiscard]] bool may_refuse_pin(CK_RV rv) noexcept;

/// Whether a slot's PIN was refused, in memory that this process shares with all that it forks: one
/// of them tries the PIN at a time, and once refused nobody tries it again, as tokens lock after a
/// few. Where the token does not say what is wrong, the tries come ever more seldom from the second
/// on. Thread-safe.
class PinTries {
 public:
  PinTries();
  PinTries(const PinTries&) = delete;
  PinTries& operator=(const PinTries&) = delete;
  ~PinTries();

  [[nodiscard]] bool refused() const noexcept;

  /// The answer of `log_in`, which calls C_Login; CKR_PIN_INCORRECT without a call after a refusal;
  /// CKR_DEVICE_ERROR when it is too early for another try, or another process has been at it for
  /// too long.
  template <std::invocable LogIn>
  [[nodiscard]] CK_RV run(LogIn log_in) noexcept {
    if (!enter()) return CKR_DEVICE_ERROR;
    const CK_RV rv = refused() ? CKR_PIN_INCORRECT : waits() ? CKR_DEVICE_ERROR : log_in();
    leave(rv);
    return rv;
  }

 private:
  struct Shared;
  [[nodiscard]] bool enter() noexcept;
  [[nodiscard]] bool waits() const noexcept;
  void leave(CK_RV rv) noexcept;
  Shared* shared_;
};

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>

#include "providers/pkcs11/cryptoki.hpp"

namespace jwekms::pkcs11 {

/// Whether a slot's PIN was refused, in memory that this process shares with all that it forks: one
/// of them tries the PIN at a time, and once refused nobody tries it again, as tokens lock after a
/// few. Thread-safe.
class PinTries {
 public:
  PinTries();
  PinTries(const PinTries&) = delete;
  PinTries& operator=(const PinTries&) = delete;
  ~PinTries();

  [[nodiscard]] bool refused() const noexcept;

  /// The answer of `log_in`, which calls C_Login; CKR_PIN_INCORRECT without a call after a refusal;
  /// CKR_DEVICE_ERROR when another process has been at it for too long.
  template <std::invocable LogIn>
  [[nodiscard]] CK_RV run(LogIn log_in) noexcept {
    if (!enter()) return CKR_DEVICE_ERROR;
    const CK_RV rv = refused() ? CKR_PIN_INCORRECT : log_in();
    leave(rv);
    return rv;
  }

 private:
  struct Shared;
  [[nodiscard]] bool enter() noexcept;
  void leave(CK_RV rv) noexcept;
  Shared* shared_;
};

}  // namespace jwekms::pkcs11

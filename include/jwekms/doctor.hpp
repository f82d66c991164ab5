// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the HSM at hand can do.

#include <cstdint>
#include <string>
#include <vector>

#include "jwekms/export.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/result.hpp"

namespace jwekms {

/// How a finding is to be read. New values may come.
enum class HsmVerdict : std::uint8_t {
  fact = 1,     ///< `how` is what the token says of itself.
  can = 2,      ///< `how` is by what call or mechanism.
  cannot = 3,   ///< `how` is the CKR_... code, `means` what follows.
  warning = 4,  ///< `how` is what was seen, `means` what to do about it.
};

/// One thing about a token.
struct HsmFinding {
  std::uint64_t slot = 0;  ///< HsmSlot::number.
  /// Says what `how` and `means` are.
  HsmVerdict verdict = HsmVerdict::fact;
  /// Such as "RSA-OAEP-256: decrypt, CEK in the HSM". The texts stay the same.
  std::string what{};
  std::string how{};    ///< As the verdict has it.
  std::string means{};  ///< Empty where nothing follows.
  /// HsmOptions::cek_boundary cannot do without it, under the default policy.
  bool needed = false;
};

/// Tries out what each slot of an HSM can do, with keys that are made for it and destroyed again,
/// and tells what that means for this library. Takes seconds, or minutes on a small card. A slot
/// that is out of reach is an error, and never a finding that it cannot do something. Thread-safe.
/// Errors: bad_request (options), unavailable (module or token out of reach, or a PIN refused,
/// which is not tried again), internal_error.
[[nodiscard]] JWEKMS_API Result<std::vector<HsmFinding>> doctor(const HsmOptions& options);

}  // namespace jwekms

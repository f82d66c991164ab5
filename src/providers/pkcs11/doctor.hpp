// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crypto/library.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/result.hpp"

namespace jwekms::pkcs11 {

/// One thing that a token can or cannot do.
struct Finding {
  std::uint64_t slot = 0;
  std::string what{};
  bool can = false;
  std::string how{};    ///< How it does it; or the CKR code of the failure.
  std::string means{};  ///< What follows from a failure; empty when there is none.
};

/// Tries out what each slot of an HSM can do, with keys that are made for it and destroyed again.
/// Errors: those of open_hsms.
[[nodiscard]] Result<std::vector<Finding>> examine(
    const std::shared_ptr<const crypto::Library>& library, const HsmOptions& options);

/// The same as a text for people.
[[nodiscard]] Result<std::string> doctor(const HsmOptions& options);

}  // namespace jwekms::pkcs11

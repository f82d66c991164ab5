// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/call.hpp"
#include "jwekms/kms.hpp"

namespace jwekms::core {

// Kms::decrypt and Kms::encrypt as parts of a call.

[[nodiscard]] Result<std::size_t> decrypt(Call& call, std::string_view token,
                                          std::span<std::uint8_t> out,
                                          const DecryptOptions& options);
[[nodiscard]] Result<std::size_t> encrypt(Call& call, std::span<const std::uint8_t> plaintext,
                                          std::span<char> out, const EncryptOptions& options);

}  // namespace jwekms::core

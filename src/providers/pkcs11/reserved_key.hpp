// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "jwekms/result.hpp"
#include "providers/pkcs11/token_slot.hpp"

namespace jwekms::pkcs11 {

inline constexpr Error reserved_key{Errc::forbidden, 0,
                                    "the key wraps the database's key-encryption key"};

/// The key of a token that wraps a database's key-encryption key. It serves no JWE, whatever UID
/// leads to it and however its slot is described, and is not destroyed here. Written once, before
/// anybody else has it.
struct ReservedKey {
  std::string uid{};  ///< Empty: there is none. An HSM that takes another's place has its UIDs.
  TokenSlot::Name token{};
  std::string label{};

  /// @param slot  has run an operation in this process: before, nobody knows its token.
  [[nodiscard]] bool is(TokenSlot& slot, std::string_view its_uid,
                        const std::string& its_label) const {
    return !uid.empty() && (uid == its_uid || (label == its_label && slot.token() == token));
  }
};

}  // namespace jwekms::pkcs11

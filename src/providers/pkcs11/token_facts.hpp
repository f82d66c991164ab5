// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "providers/pkcs11/token_slot.hpp"

namespace jwekms::pkcs11 {

/// What a module and a token say of themselves: name and value, for people. Mechanisms that this
/// library uses are among them, whether they are offered or not.
using TokenFacts = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Step read_token_facts(const Session& session, TokenFacts& facts);

}  // namespace jwekms::pkcs11

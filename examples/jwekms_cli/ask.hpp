// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bytes.hpp"

/// Questions to whoever sits at the terminal.
namespace cli {

/// Reads a passphrase from the terminal, without echo. Fails where there is no terminal.
/// @param otherwise  for people: how else to give it.
[[nodiscard]] Bytes ask_passphrase(const char* prompt, const std::string& otherwise);

/// Asks yes or no; "no" is the default. Fails where nobody is there to ask.
[[nodiscard]] bool ask_yes(const std::string& question, const std::string& otherwise);

}  // namespace cli

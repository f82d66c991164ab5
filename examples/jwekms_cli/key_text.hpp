// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "jwekms/provider.hpp"
#include "session.hpp"

/// Keys, and the words for what they are, on a command line and in output.
namespace cli {

/// The names of what is implemented.
[[nodiscard]] std::vector<std::string> alg_names();
[[nodiscard]] std::vector<std::string> enc_names();
/// Preconditions: names out of those.
[[nodiscard]] jwekms::AlgSet algs_of(const std::vector<std::string>& names);
[[nodiscard]] std::optional<jwekms::Enc> enc_of(const std::string& name);

/// A key as the REST API shows it.
[[nodiscard]] JsonObject json_of(const jwekms::KeyInfo& info);
/// Lines of "what  value".
[[nodiscard]] std::string lines_of(const jwekms::KeyInfo& info);
/// A row of a list, and what stands above it. The name is last: its length knows no bound.
[[nodiscard]] std::string list_head();
[[nodiscard]] std::string list_row(const jwekms::KeyInfo& info);

/// What a command prints that has made a key: its UID, or the whole of it as JSON.
void print_new_key(const Session& session, const jwekms::KeyInfo& info);

}  // namespace cli

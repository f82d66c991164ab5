// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "config/table.hpp"
#include "jwekms/config.hpp"

namespace jwekms::config {

/// parse_config() that also says which keys it knows.
[[nodiscard]] Result<Config> read_config(std::string_view text, Document& document);

/// What becomes of jwekms::open: HSMs, database, policy.
void read_kms(Table& root, Options& out);

}  // namespace jwekms::config

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/table.hpp"
#include "jwekms/config.hpp"

namespace jwekms::config {

/// The listener, who may come in, and the audit log.
void read_server(Table& root, Config& out);

}  // namespace jwekms::config

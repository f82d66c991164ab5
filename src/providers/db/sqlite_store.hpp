// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "jwekms/result.hpp"
#include "providers/db/store.hpp"

namespace jwekms::db {

/// A store in one SQLite file, which is made if there is none. Several processes may share it.
/// @param busy_timeout  wait for another process's write.
/// Errors: bad_request (path), unavailable, internal_error (damaged, foreign, or too new).
[[nodiscard]] Result<std::shared_ptr<Store>> open_sqlite_store(
    const std::string& path, std::chrono::milliseconds busy_timeout);

}  // namespace jwekms::db

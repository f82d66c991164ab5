// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "providers/db/store.hpp"

namespace jwekms::db {

/// A store in one SQLite file. Several processes may share it.
/// @param busy_timeout  wait for another process's write.
/// @param sharing       alone: nobody else can open it meanwhile, and it cannot be opened while
///                      somebody else has it open: unavailable.
[[nodiscard]] std::shared_ptr<Store> make_sqlite_store(const std::string& path,
                                                       std::chrono::milliseconds busy_timeout,
                                                       Sharing sharing = Sharing::many);

}  // namespace jwekms::db

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "jwekms/jwekms.hpp"

namespace fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// A folder that goes with the process.
struct Folder {
  char path[32] = "/tmp/jwekms-fuzz-XXXXXX";
  Folder() { require(mkdtemp(path) != nullptr); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
};

/// A Kms over a database of this process alone.
inline jwekms::Kms open_kms(const Folder& folder) {
  jwekms::Options options;
  options.database.path = std::string(folder.path) + "/keys.db";
  options.policy = jwekms::Policy::permissive();
  options.on_warning = [](std::string_view) {};
  return jwekms::open(options).value();
}

}  // namespace fuzz

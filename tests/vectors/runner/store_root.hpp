// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

namespace vectors {

/// Where key stores are made: in a directory that the user names, which keeps them to be looked at,
/// or in one of our own, which is removed.
class StoreRoot {
 public:
  explicit StoreRoot(const std::optional<std::filesystem::path>& wanted)
      : temporary_(!wanted),
        path_(wanted ? *wanted : unique_in(std::filesystem::temp_directory_path())) {
    std::filesystem::create_directories(path_);
  }
  ~StoreRoot() {
    std::error_code ignored;
    if (temporary_) std::filesystem::remove_all(path_, ignored);
  }
  StoreRoot(const StoreRoot&) = delete;
  StoreRoot& operator=(const StoreRoot&) = delete;

  /// A new directory for one store.
  [[nodiscard]] std::filesystem::path fresh() const { return unique_in(path_); }

 private:
  [[nodiscard]] static std::filesystem::path unique_in(const std::filesystem::path& parent) {
    std::string name = parent / "jwekms-vectors-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error(name + ": cannot be made");
    return name;
  }

  bool temporary_;
  std::filesystem::path path_;
};

}  // namespace vectors

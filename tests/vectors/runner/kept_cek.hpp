// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "backend.hpp"
#include "jwekms/provider.hpp"

namespace vectors {

/// Tries keys that unwrap kept on the very content that they were wrapped with. The public
/// interface cannot: a kept CEK serves `dir` tokens, whose headers, and so whose authenticated
/// data, are others. So this looks into the key database with the library's own provider.
class KeptCek {
 public:
  /// Throws std::runtime_error when the database cannot be opened.
  explicit KeptCek(const std::filesystem::path& database);

  /// Never throws: what goes wrong is the answer's code.
  [[nodiscard]] Answer decrypt(std::string_view token, std::string_view uid,
                               std::string_view enc) const;

 private:
  std::shared_ptr<jwekms::KeyProvider> provider_;
};

}  // namespace vectors

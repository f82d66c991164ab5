// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend.hpp"
#include "kept_cek.hpp"
#include "vector_file.hpp"

namespace vectors {

struct Totals {
  std::size_t passed = 0, failed = 0, skipped = 0;
};

/// One file under one policy: every case through every interface of the library.
class Run {
 public:
  /// Imports the file's keys into databases in `store`, one for each interface.
  Run(const VectorFile& file, PolicyKind policy, const std::filesystem::path& store,
      const std::vector<Exception>& exceptions);

  /// Prints a line of JSON for each case, and for one that fails another to standard error.
  /// @param name_policy  for when both policies are run.
  void print_all(bool name_policy, Totals& totals);

 private:
  struct Client {
    std::unique_ptr<Backend> backend;
    std::unique_ptr<KeptCek> kept;
    std::map<std::string, std::string> refused_keys;  ///< By kid: the code of the failed import.
  };
  struct Finding {
    Answer answer;                      ///< Of the first interface; all must agree.
    std::vector<std::string> problems;  ///< None: the case passes.
    bool is_exception = false;
  };

  [[nodiscard]] Client connect(std::unique_ptr<Backend> backend,
                               const std::filesystem::path& database) const;
  [[nodiscard]] Answer ask(const Client& client, const Case& c) const;
  [[nodiscard]] Finding judge(const Case& c) const;
  [[nodiscard]] const Exception* exception_for(const Case& c) const;

  const VectorFile& file_;
  PolicyKind policy_;
  const std::vector<Exception>& exceptions_;
  std::vector<Client> clients_;
};

}  // namespace vectors

// SPDX-License-Identifier: Apache-2.0
// Runs files of token vectors through the library's C++ and C interfaces, which must agree.
#include <exception>
#include <iostream>
#include <optional>

#include "run.hpp"
#include "store_root.hpp"

namespace {

using namespace vectors;

constexpr const char* usage =
    "usage: jwekms-vectors [--policy all|default] [--store DIR] [--exceptions FILE] FILE...\n"
    "  --policy      under this policy alone; else each file is run under both\n"
    "  --store       make the key stores in DIR and keep them there\n"
    "  --exceptions  vectors in which this project's rules differ\n";

struct Arguments {
  std::vector<PolicyKind> policies{PolicyKind::all, PolicyKind::by_default};
  std::optional<std::filesystem::path> store;
  std::vector<Exception> exceptions;
  std::vector<std::string> files;
};

[[nodiscard]] std::optional<Arguments> read_arguments(const std::vector<std::string>& words) {
  Arguments a;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with("--")) {
      a.files.push_back(word);
      continue;
    }
    if (++i == words.size()) return std::nullopt;
    const std::string& value = words[i];
    if (word == "--policy" && value == "all")
      a.policies = {PolicyKind::all};
    else if (word == "--policy" && value == "default")
      a.policies = {PolicyKind::by_default};
    else if (word == "--store")
      a.store = value;
    else if (word == "--exceptions")
      a.exceptions = read_exceptions(value);
    else
      return std::nullopt;
  }
  if (a.files.empty()) return std::nullopt;
  return a;
}

[[nodiscard]] Totals run_all(const Arguments& a) {
  Totals totals;
  const StoreRoot stores(a.store);
  for (const std::string& path : a.files) {
    const VectorFile file = read_vector_file(path);
    for (const PolicyKind policy : a.policies)
      Run(file, policy, stores.fresh(), a.exceptions).print_all(a.policies.size() > 1, totals);
  }
  return totals;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::optional<Arguments> arguments = read_arguments({argv + 1, argv + argc});
  if (!arguments) {
    std::cerr << usage;
    return 2;
  }
  const Totals totals = run_all(*arguments);
  std::cout << totals.passed << " passed, " << totals.failed << " failed, " << totals.skipped
            << " skipped\n";
  return totals.failed == 0 ? 0 : 1;
} catch (const std::exception& problem) {
  std::cerr << "jwekms-vectors: " << problem.what() << '\n';
  return 1;
}

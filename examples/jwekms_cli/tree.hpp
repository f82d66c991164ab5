// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

/// The command line as data, read from CLI11's tree: what the manual page and the completions are
/// made of.
namespace cli {

struct OptionText {
  std::vector<std::string> names{};  ///< "--output", "-o"; empty for a positional.
  std::string value{};               ///< "FILE", "KID", "jwk|pem"; empty for a flag.
  std::string description{};
  bool required = false;
  bool repeats = false;

  [[nodiscard]] bool positional() const noexcept { return names.empty(); }
  [[nodiscard]] bool takes_file() const { return value == "FILE"; }
  /// The words to choose from; empty: anything.
  [[nodiscard]] std::vector<std::string> words() const;
};

struct CommandText {
  std::vector<std::string> path{};  ///< Empty for the program itself.
  std::string description{};
  std::string details{};  ///< May be empty.
  std::vector<OptionText> options{};
  std::vector<CommandText> commands{};

  [[nodiscard]] std::string name() const { return path.empty() ? "jwekms" : path.back(); }
  /// "jwekms key create".
  [[nodiscard]] std::string line() const;
};

/// Hidden commands are left out.
[[nodiscard]] CommandText read_tree(const CLI::App& app, std::vector<std::string> path = {});

/// A command and all below it, from the top.
template <class Visit>
void for_each_command(const CommandText& top, const Visit& visit) {
  visit(top);
  for (const CommandText& each : top.commands) for_each_command(each, visit);
}

[[nodiscard]] std::string manual_page(const CommandText& top);
[[nodiscard]] std::string bash_completion(const CommandText& top);
[[nodiscard]] std::string zsh_completion(const CommandText& top);
[[nodiscard]] std::string fish_completion(const CommandText& top);

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
#include "tree.hpp"

#include <memory>

#include "commands.hpp"
#include "files.hpp"
#include "text.hpp"

namespace cli {

namespace {

[[nodiscard]] OptionText read_option(const CLI::Option& option) {
  OptionText text{.value = option.get_items_expected_max() == 0 ? "" : option.get_type_name(),
                  .description = option.get_description(),
                  .required = option.get_required(),
                  .repeats = option.get_items_expected_max() > 1};
  for (const std::string& name : option.get_lnames()) text.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) text.names.push_back("-" + name);
  return text;
}

}  // namespace

std::vector<std::string> OptionText::words() const {
  std::vector<std::string> words;
  if (value.find('|') == std::string::npos) return words;
  for (std::size_t from = 0; from <= value.size();) {
    const std::size_t end = std::min(value.find('|', from), value.size());
    words.push_back(value.substr(from, end - from));
    from = end + 1;
  }
  return words;
}

std::string CommandText::line() const {
  return path.empty() ? "jwekms" : "jwekms " + joined(path, " ");
}

CommandText read_tree(const CLI::App& app, std::vector<std::string> path) {
  CommandText command{.description = app.get_description(), .details = app.get_footer()};
  // Help is an option of every command; the program's own stands for all.
  for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; }))
    if (path.empty() || option != app.get_help_ptr())
      command.options.push_back(read_option(*option));
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (each->get_group().empty()) continue;
    std::vector<std::string> below = path;
    below.push_back(each->get_name());
    command.commands.push_back(read_tree(*each, std::move(below)));
  }
  command.path = std::move(path);
  return command;
}

void add_generate_command(CLI::App& app, Session& session) {
  const auto what = std::make_shared<std::string>();
  CLI::App& command = add_command(app, session, "generate",
                                  "Print the manual page or a shell's completion", [&app, what] {
                                    const CommandText top = read_tree(app);
                                    if (*what == "man") write_text(manual_page(top));
                                    if (*what == "bash") write_text(bash_completion(top));
                                    if (*what == "zsh") write_text(zsh_completion(top));
                                    if (*what == "fish") write_text(fish_completion(top));
                                  });
  command.group("");  // hidden: the build calls it
  add_choice(command, "what", *what, {"man", "bash", "zsh", "fish"}, "For what")->required();
}

}  // namespace cli

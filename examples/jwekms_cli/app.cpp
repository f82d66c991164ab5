// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "commands.hpp"
#include "jwekms.h"
#include "text.hpp"

namespace cli {

namespace {

constexpr std::size_t help_column = 36;

/// Says what an option takes, and nothing of how CLI11 sees it.
class Formatter : public CLI::Formatter {
 public:
  Formatter() { column_width(help_column); }
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_items_expected_max() == 0) return {};
    std::string text = ' ' + option->get_type_name();
    if (option->get_items_expected_max() > 1) text += " ...";
    if (option->get_required() && option->nonpositional()) text += " (required)";
    return text;
  }
};

/// The type name shows the words already.
[[nodiscard]] CLI::Validator one_of(const std::vector<std::string>& words) {
  return CLI::Validator(
      [words](const std::string& value) {
        const bool known = std::find(words.begin(), words.end(), value) != words.end();
        return known ? std::string() : "expected " + joined(words, ", ");
      },
      "");
}

}  // namespace

std::unique_ptr<CLI::App> make_app(Session& session) {
  auto app = std::make_unique<CLI::App>(
      "Decrypts JWE tokens with keys that nobody can read, in a database or an HSM.", "jwekms");
  app->formatter(std::make_shared<Formatter>());
  app->set_help_flag("-h,--help", "Show help, also for a command");
  app->set_version_flag("--version", std::string("jwekms ") + jwekms_version_string(),
                        "Show the version");
  app->require_subcommand(1);

  CLI::Option* config = add_file(
      *app, "--config,-c", session.config_path,
      "Configuration: where the keys are, and the policy\n(default: what JWEKMS_CONFIG names)");
  CLI::Option* database = add_file(*app, "--database,-d", session.database_path,
                                   "Database of keys, instead of a configuration");
  database->excludes(config);
  app->add_option("--as", session.principal,
                  "Act for a principal, with their rights; else as the host, who may do everything")
      ->type_name("PRINCIPAL");
  app->add_flag("--json", session.json, "One JSON object per result, and per error");

  add_key_commands(*app, session);
  add_token_commands(*app, session);
  add_kept_key_commands(*app, session);
  add_access_commands(*app, session);
  add_hsm_commands(*app, session);
  add_kek_commands(*app, session);
  add_server_commands(*app, session);
  add_generate_command(*app, session);
  app->footer("The manual page, jwekms(1), has exit codes and examples.");  // commands inherit it
  return app;
}

CLI::App& add_command(CLI::App& parent, Session& session, const std::string& name,
                      const std::string& description, std::function<void()> run) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->fallthrough();  // the global options may stand behind the command
  command->callback([&session, run = std::move(run)] { session.run = run; });
  return *command;
}

CLI::Option* add_file(CLI::App& command, const std::string& name, std::string& value,
                      const std::string& description) {
  return command.add_option(name, value, description)->type_name("FILE");
}

CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& words, const std::string& description) {
  return command.add_option(name, value, description)
      ->type_name(joined(words, "|"))
      ->check(one_of(words));
}

CLI::Option* add_choices(CLI::App& command, const std::string& name,
                         std::vector<std::string>& values, const std::vector<std::string>& words,
                         const std::string& description) {
  return add_several(command, name, values, joined(words, "|"), description)->check(one_of(words));
}

CLI::Option* add_several(CLI::App& command, const std::string& name,
                         std::vector<std::string>& values, const std::string& type,
                         const std::string& description) {
  return command.add_option(name, values, description)->type_name(type)->allow_extra_args(false);
}

}  // namespace cli

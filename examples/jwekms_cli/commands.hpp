// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "session.hpp"

namespace cli {

/// The whole command line, its parts bound to a session.
[[nodiscard]] std::unique_ptr<CLI::App> make_app(Session& session);

// One function for each group of commands.
void add_key_commands(CLI::App& app, Session& session);
void add_new_key_commands(CLI::App& key, Session& session);
void add_token_commands(CLI::App& app, Session& session);
void add_kept_key_commands(CLI::App& app, Session& session);
void add_access_commands(CLI::App& app, Session& session);
void add_hsm_commands(CLI::App& app, Session& session);
void add_kek_commands(CLI::App& app, Session& session);
void add_server_commands(CLI::App& app, Session& session);
void add_generate_command(CLI::App& app, Session& session);

/// A command that, when it is the one chosen, becomes Session::run.
CLI::App& add_command(CLI::App& parent, Session& session, const std::string& name,
                      const std::string& description, std::function<void()> run);

// Options say what their value is: "FILE", or the words to choose from as "one|other", which are
// checked. Help, manual page and completions show it.
CLI::Option* add_file(CLI::App& command, const std::string& name, std::string& value,
                      const std::string& description);
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& words, const std::string& description);
CLI::Option* add_choices(CLI::App& command, const std::string& name,
                         std::vector<std::string>& values, const std::vector<std::string>& words,
                         const std::string& description);
/// May be given several times, one value each.
CLI::Option* add_several(CLI::App& command, const std::string& name,
                         std::vector<std::string>& values, const std::string& type,
                         const std::string& description);

}  // namespace cli

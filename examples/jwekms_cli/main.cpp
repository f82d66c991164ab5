// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include "commands.hpp"
#include "failure.hpp"
#include "json.hpp"
#include "text.hpp"

namespace {

using cli::Failure;
using cli::Session;

/// Payloads and keys pass through this process.
void leave_no_core() noexcept {
  const rlimit none{0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
}

void print_error(const std::string& line) {
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

[[nodiscard]] std::string_view error_name(const Failure& failure) {
  if (failure.code) return jwekms::name(*failure.code);
  return failure.exit == cli::exit_usage ? "usage" : "failed";
}

void report_json(const Failure& failure) {
  for (const std::string& text : failure.texts)
    print_error(
        cli::JsonObject().text("error", error_name(failure)).text("description", text).line());
}

void report(const Failure& failure, const Session& session) {
  if (session.json) return report_json(failure);
  for (const std::string& text : failure.texts) {
    std::string line = "jwekms: " + text;
    if (failure.code) line.append(" (").append(error_name(failure)).append(")");
    print_error(line + '\n');
  }
  std::string hint = failure.hint;
  if (hint.empty() && failure.code) hint = cli::usual_hint(*failure.code, session.principal);
  if (!hint.empty() && !failure.texts.empty()) print_error(hint + '\n');
}

/// The deepest command that was named, for "--help" of it.
[[nodiscard]] std::string help_of(const CLI::App& app) {
  std::string line = app.get_name();
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    line += ' ' + at->get_name();
  }
  return "See '" + line + " --help'.";
}

[[nodiscard]] int run(CLI::App& app, Session& session, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& shown) {  // --help, --version
    return app.exit(shown);
  } catch (const CLI::ParseError& error) {
    // What was read of the command line may end before the flag.
    session.json = std::any_of(argv, argv + argc,
                               [](const char* word) { return std::strcmp(word, "--json") == 0; });
    cli::fail_usage(cli::shown(error.what()), help_of(app));
  }
  if (session.config_path.empty() && session.database_path.empty())
    if (const char* path = std::getenv("JWEKMS_CONFIG")) session.config_path = path;
  session.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  leave_no_core();
  Session session;
  try {
    const std::unique_ptr<CLI::App> app = cli::make_app(session);
    return run(*app, session, argc, argv);
  } catch (const Failure& failure) {
    report(failure, session);
    return failure.exit;
  } catch (const std::exception& error) {
    report({.texts = {error.what()}}, session);
    return cli::exit_failed;
  }
}

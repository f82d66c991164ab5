// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <cstdio>
#include <filesystem>

#include "failure.hpp"
#include "json.hpp"
#include "jwekms/open.hpp"
#include "text.hpp"

namespace cli {

jwekms::Config Session::load_config() const {
  if (config_path.empty())
    fail_usage("no configuration is named", "Say --config FILE, or set JWEKMS_CONFIG.");
  std::vector<jwekms::ConfigProblem> problems;
  jwekms::Result<jwekms::Config> config = jwekms::load_config(config_path, problems);
  if (!config) fail_config(config.error(), problems);
  for (const std::string& warning : config->warnings) warn(warning);
  return *std::move(config);
}

jwekms::Options Session::options() const {
  jwekms::Options options;
  if (!database_path.empty())
    options.database.path = database_path;
  else if (!config_path.empty())
    options = load_config().kms;
  else
    fail_usage("where are the keys?",
               "Say --config FILE, set JWEKMS_CONFIG, or say --database PATH.");
  options.on_warning = [this](std::string_view text) { warn(text); };
  return options;
}

jwekms::Kms Session::open(Database database) const { return open(options(), database); }

jwekms::Kms Session::open(const jwekms::Options& options, Database database) const {
  std::error_code ignored;
  if (!database_path.empty() && database == Database::must_exist &&
      !std::filesystem::exists(database_path, ignored))
    throw Failure{.exit = exit_code(jwekms::Errc::not_found),
                  .code = jwekms::Errc::not_found,
                  .texts = {in_quotes(database_path) + ": no such database"},
                  .hint = "'jwekms key create' and 'jwekms key import' make one."};
  jwekms::Kms kms = take(jwekms::open(options));
  return principal.empty() ? std::move(kms) : take(kms.on_behalf_of(principal), principal);
}

void Session::warn(std::string_view text) const {
  const std::string line =
      json ? JsonObject().text("warning", text).line() : "jwekms: warning: " + shown(text) + '\n';
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

void fail_config(const jwekms::Error& error, const std::vector<jwekms::ConfigProblem>& problems) {
  Failure failure{.exit = exit_code(error.code), .code = error.code};
  for (const jwekms::ConfigProblem& problem : problems)
    failure.texts.push_back(shown(problem.text));
  failure.hint = "The annotated example, jwekms.toml, has every key.";
  throw failure;
}

}  // namespace cli

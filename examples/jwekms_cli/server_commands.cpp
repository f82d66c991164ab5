// SPDX-License-Identifier: Apache-2.0
// For whoever runs a server: its configuration, its API tokens, itself.
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "commands.hpp"
#include "failure.hpp"
#include "files.hpp"
#include "json.hpp"
#include "jwekms/access.hpp"
#include "jwekms/base64url.hpp"
#include "text.hpp"

namespace cli {

using namespace jwekms;

namespace {

void print_check_json(const std::vector<ConfigProblem>& problems,
                      const std::vector<std::string>& warnings) {
  std::string list;
  for (const ConfigProblem& problem : problems) {
    std::string line = JsonObject().number("line", problem.line).text("text", problem.text).line();
    line.pop_back();
    list += (list.empty() ? "" : ",") + line;
  }
  JsonObject result;
  result.boolean("valid", problems.empty()).raw("problems", '[' + list + ']');
  write_text(result.texts("warnings", warnings).line());
}

void check(const Session& session, const std::string& file) {
  const std::string& path = file.empty() ? session.config_path : file;
  if (path.empty()) fail_usage("no configuration is named", "Say: jwekms check FILE");
  std::vector<ConfigProblem> problems;
  const Result<Config> config = jwekms::load_config(path, problems);
  const std::vector<std::string> warnings = config ? config->warnings : std::vector<std::string>();
  if (session.json) print_check_json(problems, warnings);
  if (!config) fail_config(config.error(), problems);
  if (session.json) return;
  for (const std::string& warning : warnings) session.warn(warning);
  write_text(shown(path) + ": ok\n");
}

void add_check(CLI::App& app, Session& session) {
  const auto file = std::make_shared<std::string>();
  CLI::App& command = add_command(app, session, "check", "Say what is wrong with a configuration",
                                  [&session, file] { check(session, *file); });
  add_file(command, "file", *file, "The configuration; default: that of --config");
  command.footer(
      "Reads it and starts nothing. Each problem has its file and line, and what was "
      "expected there.");
}

/// Beside this program, as installed; else from PATH.
[[nodiscard]] std::string server_program() {
  constexpr const char* name = "jwekms-server";
  std::error_code failed;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failed);
  const std::filesystem::path beside = self.parent_path() / name;
  return !failed && access(beside.c_str(), X_OK) == 0 ? beside.string() : name;
}

void serve(const Session& session, bool insecure) {
  if (session.config_path.empty())
    fail_usage("the server needs a configuration", "Say --config FILE, or set JWEKMS_CONFIG.");
  if (!session.principal.empty()) fail_usage("--as is for commands, not for a server");
  std::string program = server_program();
  // A path that begins with "-" would be an option.
  std::string config = (session.config_path.starts_with('-') ? "./" : "") + session.config_path;
  std::string flag = "--insecure";
  std::vector<char*> arguments{program.data()};
  if (insecure) arguments.push_back(flag.data());
  arguments.push_back(config.data());
  arguments.push_back(nullptr);
  (void)execvp(program.c_str(), arguments.data());
  fail("cannot start " + program + ": " + std::strerror(errno),
       "It is installed beside jwekms, or found by PATH.");
}

void add_serve(CLI::App& app, Session& session) {
  const auto insecure = std::make_shared<bool>(false);
  CLI::App& command = add_command(app, session, "serve", "Start jwekms-server in this one's place",
                                  [&session, insecure] { serve(session, *insecure); });
  command.add_flag("--insecure", *insecure,
                   "Listen on the network even without TLS or authentication");
}

constexpr std::size_t max_token_bytes = 4096;
constexpr std::string_view token_mark = "jwekms_";

/// 256 random bits.
[[nodiscard]] Bytes new_token() {
  Bytes random(32);
  if (RAND_priv_bytes(random.data(), static_cast<int>(random.size())) != 1) fail("no random bytes");
  Bytes token(token_mark.size() + base64url::encoded_size(random.size()));
  std::ranges::copy(token_mark, token.begin());
  base64url::encode_secret(random, chars_of(token).data() + token_mark.size());
  return token;
}

[[nodiscard]] std::string sha256_hex(std::span<const std::uint8_t> bytes) {
  std::array<std::uint8_t, 32> digest{};
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, bytes.data(), bytes.size(), digest.data(),
                   nullptr) != 1)
    fail("no SHA-256");
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const std::uint8_t byte : digest) (hex += digits[byte >> 4]) += digits[byte & 15];
  return hex;
}

struct HashTokenArgs {
  std::string principal{};
  std::string token_file{};
  std::string output{};
};

/// The token, for its owner, and the lines of the configuration, for the server, never go the same
/// way unless somebody is watching.
void hash_token(const Session& session, const HashTokenArgs& args) {
  take(check_principal(args.principal), args.principal);
  const bool is_new = args.token_file.empty();
  if (is_new && args.output.empty() && !session.json && !output_is_terminal())
    fail_usage("the token would end up beside its hash",
               "Say --output FILE to have the token there, mode 0600.");
  Bytes token = is_new ? new_token() : read_input(args.token_file, max_token_bytes);
  if (!is_new) {
    while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
    if (token.size() < 16) fail_usage("the token is shorter than 16 characters: it can be guessed");
  }
  const std::string hash = sha256_hex(token);
  const bool show = is_new && args.output.empty();
  if (session.json) {
    std::string line = JsonObject().text("principal", args.principal).text("sha256", hash).line();
    if (show) {
      line.resize(line.size() - 2);  // "}" and the newline
      write_text(line + ",\"token\":\"");
      write_output("-", token);
      line = "\"}\n";
    }
    write_text(line);
  } else {
    if (show) {
      write_text("The token, which is kept nowhere:\n");
      write_output("-", token);
      write_text("\n\n");
    }
    write_text("[[auth.tokens]]\nprincipal = " + json_string(args.principal) + "\nsha256 = \"" +
               hash + "\"\n");
  }
  if (is_new && !args.output.empty()) {
    token.push_back('\n');
    write_output(args.output, token);
  }
}

void add_hash_token(CLI::App& app, Session& session) {
  const auto args = std::make_shared<HashTokenArgs>();
  CLI::App& command =
      add_command(app, session, "hash-token",
                  "Make an API token; prints its hash as the configuration takes it",
                  [&session, args] { hash_token(session, *args); });
  command.add_option("principal", args->principal, "Whom the server takes its bearer for")
      ->type_name("PRINCIPAL")
      ->required();
  CLI::Option* token = add_file(command, "--token", args->token_file,
                                "Hash the token in this file (\"-\": standard input), make none");
  add_file(command, "--output,-o", args->output, "Where the new token goes (mode 0600)")
      ->excludes(token);
}

}  // namespace

void add_server_commands(CLI::App& app, Session& session) {
  add_check(app, session);
  add_serve(app, session);
  add_hash_token(app, session);
}

}  // namespace cli

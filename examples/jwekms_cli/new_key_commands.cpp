// SPDX-License-Identifier: Apache-2.0
// Keys that are made here, and keys from elsewhere.
#include <cstdlib>

#include "ask.hpp"
#include "commands.hpp"
#include "failure.hpp"
#include "files.hpp"
#include "key_text.hpp"
#include "text.hpp"

namespace cli {

using namespace jwekms;

namespace {

constexpr std::size_t max_key_file_bytes = std::size_t{1} << 20;

/// What `create` and `import` have in common.
struct NewKey {
  std::string uid{};
  std::vector<std::string> algs{};
  std::string enc{};
  std::vector<std::string> aliases{};
  std::string owner{};
};

void add_new_key_options(CLI::App& command, NewKey& key) {
  command
      .add_option("--uid", key.uid,
                  "Its name, the kid of tokens; hsm::MODEL::SLOT::LABEL is in an HSM")
      ->type_name("UID");
  add_choices(command, "--alg", key.algs, alg_names(), "Serve this alg alone; repeatable");
  add_choice(command, "--enc", key.enc, enc_names(), "Symmetric keys: serve this enc alone");
  add_several(command, "--alias", key.aliases, "ALIAS", "Another name; repeatable");
  command.add_option("--owner", key.owner, "The principal whom it belongs to")
      ->type_name("PRINCIPAL");
}

void add_create(CLI::App& key, Session& session) {
  struct Args {
    NewKey key{};
    std::string type = "rsa";
    std::uint32_t bits = 0;
  };
  const auto args = std::make_shared<Args>();
  CLI::App& command =
      add_command(key, session, "create", "Make a key; prints its UID", [&session, args] {
        const CreateKey request{.uid = args->key.uid,
                                .type = args->type == "oct" ? KeyType::oct : KeyType::rsa,
                                .bits = args->bits,
                                .algs = algs_of(args->key.algs),
                                .enc = enc_of(args->key.enc),
                                .aliases = args->key.aliases,
                                .owner = args->key.owner};
        const Kms kms = session.open(Session::Database::may_be_made);
        print_new_key(session, take(kms.create_key(request), request.uid));
      });
  add_new_key_options(command, args->key);
  add_choice(command, "--type", args->type, {"rsa", "oct"}, "A key pair, or a symmetric key");
  command.add_option("--bits", args->bits, "RSA: 2048 (default), 3072 or 4096")->type_name("N");
  command.footer("A symmetric key has the size that its --enc needs; A256GCM when there is none.");
}

struct ImportArgs {
  NewKey key{};
  std::string file = "-";
  std::string format{};
  std::string passphrase_file{};
  std::string passphrase_env{};
};

/// What a file begins with tells a JWK and PEM; nothing tells DER and bare bytes apart for sure.
[[nodiscard]] KeyFormat format_of(const ImportArgs& args, std::span<const std::uint8_t> data) {
  if (args.format == "jwk") return KeyFormat::jwk;
  if (args.format == "pem") return KeyFormat::pem;
  if (args.format == "der") return KeyFormat::der;
  if (args.format == "raw") return KeyFormat::raw;
  const std::string_view text = trimmed(text_of(data));
  if (text.starts_with('{')) return KeyFormat::jwk;
  if (text.starts_with("-----BEGIN ")) return KeyFormat::pem;
  fail_usage("this is neither a JWK nor PEM", "Say --format der, or --format raw.");
}

/// Without its last newline.
void chomp(Bytes& line) {
  if (!line.empty() && line.back() == '\n') line.pop_back();
  if (!line.empty() && line.back() == '\r') line.pop_back();
}

[[nodiscard]] Bytes read_passphrase(const ImportArgs& args, std::string_view pem) {
  if (!args.passphrase_file.empty()) {
    if (args.passphrase_file == "-" && args.file == "-")
      fail_usage("the key and its passphrase cannot both come from standard input");
    Bytes passphrase = read_input(args.passphrase_file, max_key_file_bytes);
    chomp(passphrase);
    return passphrase;
  }
  if (!args.passphrase_env.empty()) {
    const char* value = std::getenv(args.passphrase_env.c_str());
    if (value == nullptr) fail_usage("the environment has no " + in_quotes(args.passphrase_env));
    const std::span<const std::uint8_t> bytes = bytes_of(value);
    return Bytes(bytes.begin(), bytes.end());
  }
  // PKCS#8 says so in its first line, PKCS#1 in a header (RFC 1421 §4.6.1.1).
  if (pem.find("ENCRYPTED") == std::string_view::npos) return {};
  return ask_passphrase("Passphrase of the key: ",
                        "Say --passphrase-file FILE or --passphrase-env NAME.");
}

void import(const Session& session, const ImportArgs& args) {
  const Bytes data = read_input(args.file, max_key_file_bytes);
  const KeyFormat format = format_of(args, data);
  const Bytes passphrase =
      format == KeyFormat::pem ? read_passphrase(args, text_of(data)) : Bytes();
  const Kms kms = session.open(Session::Database::may_be_made);
  print_new_key(session, take(kms.import_key({.format = format,
                                              .data = data,
                                              .passphrase = passphrase,
                                              .uid = args.key.uid,
                                              .algs = algs_of(args.key.algs),
                                              .enc = enc_of(args.key.enc),
                                              .aliases = args.key.aliases,
                                              .owner = args.key.owner}),
                              args.key.uid));
}

void add_import(CLI::App& key, Session& session) {
  const auto args = std::make_shared<ImportArgs>();
  CLI::App& command =
      add_command(key, session, "import", "Take in a key from elsewhere; prints its UID",
                  [&session, args] { import(session, *args); });
  add_file(command, "file", args->file, "The key; standard input when absent or \"-\"");
  add_new_key_options(command, args->key);
  add_choice(command, "--format", args->format, {"jwk", "pem", "der", "raw"},
             "When the file does not tell: der or raw");
  CLI::Option* file = add_file(command, "--passphrase-file", args->passphrase_file,
                               "Where the passphrase of an encrypted PEM is");
  command
      .add_option("--passphrase-env", args->passphrase_env,
                  "Environment variable that has the passphrase")
      ->type_name("NAME")
      ->excludes(file);
  command.footer(
      "A private or symmetric JWK, PKCS#8 or PKCS#1 in PEM or DER, or the bytes of a symmetric "
      "key. "
      "A passphrase that is neither in a file nor in the environment is asked for. The file is "
      "left "
      "as it is: destroy it.");
}

}  // namespace

void add_new_key_commands(CLI::App& key, Session& session) {
  add_create(key, session);
  add_import(key, session);
}

}  // namespace cli

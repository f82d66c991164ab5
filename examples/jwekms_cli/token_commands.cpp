// SPDX-License-Identifier: Apache-2.0
// Tokens in and out.
#include <algorithm>

#include "commands.hpp"
#include "failure.hpp"
#include "files.hpp"
#include "json.hpp"
#include "jwekms/base64url.hpp"
#include "key_text.hpp"
#include "text.hpp"
#include "token_text.hpp"

namespace cli {

using namespace jwekms;

namespace {

constexpr std::size_t max_aad_bytes = std::size_t{1} << 20;

struct DecryptArgs {
  std::string file = "-";
  std::string key{};
  std::string output{};  ///< Empty: standard output, with an eye on what a terminal can take.
};

void add_input(CLI::App& command, std::string& file, const char* what) {
  add_file(command, "file", file, std::string(what) + "; standard input when absent or \"-\"");
}

void add_output(CLI::App& command, std::string& output) {
  add_file(command, "--output,-o", output, "Write to a file (mode 0600), not to standard output");
}

void add_key_option(CLI::App& command, std::string& key) {
  command.add_option("--key,-k", key, "Key to use; default: the token's kid")->type_name("KID");
}

/// A payload goes out byte for byte; on a terminal it must be text, and gets its last newline.
void print_payload(const DecryptArgs& args, std::span<const std::uint8_t> payload) {
  if (!args.output.empty()) return write_output(args.output, payload);
  if (!output_is_terminal()) return write_output("-", payload);
  if (!is_text(payload))
    fail("the payload is not text that is safe on a terminal",
         "Say --output FILE, or --output - if it must be here.");
  write_output("-", payload);
  if (!payload.empty() && payload.back() != '\n') write_text("\n");
}

void print_payload_json(const DecryptArgs& args, std::string_view kid,
                        std::span<const std::uint8_t> payload) {
  const std::string before = "{\"kid\":" + json_string(kid) + ",\"data\":\"";
  constexpr std::string_view after = "\"}\n";
  Bytes line(before.size() + base64url::encoded_size(payload.size()) + after.size());
  const std::span<char> chars = chars_of(line);
  std::ranges::copy(before, chars.begin());
  base64url::encode_secret(payload, chars.data() + before.size());
  std::ranges::copy(after, chars.end() - static_cast<std::ptrdiff_t>(after.size()));
  write_output(args.output.empty() ? "-" : args.output, line);
}

void decrypt(const Session& session, const DecryptArgs& args) {
  const Options options = session.options();
  const Token token = Token::read(args.file, options.policy);
  const std::string kid = args.key.empty() ? token.kid(options.policy) : args.key;
  const Kms kms = session.open(options, Session::Database::must_exist);
  Bytes payload(take(kms.decrypt_bound(token.text())));
  payload.resize(take(kms.decrypt(token.text(), payload, {.key = args.key}), kid));
  session.json ? print_payload_json(args, kid, payload) : print_payload(args, payload);
}

void add_decrypt(CLI::App& app, Session& session) {
  const auto args = std::make_shared<DecryptArgs>();
  CLI::App& command = add_command(app, session, "decrypt", "Decrypt a token; prints the payload",
                                  [&session, args] { decrypt(session, *args); });
  add_input(command, args->file, "The token, compact or JSON");
  add_key_option(command, args->key);
  add_output(command, args->output);
  command.footer(
      "The payload comes out byte for byte. A terminal gets text alone, with a newline "
      "at its end. That a token decrypts says nothing about who made it.");
}

/// The key that a new token is for, and how.
struct TargetArgs {
  std::string to{};
  std::string alg{};
  std::string enc{};
  std::string aad{};  ///< A file.
  bool flattened = false;
  std::string output = "-";
};

void add_target_options(CLI::App& command, TargetArgs& target) {
  command.add_option("--to,-t", target.to, "Key to encrypt to; it becomes the token's kid")
      ->type_name("KID")
      ->required();
  add_choice(command, "--alg", target.alg, alg_names(),
             "Default: RSA-OAEP-256, or what else the key serves");
  add_choice(command, "--enc", target.enc, enc_names(),
             "Default: A256GCM, or what else the key serves");
  add_file(command, "--aad", target.aad, "More data to authenticate; makes the token flattened");
  command.add_flag("--flattened", target.flattened, "A flattened JWE, JSON, not a compact one");
  add_output(command, target.output);
}

template <class Id, class Set>
[[nodiscard]] Id first_allowed(std::initializer_list<Id> by_preference, const Set& allowed) {
  for (const Id id : by_preference)
    if (allowed(id)) return id;
  return *by_preference.begin();  // which the library refuses, and says why
}

/// The algorithms that were asked for, or else the best of what key and policy allow.
void choose_algorithms(const Kms& kms, const TargetArgs& target, EncryptOptions& options) {
  std::optional<Alg> alg;
  if (const AlgRow* named = find_alg(target.alg)) alg = named->id;
  std::optional<Enc> enc = enc_of(target.enc);
  const Policy& policy = kms.policy();
  std::optional<KeyInfo> key;
  if (!alg || (!enc && *alg == Alg::dir)) key = take(kms.describe_key(target.to), target.to);
  if (!alg) {
    alg = first_allowed(key->type == KeyType::oct
                            ? std::initializer_list<Alg>{Alg::dir}
                            : std::initializer_list<Alg>{Alg::RSA_OAEP_256, Alg::RSA_OAEP,
                                                         Alg::RSA_OAEP_384, Alg::RSA_OAEP_512},
                        [&](Alg id) { return policy.algs.contains(id) && key->algs.contains(id); });
  }
  if (!enc) {
    enc = first_allowed({Enc::A256GCM, Enc::A192GCM, Enc::A128GCM}, [&](Enc id) {
      if (*alg != Alg::dir) return policy.encs.contains(id);
      return key->enc ? *key->enc == id : row(id).cek_bytes * 8U == key->bits;
    });
  }
  options.alg = *alg;
  options.enc = *enc;
}

/// The options of a new token; `aad` keeps the bytes that they point to.
[[nodiscard]] EncryptOptions target_options(const Kms& kms, const TargetArgs& target, Bytes& aad) {
  EncryptOptions options{.key = target.to};
  choose_algorithms(kms, target, options);
  if (!target.aad.empty()) {
    aad = read_input(target.aad, max_aad_bytes);
    options.aad = aad;
  }
  if (target.flattened || options.aad) options.serialization = Serialization::flattened;
  return options;
}

void print_token(const Session& session, const Kms& kms, const TargetArgs& target,
                 std::string token) {
  if (token.size() > kms.policy().limits.max_token_bytes)
    fail(Error{Errc::too_large, 0, "the token would be too large to decrypt"}, target.to);
  const bool compact = !token.starts_with('{');
  if (session.json && compact) token = "{\"token\":\"" + token + "\"}";
  write_output(target.output, bytes_of(token += '\n'));
}

void check_one_standard_input(const std::string& file, const std::string& aad) {
  if (file == "-" && aad == "-") fail_usage("only one thing can come from standard input");
}

void encrypt(const Session& session, const std::string& file, const TargetArgs& target) {
  check_one_standard_input(file, target.aad);
  const Options options = session.options();
  const Bytes payload = read_input(file, options.policy.limits.max_token_bytes);
  const Kms kms = session.open(options, Session::Database::must_exist);
  Bytes aad;
  const EncryptOptions to = target_options(kms, target, aad);
  std::string token(kms.encrypt_bound(payload.size(), to), '\0');
  token.resize(take(kms.encrypt(payload, token, to), target.to));
  print_token(session, kms, target, std::move(token));
}

void add_encrypt(CLI::App& app, Session& session) {
  struct Args {
    std::string file = "-";
    TargetArgs target{};
  };
  const auto args = std::make_shared<Args>();
  CLI::App& command = add_command(app, session, "encrypt", "Encrypt a payload; prints the token",
                                  [&session, args] { encrypt(session, args->file, args->target); });
  add_input(command, args->file, "The payload");
  add_target_options(command, args->target);
}

struct ReencryptArgs {
  std::string file = "-";
  std::string key{};
  TargetArgs target{};
};

void reencrypt(const Session& session, const ReencryptArgs& args) {
  check_one_standard_input(args.file, args.target.aad);
  const Options options = session.options();
  const Token token = Token::read(args.file, options.policy);
  const std::string kid = args.key.empty() ? token.kid(options.policy) : args.key;
  const Kms kms = session.open(options, Session::Database::must_exist);
  Bytes aad;
  const EncryptOptions to = target_options(kms, args.target, aad);
  std::string made(take(kms.reencrypt_bound(token.text(), to)), '\0');
  // Either key may be the reason of a failure.
  const std::string about = kid.empty() ? args.target.to : kid + " -> " + args.target.to;
  made.resize(take(kms.reencrypt(token.text(), made, {.key = args.key}, to), about));
  print_token(session, kms, args.target, std::move(made));
}

void add_reencrypt(CLI::App& app, Session& session) {
  const auto args = std::make_shared<ReencryptArgs>();
  CLI::App& command =
      add_command(app, session, "reencrypt", "Encrypt a token's payload to another key, unseen",
                  [&session, args] { reencrypt(session, *args); });
  add_input(command, args->file, "The token, compact or JSON");
  add_key_option(command, args->key);
  add_target_options(command, args->target);
}

}  // namespace

void add_token_commands(CLI::App& app, Session& session) {
  add_decrypt(app, session);
  add_encrypt(app, session);
  add_reencrypt(app, session);
}

}  // namespace cli

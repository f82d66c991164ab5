// SPDX-License-Identifier: Apache-2.0
// Content encryption keys that are unwrapped to stay.
#include <algorithm>

#include "commands.hpp"
#include "failure.hpp"
#include "files.hpp"
#include "jwekms/base64url.hpp"
#include "jwekms/key_uid.hpp"
#include "key_text.hpp"
#include "text.hpp"
#include "token_text.hpp"

namespace cli {

using namespace jwekms;

namespace {

constexpr std::size_t max_wrapped_bytes = 8192;

/// How the key is to be kept.
struct KeepArgs {
  std::string uid{};
  std::string label{};
  bool store_in_hsm = false;
  std::vector<std::string> aliases{};
  std::string owner{};
};

void add_keep_options(CLI::App& command, KeepArgs& keep) {
  CLI::Option* uid =
      command.add_option("--uid", keep.uid, "Its name; hsm::MODEL::SLOT::LABEL is in the HSM")
          ->type_name("UID");
  command.add_option("--label", keep.label, "Keep it in the HSM, beside the key that unwraps it")
      ->type_name("LABEL")
      ->excludes(uid);
  command.add_flag("--store-in-hsm", keep.store_in_hsm,
                   "Unwrap it inside the HSM, to stay there; a random name when none is given");
  add_several(command, "--alias", keep.aliases, "ALIAS", "Another name; repeatable");
  command.add_option("--owner", keep.owner, "The principal whom it belongs to")
      ->type_name("PRINCIPAL");
}

/// The UID of a label in the slot of the key that unwraps.
[[nodiscard]] std::string beside(const Kms& kms, const std::string& parent,
                                 const std::string& label) {
  const std::string uid = take(kms.describe_key(parent), parent).uid;
  const Result<KeyUid> read = parse_key_uid(uid);
  if (!read || !read->in_hsm)
    fail(Error{Errc::bad_request, 0, "is not in an HSM, so nothing can be kept beside it"}, uid);
  return uid.substr(0, uid.size() - read->label.size()) + label;
}

/// @param parent  the key that unwraps.
/// @param key     `--key`, which overrides the token's `kid`.
void keep_cek(const Session& session, const Options& options, const KeepArgs& args,
              std::string_view token, const std::string& parent, std::string_view key) {
  const Kms kms = session.open(options, Session::Database::must_exist);
  KeepCek keep{.uid = args.uid,
               .store_in_hsm = args.store_in_hsm,
               .aliases = args.aliases,
               .owner = args.owner};
  if (!args.label.empty()) keep.uid = beside(kms, parent, args.label);
  print_new_key(session, take(kms.unwrap_key(token, keep, {.key = key}), parent));
}

void add_unwrap(CLI::App& app, Session& session) {
  struct Args {
    std::string file = "-";
    std::string key{};
    KeepArgs keep{};
  };
  const auto args = std::make_shared<Args>();
  CLI::App& command = add_command(
      app, session, "unwrap", "Keep a token's content key, for later dir tokens; prints its UID",
      [&session, args] {
        const Options options = session.options();
        const Token token = Token::read(args->file, options.policy);
        const std::string parent = args->key.empty() ? token.kid(options.policy) : args->key;
        keep_cek(session, options, args->keep, token.text(), parent, args->key);
      });
  add_file(command, "file", args->file,
           "A token, or JSON with protected and encrypted_key alone; standard input when absent or "
           "\"-\"");
  command.add_option("--key,-k", args->key, "Key that unwraps; default: the token's kid")
      ->type_name("KID");
  add_keep_options(command, args->keep);
}

/// A wrapped key is as random as its 256 bytes or more: that all are letters of base64url by chance
/// does not happen.
[[nodiscard]] std::string as_base64url(std::span<const std::uint8_t> bytes) {
  const std::string_view text = trimmed(text_of(bytes));
  std::string decoded(base64url::decoded_size(text.size()), '\0');
  if (base64url::decode(text, reinterpret_cast<std::uint8_t*>(decoded.data())))
    return std::string(text);
  return base64url_of(bytes);
}

struct ImportWrappedArgs {
  std::string file = "-";
  std::string parent{};
  std::string alg = "RSA-OAEP-256";
  std::string enc{};
  KeepArgs keep{};
};

/// As the library takes it: the part of a JWE that wraps its CEK.
void import_wrapped(const Session& session, const ImportWrappedArgs& args) {
  const Options options = session.options();
  const std::string wrapped = as_base64url(read_input(args.file, max_wrapped_bytes));
  const std::string header = "{\"alg\":\"" + args.alg + "\",\"enc\":\"" + args.enc +
                             "\",\"kid\":" + json_string(args.parent) + '}';
  const std::string token = "{\"protected\":\"" + base64url_of(bytes_of(header)) +
                            "\",\"encrypted_key\":\"" + wrapped + "\"}";
  keep_cek(session, options, args.keep, token, args.parent, args.parent);
}

void add_import_wrapped(CLI::App& app, Session& session) {
  const auto args = std::make_shared<ImportWrappedArgs>();
  CLI::App& command = add_command(app, session, "import-wrapped",
                                  "Keep a content key that came wrapped, without a token",
                                  [&session, args] { import_wrapped(session, *args); });
  add_file(command, "file", args->file,
           "The wrapped key, its bytes or base64url; standard input when absent or \"-\"");
  command.add_option("--parent,-k", args->parent, "Key that unwraps")->type_name("KID")->required();
  std::vector<std::string> algs = alg_names();
  std::erase(algs, "dir");
  add_choice(command, "--alg", args->alg, algs, "How it is wrapped; default: RSA-OAEP-256");
  add_choice(command, "--enc", args->enc, enc_names(), "What it is for, which says its size")
      ->required();
  add_keep_options(command, args->keep);
}

}  // namespace

void add_kept_key_commands(CLI::App& app, Session& session) {
  add_unwrap(app, session);
  add_import_wrapped(app, session);
}

}  // namespace cli

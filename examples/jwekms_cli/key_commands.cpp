// SPDX-License-Identifier: Apache-2.0
// Keys that are there: see them, change them, end them.
#include "ask.hpp"
#include "commands.hpp"
#include "common/hsm_prefixes.hpp"
#include "failure.hpp"
#include "files.hpp"
#include "key_text.hpp"
#include "text.hpp"

namespace cli {

using namespace jwekms;

namespace {

constexpr std::size_t page_size = 200;

void add_kid(CLI::App& command, std::string& kid) {
  command.add_option("kid", kid, "UID or alias of the key")->type_name("KID")->required();
}
/// Of a key that is to be changed: an alias may have moved to another.
void add_uid(CLI::App& command, std::string& uid) {
  command.add_option("uid", uid, "UID of the key; an alias will not do")
      ->type_name("UID")
      ->required();
}

struct ListArgs {
  std::vector<std::string> prefix{};  ///< One, or none: "" is a prefix too.
  bool quiet = false;
};

void print_page(const Session& session, const ListArgs& args, const std::vector<KeyInfo>& keys) {
  std::string text;
  for (const KeyInfo& info : keys) {
    if (session.json)
      text += json_of(info).line();
    else
      text += args.quiet ? shown(info.uid) + '\n' : list_row(info);
  }
  if (!text.empty()) write_text(text);
}

/// Page by page, so that the first keys are seen at once and none is held for long.
void list(const Session& session, const ListArgs& args) {
  const Options options = session.options();
  std::vector<std::string> prefixes = args.prefix;
  if (prefixes.empty()) {
    if (!options.database.path.empty()) prefixes.emplace_back();
    for (std::string& prefix : common::hsm_prefixes(options.hsms))
      prefixes.push_back(std::move(prefix));
  }
  const Kms kms = session.open(options, Session::Database::must_exist);
  if (!session.json && !args.quiet) write_text(list_head());
  for (const std::string& prefix : prefixes) {
    ListKeys request{.limit = page_size};
    for (bool more = true; more;) {
      const KeyPage page = take(kms.list_keys(request, prefix), prefix);
      print_page(session, args, page.keys);
      more = page.more && !page.keys.empty();
      if (more) request.after = page.keys.back().uid;
    }
  }
}

void add_list(CLI::App& key, Session& session) {
  const auto args = std::make_shared<ListArgs>();
  CLI::App& command = add_command(key, session, "list", "List all keys that are not destroyed",
                                  [&session, args] { list(session, *args); });
  command
      .add_option("--prefix", args->prefix, "Only \"hsm::MODEL::\", an HSM, or \"\", the database")
      ->type_name("PREFIX")
      ->expected(1);
  command.add_flag("--quiet,-q", args->quiet, "UIDs alone, one a line");
}

void show(const Session& session, const std::string& kid) {
  const Kms kms = session.open();
  const KeyInfo info = take(kms.describe_key(kid), kid);
  if (!session.json) return write_text(lines_of(info));
  JsonObject key = json_of(info);
  if (info.type == KeyType::rsa) key.raw("public_jwk", take(kms.public_jwk(kid), kid));
  write_text(key.line());
}

/// A command that only looks at a key.
void add_look(CLI::App& key, Session& session, const std::string& name,
              const std::string& description, void (*look)(const Session&, const std::string&)) {
  const auto kid = std::make_shared<std::string>();
  add_kid(
      add_command(key, session, name, description, [&session, look, kid] { look(session, *kid); }),
      *kid);
}

void print_public(const Session& session, const std::string& kid) {
  write_text(take(session.open().public_jwk(kid), kid) + '\n');
}

void set_state(const Session& session, const std::string& uid, KeyState state) {
  const KeyInfo info = take(session.open().set_key_state(uid, state), uid);
  if (session.json) write_text(json_of(info).line());
}

void add_state(CLI::App& key, Session& session) {
  struct Args {
    std::string uid{};
    std::string state{};
  };
  const auto args = std::make_shared<Args>();
  CLI::App& command =
      add_command(key, session, "state", "Move a key's life forward", [&session, args] {
        const bool leaked = args->state == "compromised";
        set_state(session, args->uid, leaked ? KeyState::compromised : KeyState::deactivated);
      });
  add_uid(command, args->uid);
  add_choice(command, "state", args->state, {"deactivated", "compromised"}, "What it becomes")
      ->required();
  command.footer(
      "A deactivated key decrypts and does not encrypt. A compromised one does neither, "
      "but for policy.allow_compromised. There is no way back.");
}

void add_destroy(CLI::App& key, Session& session) {
  struct Args {
    std::string uid{};
    bool yes = false;
  };
  const auto args = std::make_shared<Args>();
  CLI::App& command =
      add_command(key, session, "destroy", "Erase a key for good", [&session, args] {
        const std::string question = "Destroy the key " + in_quotes(args->uid) +
                                     " for good? What is encrypted to it is lost.";
        if (!args->yes && !ask_yes(question, "Say --yes if you mean it.")) fail("nothing was done");
        set_state(session, args->uid, KeyState::destroyed);
      });
  add_uid(command, args->uid);
  command.add_flag("--yes,-y", args->yes, "Do not ask");
  command.footer(
      "In a database its UID stays taken; a label of an HSM may be used again. Without a terminal "
      "to ask on, --yes is needed.");
}

void add_alias(CLI::App& key, Session& session) {
  CLI::App* group = key.add_subcommand("alias", "Other names of a key");
  group->fallthrough()->require_subcommand(1);

  const auto args = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App& add = add_command(*group, session, "add", "Give a key another name", [&session, args] {
    const Kms kms = session.open();
    take(kms.add_alias(args->first, args->second), args->first);
    if (session.json) write_text(json_of(take(kms.describe_key(args->first), args->first)).line());
  });
  add_uid(add, args->first);
  add.add_option("alias", args->second, "Its other name, such as the kid in an issuer's tokens")
      ->type_name("ALIAS")
      ->required();

  const auto alias = std::make_shared<std::string>();
  CLI::App& remove = add_command(*group, session, "remove", "Take a name away", [&session, alias] {
    take(session.open().remove_alias(*alias), *alias);
    if (session.json) write_text(JsonObject().text("removed", *alias).line());
  });
  remove.add_option("alias", *alias, "The name")->type_name("ALIAS")->required();
}

}  // namespace

void add_key_commands(CLI::App& app, Session& session) {
  CLI::App* key = app.add_subcommand("key", "Make, see, change and end keys");
  key->fallthrough()->require_subcommand(1);
  add_new_key_commands(*key, session);
  add_list(*key, session);
  add_look(*key, session, "show", "Show all that anybody may know of a key", show);
  add_look(*key, session, "public", "Print the public half as a JWK, for senders", print_public);
  add_state(*key, session);
  add_destroy(*key, session);
  add_alias(*key, session);
  add_command(app, session, "jwks", "Print all public keys as a JWK Set, for senders",
              [&session] { write_text(take(session.open().public_jwks()) + '\n'); });
}

}  // namespace cli

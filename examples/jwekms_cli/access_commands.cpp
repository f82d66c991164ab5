// SPDX-License-Identifier: Apache-2.0
// Who may do what with a key.
#include "commands.hpp"
#include "failure.hpp"
#include "files.hpp"
#include "json.hpp"
#include "jwekms/access.hpp"
#include "text.hpp"

namespace cli {

using namespace jwekms;

namespace {

struct Args {
  std::string uid{};
  std::string principal{};
  std::vector<std::string> permissions{};
};

template <class Visit>
void for_each_permission(const Visit& visit) {
  for (const Permission each : {Permission::decrypt, Permission::encrypt, Permission::unwrap,
                                Permission::describe, Permission::manage, Permission::grant})
    visit(each);
}

[[nodiscard]] std::vector<std::string> names_of(Permissions permissions) {
  std::vector<std::string> names;
  for_each_permission([&](Permission each) {
    if (permissions.contains(each)) names.emplace_back(name(each));
  });
  return names;
}

[[nodiscard]] Permissions permissions_of(const std::vector<std::string>& names) {
  Permissions permissions;
  for_each_permission([&](Permission each) {
    if (std::ranges::find(names, name(each)) != names.end()) permissions.insert(each);
  });
  return permissions;
}

[[nodiscard]] std::string line_of(const std::string& uid, const Grant& grant) {
  return JsonObject()
      .text("kid", uid)
      .text("principal", grant.principal)
      .texts("permissions", names_of(grant.permissions))
      .line();
}

void add_uid(CLI::App& command, Args& args) {
  command.add_option("uid", args.uid, "UID of the key")->type_name("UID")->required();
}
void add_principal(CLI::App& command, Args& args) {
  command.add_option("principal", args.principal, "Who; \"*\" is everybody")
      ->type_name("PRINCIPAL")
      ->required();
}

void add_grant(CLI::App& app, Session& session) {
  const auto args = std::make_shared<Args>();
  CLI::App& command =
      add_command(app, session, "grant", "Let a principal use a key", [&session, args] {
        const Grant grant{args->principal, permissions_of(args->permissions)};
        take(session.open().grant(args->uid, grant.principal, grant.permissions), args->uid);
        if (session.json) write_text(line_of(args->uid, grant));
      });
  add_uid(command, *args);
  add_principal(command, *args);
  add_choices(command, "permission", args->permissions, names_of(all_permissions),
              "What they may do; one or more")
      ->required()
      ->allow_extra_args();
  command.footer(
      "Takes the place of what the principal was granted with this key before. Whoever "
      "was granted anything may also describe the key. Nothing lets anybody destroy it "
      "but to own it, or to be an admin.");
}

void add_revoke(CLI::App& app, Session& session) {
  const auto args = std::make_shared<Args>();
  CLI::App& command = add_command(
      app, session, "revoke", "Take back what a principal was granted", [&session, args] {
        take(session.open().revoke(args->uid, args->principal), args->uid);
        if (session.json) write_text(line_of(args->uid, {args->principal, {}}));
      });
  add_uid(command, *args);
  add_principal(command, *args);
  command.footer("Servers that have the database open see it within db.cache_ttl_ms.");
}

void add_grants(CLI::App& app, Session& session) {
  const auto args = std::make_shared<Args>();
  CLI::App& command =
      add_command(app, session, "grants", "List what was granted with a key", [&session, args] {
        std::string text;
        for (const Grant& grant : take(session.open().grants(args->uid), args->uid))
          text += session.json
                      ? line_of(args->uid, grant)
                      : shown(grant.principal) + ": " + joined(names_of(grant.permissions)) + '\n';
        write_text(text);
      });
  add_uid(command, *args);
}

}  // namespace

void add_access_commands(CLI::App& app, Session& session) {
  add_grant(app, session);
  add_revoke(app, session);
  add_grants(app, session);
}

}  // namespace cli

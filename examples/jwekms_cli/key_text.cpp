// SPDX-License-Identifier: Apache-2.0
#include "key_text.hpp"

#include "files.hpp"
#include "text.hpp"

namespace cli {

using namespace jwekms;

namespace {

constexpr std::size_t label_width = 12;

[[nodiscard]] std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text += ' ';
}

[[nodiscard]] std::string_view name_of(KeyType type) noexcept {
  return type == KeyType::rsa ? "RSA" : "oct";
}

[[nodiscard]] std::vector<std::string> names_of(const AlgSet& algs) {
  std::vector<std::string> names;
  for (const AlgRow& r : alg_table)
    if (algs.contains(r.id)) names.emplace_back(r.name);
  return names;
}

[[nodiscard]] std::vector<std::string> operations(const KeyInfo& info) {
  std::vector<std::string> names;
  if (info.may_encrypt) names.emplace_back("encrypt");
  if (info.may_decrypt) names.emplace_back("decrypt");
  return names;
}

template <class Table>
[[nodiscard]] std::vector<std::string> implemented(const Table& table) {
  std::vector<std::string> names;
  for (const auto& r : table)
    if (r.support == Support::implemented) names.emplace_back(r.name);
  return names;
}

}  // namespace

std::vector<std::string> alg_names() { return implemented(alg_table); }
std::vector<std::string> enc_names() { return implemented(enc_table); }

AlgSet algs_of(const std::vector<std::string>& names) {
  AlgSet algs;
  for (const std::string& name : names)
    if (const AlgRow* found = find_alg(name)) algs.insert(found->id);
  return algs;
}

std::optional<Enc> enc_of(const std::string& name) {
  const EncRow* found = find_enc(name);
  return found == nullptr ? std::nullopt : std::optional(found->id);
}

JsonObject json_of(const KeyInfo& info) {
  JsonObject key;
  key.text("kid", info.uid).text("kty", name_of(info.type)).number("bits", info.bits);
  key.texts("algs", names_of(info.algs));
  if (info.enc) key.text("enc", row(*info.enc).name);
  key.texts("key_ops", operations(info)).text("state", name(info.state));
  if (!info.parent.empty()) key.text("parent", info.parent);
  if (!info.owner.empty()) key.text("owner", info.owner);
  if (info.created_at_s != 0) key.number("created_at", static_cast<double>(info.created_at_s));
  key.number("version", static_cast<double>(info.version)).texts("aliases", info.aliases);
  return key;
}

std::string lines_of(const KeyInfo& info) {
  std::string text;
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) text += padded(label, label_width) + value + '\n';
  };
  line("kid", shown(info.uid));
  line("type", std::string(name_of(info.type)) + ' ' + std::to_string(info.bits));
  line("algs", joined(names_of(info.algs)));
  if (info.enc) line("enc", std::string(row(*info.enc).name));
  line("operations", joined(operations(info)));
  line("state", std::string(name(info.state)));
  line("parent", shown(info.parent));
  line("owner", shown(info.owner));
  if (info.created_at_s != 0) line("created", time_text(info.created_at_s));
  line("version", std::to_string(info.version));
  line("aliases", shown(joined(info.aliases)));
  return text;
}

std::string list_head() { return "TYPE     STATE        CREATED              KID (ALIASES)\n"; }

std::string list_row(const KeyInfo& info) {
  std::string text = padded(std::string(name_of(info.type)) + ' ' + std::to_string(info.bits), 8);
  text += padded(std::string(name(info.state)), 12);
  text += padded(info.created_at_s == 0 ? "-" : time_text(info.created_at_s), 20);
  text += shown(info.uid);
  if (!info.aliases.empty()) text += " (" + shown(joined(info.aliases)) + ')';
  return text += '\n';
}

void print_new_key(const Session& session, const KeyInfo& info) {
  if (session.json) return write_text(json_of(info).line());
  // A script takes it as it is; a terminal may not.
  write_text((output_is_terminal() ? shown(info.uid) : info.uid) + '\n');
}

}  // namespace cli

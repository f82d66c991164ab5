// SPDX-License-Identifier: Apache-2.0
#include "config/table.hpp"

namespace jwekms::config {

namespace {

[[nodiscard]] std::string_view name_of(toml::node_type type) {
  switch (type) {
    case toml::node_type::none: return "nothing";
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number with a point";
    case toml::node_type::boolean: return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time: return "a date or time";
  }
  return "something else";
}

[[nodiscard]] std::string expected_but_found(std::string_view expected, const toml::node& node) {
  return "expected " + std::string(expected) + ", found " + std::string(name_of(node.type()));
}

[[nodiscard]] std::string text_of(Range range) {
  return "an integer from " + std::to_string(range.least) + " to " + std::to_string(range.most);
}

[[nodiscard]] bool in(Range range, std::int64_t value) {
  return value >= range.least && value <= range.most;
}

}  // namespace

void Document::problem(const toml::source_region& where, std::string_view key,
                       std::string_view text) {
  ConfigProblem found{.line = where.begin.line, .text = name + ':'};
  if (found.line != 0) found.text += std::to_string(found.line) + ':';
  found.text += ' ';
  if (!key.empty()) found.text.append(key).append(": ");
  found.text += text;
  problems.push_back(std::move(found));
}

void Table::boolean(std::string_view key, bool& out) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  if (const auto* value = node->as_boolean())
    out = value->get();
  else
    document_.problem(node->source(), full(key), expected_but_found("true or false", *node));
}

void Table::text(std::string_view key, std::string& out) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  if (std::optional<std::string> value = checked_text(key, *node)) out = *std::move(value);
}

void Table::path(std::string_view key, std::string& out) {
  std::string found;
  text(key, found);
  if (!found.empty()) out = absolute(std::move(found));
}

void Table::secret(std::string_view key, std::string& out) {
  std::string found;
  text(key, found);
  if (has(key)) out = absolute_secret(std::move(found));
}

void Table::texts(std::string_view key, std::vector<std::string>& out) {
  std::vector<std::string> found;
  each_text(key, [&](std::string each) { found.push_back(std::move(each)); });
  if (has(key)) out = std::move(found);
}

void Table::secrets(std::string_view key, std::vector<std::string>& out) {
  texts(key, out);
  for (std::string& each : out) each = absolute_secret(std::move(each));
}

void Table::integers(std::string_view key, std::vector<std::int64_t>& out, Range range) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr)
    return document_.problem(node->source(), full(key),
                             expected_but_found("an array of integers", *node));
  out.clear();
  for (const toml::node& each : *array) {
    const auto* value = each.as_integer();
    if (value == nullptr)
      document_.problem(each.source(), full(key), expected_but_found("an integer", each));
    else if (!in(range, value->get()))
      document_.problem(each.source(), full(key), "expected " + text_of(range));
    else
      out.push_back(value->get());
  }
}

std::optional<std::int64_t> Table::read_integer(std::string_view key, Range range) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* value = node->as_integer()) {
    if (in(range, value->get())) return value->get();
    document_.problem(node->source(), full(key), "expected " + text_of(range));
  } else {
    document_.problem(node->source(), full(key), expected_but_found(text_of(range), *node));
  }
  return std::nullopt;
}

void Table::section(std::string_view key, const std::function<void(Table&)>& read) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const toml::table* found = node->as_table();
  if (found == nullptr)
    return document_.problem(node->source(), full(key), expected_but_found("a table", *node));
  Table table(document_, *found, full(key));
  read(table);
  table.report_unknown();
}

void Table::sections(std::string_view key, const std::function<void(Table&)>& read) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const std::string expected = "an array of tables, [[" + full(key) + "]]";
  const toml::array* array = node->as_array();
  if (array == nullptr)
    return document_.problem(node->source(), full(key), expected_but_found(expected, *node));
  for (const toml::node& each : *array) {
    const toml::table* found = each.as_table();
    if (found == nullptr) {
      document_.problem(each.source(), full(key), expected_but_found(expected, each));
      continue;
    }
    Table table(document_, *found, full(key));
    read(table);
    table.report_unknown();
  }
}

void Table::problem(std::string_view key, std::string_view text) {
  const toml::node* node = table_.get(key);
  document_.problem((node != nullptr ? *node : table_).source(), full(key), text);
}

void Table::require(std::string_view key, std::string_view expected) {
  if (!has(key)) problem(key, "is missing: expected " + std::string(expected));
}

void Table::report_unknown() {
  for (const auto& [key, node] : table_) {
    if (known_.contains(key.str())) continue;
    std::string words;
    for (const std::string& word : known_) words += (words.empty() ? "" : ", ") + word;
    document_.problem(key.source(), full(key.str()), "unknown key; known here: " + words);
  }
}

std::string Table::quoted(std::string_view word) { return '"' + std::string(word) + '"'; }

std::string Table::full(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + '.' + std::string(key);
}

const toml::node* Table::find(std::string_view key) {
  known_.emplace(key);
  document_.asked.insert(full(key));
  return table_.get(key);
}

void Table::each_text(std::string_view key, const std::function<void(std::string)>& take) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr)
    return document_.problem(node->source(), full(key),
                             expected_but_found("an array of strings", *node));
  for (const toml::node& each : *array)
    if (std::optional<std::string> value = checked_text(key, each)) take(*std::move(value));
}

std::optional<std::string> Table::checked_text(std::string_view key, const toml::node& node) {
  const auto* value = node.as_string();
  if (value == nullptr) {
    document_.problem(node.source(), full(key), expected_but_found("a string", node));
    return std::nullopt;
  }
  // These become C strings, which a NUL would cut short without a word.
  if (value->get().find('\0') != std::string::npos) {
    document_.problem(node.source(), full(key), "expected a string without NUL");
    return std::nullopt;
  }
  return value->get();
}

std::string Table::absolute(std::string text) const {
  const std::filesystem::path path(std::move(text));
  return path.is_absolute() ? path.string() : (document_.folder / path).string();
}

std::string Table::absolute_secret(std::string text) const {
  constexpr std::string_view file = "file:";
  if (!text.starts_with(file)) return text;
  return std::string(file) + absolute(text.substr(file.size()));
}

}  // namespace jwekms::config

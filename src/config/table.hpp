// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/toml.hpp"
#include "jwekms/config.hpp"

namespace jwekms::config {

/// One reading of one text.
struct Document {
  std::string name;
  std::filesystem::path folder;
  std::vector<ConfigProblem> problems{};
  std::set<std::string> asked{};  ///< Every key that a reader knows, such as `http.tls.key`.

  void problem(const toml::source_region& where, std::string_view key, std::string_view text);
};

struct Range {
  std::int64_t least;
  std::int64_t most;
};

/// One table of a document. Each read looks for a key and leaves `out` as it is when the key is not
/// there or is not what it should be; the latter is a problem. What no read asked for is unknown.
class Table {
 public:
  Table(Document& document, const toml::table& table, std::string path)
      : document_(document), table_(table), path_(std::move(path)) {}
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }

  void boolean(std::string_view key, bool& out);
  void text(std::string_view key, std::string& out);
  /// Text that names a file; made absolute.
  void path(std::string_view key, std::string& out);
  /// A secret, or "file:PATH" (made absolute), or "env:NAME".
  void secret(std::string_view key, std::string& out);
  void texts(std::string_view key, std::vector<std::string>& out);
  void secrets(std::string_view key, std::vector<std::string>& out);
  void integers(std::string_view key, std::vector<std::int64_t>& out, Range range);

  template <class Integer>
  void integer(std::string_view key, Integer& out, Range range) {
    if (const std::optional<std::int64_t> value = read_integer(key, range))
      out = static_cast<Integer>(*value);
  }
  template <class Rep, class Period>
  void duration(std::string_view key, std::chrono::duration<Rep, Period>& out, Range range) {
    if (const std::optional<std::int64_t> value = read_integer(key, range))
      out = std::chrono::duration<Rep, Period>(*value);
  }
  template <class Value>
  void choice(std::string_view key, Value& out,
              std::initializer_list<std::pair<std::string_view, Value>> choices) {
    std::string found;
    text(key, found);
    if (found.empty() && !has(key)) return;
    for (const auto& [word, value] : choices)
      if (word == found) return void(out = value);
    std::string words;
    for (const auto& each : choices) words += (words.empty() ? "" : ", ") + quoted(each.first);
    problem(key, "expected one of " + words);
  }

  /// Reads a table, or nothing where it is not there; then reports what is unknown in it.
  void section(std::string_view key, const std::function<void(Table&)>& read);
  /// The same for each table of an array of tables.
  void sections(std::string_view key, const std::function<void(Table&)>& read);

  /// A problem at the key, or at this table where the key is not there.
  void problem(std::string_view key, std::string_view text);
  /// A problem when the key is not there.
  void require(std::string_view key, std::string_view expected);
  void report_unknown();

 private:
  [[nodiscard]] static std::string quoted(std::string_view word);
  [[nodiscard]] std::string full(std::string_view key) const;
  [[nodiscard]] const toml::node* find(std::string_view key);
  [[nodiscard]] std::optional<std::int64_t> read_integer(std::string_view key, Range range);
  /// Each element of an array of strings.
  void each_text(std::string_view key, const std::function<void(std::string)>& take);
  [[nodiscard]] std::optional<std::string> checked_text(std::string_view key,
                                                        const toml::node& node);
  [[nodiscard]] std::string absolute(std::string text) const;
  [[nodiscard]] std::string absolute_secret(std::string text) const;

  Document& document_;
  const toml::table& table_;
  std::string path_;  ///< Empty for the root.
  std::set<std::string, std::less<>> known_{};
};

}  // namespace jwekms::config

// SPDX-License-Identifier: Apache-2.0
#include "jwekms/config.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "config/read_config.hpp"
#include "config/read_server.hpp"
#include "config/table.hpp"

namespace jwekms {

namespace config {

namespace {

constexpr std::size_t max_text_bytes = std::size_t{1} << 20;

/// A syntax error as the parser words it, but for what it quotes of the text, which may be a
/// password that lacks its quotation marks.
[[nodiscard]] std::string_view without_quotes(std::string_view description) {
  constexpr std::string_view expected = "expected ";
  std::size_t from = 0;
  for (std::size_t quote; (quote = description.find('\'', from)) != std::string_view::npos;) {
    if (!description.substr(0, quote).ends_with(expected)) {
      description = description.substr(0, quote);
      break;
    }
    from = description.find('\'', quote + 1);
    if (from == std::string_view::npos) break;
    ++from;
  }
  description = description.substr(0, description.find(", saw"));
  while (description.ends_with(' ') || description.ends_with(':')) description.remove_suffix(1);
  return description;
}

[[nodiscard]] bool is_reference(const std::string& secret) {
  return secret.starts_with("file:") || secret.starts_with("env:");
}

[[nodiscard]] bool holds_password(const Config& config) {
  const auto inline_pin = [](const HsmSlot& slot) {
    return !slot.pin.empty() && !is_reference(slot.pin);
  };
  return std::ranges::any_of(config.kms.hsms, [&](const HsmOptions& hsm) {
    return std::ranges::any_of(hsm.slots, inline_pin);
  });
}

/// The whole file and its mode. Nothing when it cannot be read or is too large.
[[nodiscard]] bool read_file(const std::string& path, std::string& text, mode_t& mode) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  struct stat status {};
  bool good = fstat(fd, &status) == 0;
  mode = status.st_mode;
  text.resize(max_text_bytes + 1);
  std::size_t size = 0;
  while (good && size < text.size()) {
    const ssize_t got = read(fd, text.data() + size, text.size() - size);
    if (got == 0) break;
    good = got > 0;
    if (good) size += static_cast<std::size_t>(got);
  }
  (void)close(fd);
  text.resize(size);
  return good && size <= max_text_bytes;
}

}  // namespace

Result<Config> read_config(std::string_view text, Document& document) {
  constexpr Error problems{Errc::bad_request, 0, "the configuration has problems"};
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    document.problem(parsed.error().source(), {}, without_quotes(parsed.error().description()));
    return problems;
  }
  Config config;
  Table root(document, parsed.table(), {});
  read_kms(root, config.kms);
  read_server(root, config);
  root.report_unknown();
  std::ranges::stable_sort(document.problems, {}, &ConfigProblem::line);
  if (!document.problems.empty()) return problems;
  return config;
}

}  // namespace config

Result<Config> parse_config(std::string_view text, const std::string& name,
                            std::vector<ConfigProblem>& problems) {
  std::error_code ignored;
  const std::filesystem::path whole = std::filesystem::absolute(name, ignored);
  config::Document document{.name = name, .folder = whole.parent_path()};
  Result<Config> config = config::read_config(text, document);
  problems = std::move(document.problems);
  return config;
}

Result<Config> load_config(const std::string& path, std::vector<ConfigProblem>& problems) {
  std::string text;
  mode_t mode = 0;
  if (!config::read_file(path, text, mode)) {
    problems = {{0, path + ": cannot be read, or is larger than 1 MiB"}};
    return Error{Errc::unavailable, 0, "the configuration file cannot be read"};
  }
  Result<Config> config = parse_config(text, path, problems);
  secure_wipe(text.data(), text.size());
  if (config && (mode & (S_IRWXG | S_IRWXO)) != 0 && config::holds_password(*config))
    config->warnings.push_back(path + " holds a password and others may read it: chmod 600");
  return config;
}

}  // namespace jwekms

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/config.hpp"
#include "jwekms/kms.hpp"

namespace cli {

/// What a command line says beside its command, and what commands need of it.
struct Session {
  std::string config_path{};
  std::string database_path{};
  std::string principal{};  ///< Empty: the host itself, who may do everything.
  bool json = false;
  std::function<void()> run{};  ///< The command that was chosen.

  /// The configuration that `--config` names; its warnings are printed. Failures are thrown.
  [[nodiscard]] jwekms::Config load_config() const;
  /// Of `--config` or `--database`.
  [[nodiscard]] jwekms::Options options() const;
  /// Opens the keys, for the principal. A database that `--database` names and that is not there is
  /// made for a command that puts something into it and is a failure otherwise: it is more likely a
  /// slip of the pen.
  enum class Database { must_exist, may_be_made };
  [[nodiscard]] jwekms::Kms open(Database database = Database::must_exist) const;
  [[nodiscard]] jwekms::Kms open(const jwekms::Options& options, Database database) const;

  void warn(std::string_view text) const;
};

/// All that is wrong with a configuration.
[[noreturn]] void fail_config(const jwekms::Error& error,
                              const std::vector<jwekms::ConfigProblem>& problems);

}  // namespace cli

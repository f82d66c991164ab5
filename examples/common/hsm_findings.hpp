// SPDX-License-Identifier: Apache-2.0
#pragma once

// What jwekms-doctor and `jwekms doctor` share.

#include <jwekms/doctor.hpp>

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>
#include <vector>

namespace common {

[[nodiscard]] inline std::string_view word(jwekms::HsmVerdict verdict) noexcept {
  using jwekms::HsmVerdict;
  switch (verdict) {
    case HsmVerdict::fact: return "fact";
    case HsmVerdict::can: return "can";
    case HsmVerdict::cannot: return "cannot";
    case HsmVerdict::warning: return "warning";
  }
  return "";
}

[[nodiscard]] inline bool is_good(const jwekms::HsmFinding& finding) noexcept {
  return finding.verdict == jwekms::HsmVerdict::can || finding.verdict == jwekms::HsmVerdict::fact;
}

/// A row for people, and one more for what it means, each with its newline.
/// @param wanted  marked with an asterisk.
[[nodiscard]] inline std::string rows_of(const jwekms::HsmFinding& finding, bool wanted) {
  constexpr std::size_t what_column = 10, how_column = 53;
  std::string rows;
  if (finding.verdict != jwekms::HsmVerdict::fact) rows += word(finding.verdict);
  rows.resize(what_column - 2, ' ');
  rows += (wanted ? "* " : "  ") + finding.what;
  rows.resize(std::max(rows.size() + 1, how_column), ' ');
  rows += finding.how + '\n';
  if (!finding.means.empty()) rows += std::string(what_column, ' ') + "-> " + finding.means + '\n';
  return rows;
}

/// Examines a token. Signals that would end the program wait: the keys on the token that it tries
/// with come first.
[[nodiscard]] inline jwekms::Result<std::vector<jwekms::HsmFinding>> examine(
    const jwekms::HsmOptions& hsm) {
  sigset_t ending, before;
  (void)sigemptyset(&ending);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) (void)sigaddset(&ending, signal);
  (void)sigprocmask(SIG_BLOCK, &ending, &before);
  struct Restore {
    const sigset_t& mask;
    ~Restore() { (void)sigprocmask(SIG_SETMASK, &mask, nullptr); }
  } const restore{before};
  return jwekms::doctor(hsm);
}

}  // namespace common

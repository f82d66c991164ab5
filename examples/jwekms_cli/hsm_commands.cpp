// SPDX-License-Identifier: Apache-2.0
// HSMs themselves: what they can do.
#include <unistd.h>

#include <cstdio>

#include "commands.hpp"
#include "common/hsm_findings.hpp"
#include "common/hsm_prefixes.hpp"
#include "failure.hpp"
#include "files.hpp"
#include "json.hpp"
#include "jwekms/open.hpp"
#include "text.hpp"

namespace cli {

using namespace jwekms;

namespace {

[[nodiscard]] std::string json_line(const std::string& slot, const HsmFinding& finding) {
  return JsonObject()
      .text("slot", slot)
      .text("verdict", common::word(finding.verdict))
      .text("what", finding.what)
      .text("how", finding.how)
      .text("means", finding.means)
      .boolean("needed", finding.needed)
      .line();
}

[[nodiscard]] std::string rows_of(HsmFinding finding) {
  for (std::string* text : {&finding.what, &finding.how, &finding.means}) *text = shown(*text);
  return common::rows_of(finding, finding.needed);
}

[[nodiscard]] std::vector<HsmFinding> examine(const HsmOptions& hsm, const std::string& prefix) {
  if (isatty(STDERR_FILENO) == 1)
    (void)std::fprintf(stderr, "jwekms: trying out %s...\n", prefix.c_str());
  return take(common::examine(hsm), prefix);
}

/// Every slot of every HSM. Fails when one cannot do what its `cek_boundary` takes.
void doctor(const Session& session) {
  const std::vector<HsmOptions> hsms = session.load_config().kms.hsms;
  if (hsms.empty())
    fail(Error{Errc::bad_request, 0, "the configuration has no HSM"}, session.config_path);
  const std::vector<std::string> prefixes = common::hsm_prefixes(hsms);
  bool complete = true;
  for (std::size_t i = 0; i < hsms.size(); ++i) {
    std::string text, slot;
    for (const HsmFinding& finding : examine(hsms[i], prefixes[i])) {
      const std::string of = prefixes[i] + std::to_string(finding.slot);
      if (of != slot && !session.json) text += of + '\n';
      slot = of;
      text += session.json ? json_line(slot, finding) : rows_of(finding);
      complete = complete && (common::is_good(finding) || !finding.needed);
    }
    write_text(text);
  }
  if (!complete) fail("an HSM cannot do all that its cek_boundary takes (*)");
}

void add_doctor(CLI::App& app, Session& session) {
  CLI::App& command = add_command(app, session, "doctor", "Try out what the configured HSMs can do",
                                  [&session] { doctor(session); });
  command.footer(
      "Makes keys to try with, and destroys them again. Takes seconds, or minutes on a "
      "small card.");
}

}  // namespace

void add_hsm_commands(CLI::App& app, Session& session) { add_doctor(app, session); }

}  // namespace cli

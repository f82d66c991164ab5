// SPDX-License-Identifier: Apache-2.0
// The manual page, in the macros of man(7).
#include "failure.hpp"
#include "jwekms/version.hpp"
#include "text.hpp"
#include "tree.hpp"

namespace cli {

namespace {

constexpr const char* description = R"(.B jwekms
works on the keys of a database, an HSM or both, in its own process and over no network.
It decrypts and makes JWE tokens (RFC 7516) and never shows a content encryption key or a private
key: no command prints one.
.PP
A configuration or a database says where the keys are; nothing is looked for in the current folder.
A database that is not there is made by
.B key create
and
.B key import
alone.
.PP
Without
.B \-\-as
the tool acts as the host, who may do everything that the files and HSMs let it do.
With it, each call is authorised for that principal as it is in the server.
.PP
A file that is absent or
.RB \(dq \- \(dq
is standard input.
A name that begins with
.RB \(dq \- \(dq
goes behind
.BR \-\- ,
or into
.BI \-\-to= NAME\fR.\fP
A passphrase comes from a file, the environment or the terminal, a PIN from where the configuration
says; neither from the command line, which others can see.
)";

constexpr const char* json_section = R"(.SH JSON
With
.B \-\-json
each result is one JSON object on one line of standard output, and each error is
{\(dqerror\(dq, \(dqdescription\(dq} on standard error.
Keys look as they do in the REST API.
A compact token is {\(dqtoken\(dq}, a flattened one stands as it is; a payload is
{\(dqkid\(dq, \(dqdata\(dq}, in base64url.
Names that are not UTF\-8 have U+FFFD in place of such bytes.
)";

constexpr const char* examples = R"(.SH EXAMPLES
.EX
export JWEKMS_CONFIG=/etc/jwekms/jwekms.toml
jwekms key create \-\-uid billing
jwekms key public billing > for\-senders.jwk
jwekms decrypt < token.jwe > payload
jwekms reencrypt \-\-to archive token.jwe > archived.jwe
jwekms key list \-\-json | jq \-r 'select(.state == \(dqactive\(dq).kid'
jwekms key import \-\-passphrase\-file pass.txt old\-key.pem
jwekms grant billing alice decrypt describe
jwekms unwrap \-\-label session\-42 token.jwe
jwekms check && jwekms serve
.EE
)";

/// Escaped for roff: backslashes, hyphens that are to be typed, and a control character in front.
[[nodiscard]] std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '"')
      out += "\\(dq";
    else if (c == '\n')
      out += ' ';
    else if ((c == '.' || c == '\'') && out.empty())
      (out += "\\&") += c;
    else
      out += c;
  }
  return out;
}

[[nodiscard]] std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fP"; }
[[nodiscard]] std::string italic(std::string_view text) { return "\\fI" + roff(text) + "\\fP"; }

/// Words to choose from are typed as they stand; anything else is a placeholder.
[[nodiscard]] std::string value_of(const OptionText& option) {
  std::string out;
  for (const std::string& word : option.words()) out += (out.empty() ? "" : "|") + bold(word);
  return out.empty() ? italic(option.value) : out;
}

void append_options(std::string& page, const CommandText& command) {
  for (const OptionText& option : command.options) {
    page += ".TP\n";
    std::vector<std::string> names;
    for (const std::string& name : option.names) names.push_back(bold(name));
    page += joined(names);
    if (!option.value.empty()) page += (names.empty() ? "" : " ") + value_of(option);
    if (option.repeats) page += " ...";
    page += '\n' + roff(option.description) + ".\n";
  }
}

/// What is typed: the command, its options, its positionals in order.
[[nodiscard]] std::string synopsis(const CommandText& command) {
  std::string out = bold(command.line()) + " [" + italic("OPTIONS") + ']';
  for (const OptionText& option : command.options) {
    if (!option.positional()) {
      if (option.required) out += ' ' + bold(option.names.front()) + ' ' + value_of(option);
      continue;
    }
    const std::string value = value_of(option) + (option.repeats ? " ..." : "");
    out += option.required ? ' ' + value : " [" + value + ']';
  }
  return out;
}

void append_command(std::string& page, const CommandText& command) {
  page += ".SS " + roff(command.line()) + '\n' + synopsis(command) + "\n.PP\n" +
          roff(command.description) + ".\n";
  if (!command.details.empty()) page += roff(command.details) + '\n';
  append_options(page, command);
}

void append_exit_codes(std::string& page) {
  page += ".SH EXIT STATUS\nThe codes never change.\n";
  const auto row = [&](int code, std::string_view meaning) {
    page += ".TP\n.B " + std::to_string(code) + '\n' + roff(meaning) + ".\n";
  };
  row(0, "It worked");
  row(exit_failed,
      "A file, a prompt or the system; a question that was answered with no; an HSM that lacks "
      "what doctor looks for");
  row(exit_usage, "The command line is wrong");
  for (int value = 1; value <= static_cast<int>(jwekms::Errc::buffer_too_small); ++value) {
    const auto code = static_cast<jwekms::Errc>(value);
    std::string meaning(jwekms::name(code));
    const std::string hint = usual_hint(code, {});
    if (!hint.empty()) meaning += ". " + hint.substr(0, hint.size() - 1);
    row(exit_code(code), meaning);
  }
}

}  // namespace

std::string manual_page(const CommandText& top) {
  std::string page = ".TH JWEKMS 1 \"\" \"jwekms " JWEKMS_VERSION_STRING "\" \"User Commands\"\n";
  page += ".SH NAME\njwekms \\- decrypt JWE tokens with keys that nobody can read\n";
  page += ".SH SYNOPSIS\n" + bold("jwekms") + " [" + italic("OPTIONS") + "] " + italic("COMMAND") +
          " [" + italic("ARGUMENTS") + "]\n";
  page += std::string(".SH DESCRIPTION\n") + description;
  page += ".SH OPTIONS\nThey may stand before the command or behind it.\n";
  append_options(page, top);
  page += ".SH COMMANDS\n";
  for_each_command(top, [&](const CommandText& command) {
    if (!command.path.empty() && command.commands.empty()) append_command(page, command);
  });
  page += json_section;
  append_exit_codes(page);
  page +=
      ".SH ENVIRONMENT\n.TP\n.B JWEKMS_CONFIG\nThe configuration, where neither "
      "\\fB\\-\\-config\\fP nor \\fB\\-\\-database\\fP is given.\n";
  page += examples;
  return page;
}

}  // namespace cli

// SPDX-License-Identifier: Apache-2.0
// jwekms-doctor: what the token of an HSM can do, and what that means for jwekms. The options are
// getopt_long's, from the C library: a program this small needs no other to read a dozen of them.
#include <jwekms.h>

#include <jwekms/jwekms.hpp>

#include "common/hsm_findings.hpp"

#include <fcntl.h>
#include <getopt.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using jwekms::HsmFinding;

enum Exit { all_there = 0, something_missing = 1, wrong_usage = 2, not_examined = 3 };

constexpr const char* help = R"(usage: jwekms-doctor --model MODEL [OPTION...]

Tries out what a token can do, with keys that it makes and destroys again, and tells what that
means for jwekms. Takes seconds, or minutes on a small card; ^C waits until the keys are gone.

which HSM
  --model MODEL      softhsm2, utimaco, proteccio, crypt2pay, smartcardhsm or other
  --module PATH      PKCS#11 module; else the model's usual path
  --init-args TEXT   for C_Initialize (NSS)
which token; else the first one present
  --label TEXT       token label
  --serial TEXT      token serial
  --slot-id N        CK_SLOT_ID
  --number N         position among the tokens present, from 0
PIN; else it is asked for on the terminal
  --pin-file PATH    a last newline is left out
  --pin-env NAME     environment variable
  --no-login         do not log in
what is wanted of it
  --boundary WHERE   CEKs are in the "process" (default) or never leave the "hsm"
  --alg NAME         RSA-OAEP, RSA-OAEP-256, ...; may be repeated. Else what the default policy
                     allows
  --raw-rsa on|off   raw_rsa_fallback; else as is usual with the model
  --json             for programs

exit status: 0 all that is wanted works, 1 something is missing, 2 wrong usage, 3 the HSM is out of
reach, or refused the PIN (which is not tried again)
)";

struct Wanted {
  jwekms::HsmOptions hsm;
  std::vector<std::string> algs;
  bool has_pin = false;
  bool json = false;
};

[[nodiscard]] int usage(const char* text) {
  std::fprintf(stderr, "jwekms-doctor: %s; see jwekms-doctor --help\n", text);
  return wrong_usage;
}

[[nodiscard]] bool read_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

// ---- The command line ----

/// @return an exit status when there is nothing more to do.
[[nodiscard]] std::optional<int> read_options(int argc, char** argv, Wanted& wanted) {
  enum {
    model = 1,
    module,
    init_args,
    label,
    serial,
    slot_id,
    number,
    pin_file,
    pin_env,
    no_login,
    boundary,
    alg,
    raw_rsa,
    json,
    show_help,
    show_version
  };
  constexpr option options[] = {
      {"model", required_argument, nullptr, model},
      {"module", required_argument, nullptr, module},
      {"init-args", required_argument, nullptr, init_args},
      {"label", required_argument, nullptr, label},
      {"serial", required_argument, nullptr, serial},
      {"slot-id", required_argument, nullptr, slot_id},
      {"number", required_argument, nullptr, number},
      {"pin-file", required_argument, nullptr, pin_file},
      {"pin-env", required_argument, nullptr, pin_env},
      {"no-login", no_argument, nullptr, no_login},
      {"boundary", required_argument, nullptr, boundary},
      {"alg", required_argument, nullptr, alg},
      {"raw-rsa", required_argument, nullptr, raw_rsa},
      {"json", no_argument, nullptr, json},
      {"help", no_argument, nullptr, show_help},
      {"version", no_argument, nullptr, show_version},
      {nullptr, 0, nullptr, 0},
  };
  jwekms::HsmOptions& hsm = wanted.hsm;
  jwekms::HsmSlot& slot = hsm.slots.emplace_back();
  for (int found; (found = getopt_long(argc, argv, "", options, nullptr)) != -1;) {
    const std::string value = optarg == nullptr ? "" : optarg;
    switch (found) {
      case model: hsm.model = value; break;
      case module: hsm.module_path = value; break;
      case init_args: hsm.init_args = value; break;
      case label: slot.token_label = value; break;
      case serial: slot.token_serial = value; break;
      case slot_id:
        if (!read_number(value, slot.slot_id.emplace())) return usage("--slot-id takes a number");
        break;
      case number:
        if (!read_number(value, slot.number)) return usage("--number takes a number");
        break;
      case pin_file: slot.pin = "file:" + value, wanted.has_pin = true; break;
      case pin_env: slot.pin = "env:" + value, wanted.has_pin = true; break;
      case no_login: slot.login = jwekms::HsmLogin::none, wanted.has_pin = true; break;
      case boundary:
        if (value != "process" && value != "hsm") return usage("--boundary is process or hsm");
        hsm.cek_boundary = value == "hsm" ? jwekms::CekBoundary::hsm : jwekms::CekBoundary::process;
        break;
      case alg: {
        const jwekms::AlgRow* row = jwekms::find_alg(value);
        if (row == nullptr || row->mode != jwekms::KeyManagement::rsa_oaep)
          return usage("--alg takes the name of an RSA-OAEP");
        wanted.algs.push_back(value);
        break;
      }
      case raw_rsa:
        if (value != "on" && value != "off") return usage("--raw-rsa is on or off");
        hsm.raw_rsa_fallback = value == "on";
        break;
      case json: wanted.json = true; break;
      case show_help: std::fputs(help, stdout); return all_there;
      case show_version: std::puts(jwekms_version_string()); return all_there;
      default: return wrong_usage;  // getopt has said why
    }
  }
  if (optind != argc) return usage("there is an argument too many (a PIN is never one)");
  if (hsm.model.empty()) return usage("--model is missing");
  return std::nullopt;
}

/// Asks on the terminal, without an echo.
[[nodiscard]] bool ask_for_pin(std::string& pin) {
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0) return false;
  termios before{};
  bool read_one = tcgetattr(terminal, &before) == 0;
  if (read_one) {
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    constexpr std::string_view prompt = "PIN: ";
    std::array<char, 256> line;
    ssize_t size = -1;
    if (tcsetattr(terminal, TCSAFLUSH, &silent) == 0 &&
        write(terminal, prompt.data(), prompt.size()) > 0)
      size = read(terminal, line.data(), line.size());
    (void)tcsetattr(terminal, TCSAFLUSH, &before);
    (void)!write(terminal, "\n", 1);
    read_one = size > 1 && line[static_cast<std::size_t>(size) - 1] == '\n';
    if (read_one) pin.assign(line.data(), static_cast<std::size_t>(size) - 1);
    jwekms::secure_wipe(line.data(), line.size());
  }
  (void)close(terminal);
  return read_one;
}

// ---- What was found ----

/// What is wanted: by --alg, or by the default policy.
[[nodiscard]] bool is_wanted(const HsmFinding& finding, const Wanted& wanted) {
  if (wanted.algs.empty()) return finding.needed;
  const char* operation = wanted.hsm.cek_boundary == jwekms::CekBoundary::hsm
                              ? ": decrypt, CEK in the HSM"
                              : ": decrypt, CEK in the process";
  return std::ranges::any_of(
      wanted.algs, [&](const std::string& alg) { return finding.what == alg + operation; });
}

void print_for_people(const std::vector<HsmFinding>& findings, const Wanted& wanted) {
  for (const HsmFinding& finding : findings)
    std::fputs(common::rows_of(finding, is_wanted(finding, wanted)).c_str(), stdout);
  std::size_t missing = 0;
  for (const HsmFinding& finding : findings)
    if (is_wanted(finding, wanted) && !common::is_good(finding) && ++missing > 0)
      std::printf("missing: %s\n", finding.what.c_str());
  if (missing == 0) std::puts("all that is wanted (*) works");
}

/// Finding texts are valid UTF-8.
[[nodiscard]] std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += c;
  }
  return json + '"';
}

void print_for_programs(const std::vector<HsmFinding>& findings, const Wanted& wanted) {
  std::puts("{\"findings\":[");
  for (std::size_t i = 0; i < findings.size(); ++i) {
    const HsmFinding& f = findings[i];
    std::printf(
        "{\"slot\":%llu,\"verdict\":\"%s\",\"what\":%s,\"how\":%s,\"means\":%s,"
        "\"wanted\":%s}%s\n",
        static_cast<unsigned long long>(f.slot), common::word(f.verdict).data(),
        quoted(f.what).c_str(), quoted(f.how).c_str(), quoted(f.means).c_str(),
        is_wanted(f, wanted) ? "true" : "false", i + 1 == findings.size() ? "" : ",");
  }
  std::puts("]}");
}

}  // namespace

int main(int argc, char** argv) try {
  Wanted wanted;
  if (const std::optional<int> done = read_options(argc, argv, wanted)) return *done;
  std::string& pin = wanted.hsm.slots.front().pin;
  if (!wanted.has_pin && !ask_for_pin(pin))
    return usage("no PIN: give --pin-file, --pin-env or --no-login, or run it on a terminal");
  const jwekms::Result<std::vector<HsmFinding>> findings = common::examine(wanted.hsm);
  jwekms::secure_wipe(pin.data(), pin.size());
  if (!findings) {
    std::fprintf(stderr, "jwekms-doctor: %s (%s)\n", findings.error().text,
                 std::string(jwekms::name(findings.error().code)).c_str());
    return findings.error().code == jwekms::Errc::bad_request ? wrong_usage : not_examined;
  }
  if (wanted.json)
    print_for_programs(*findings, wanted);
  else
    print_for_people(*findings, wanted);
  const bool complete = std::ranges::all_of(
      *findings, [&](const HsmFinding& f) { return common::is_good(f) || !is_wanted(f, wanted); });
  return complete ? all_there : something_missing;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "jwekms-doctor: %s\n", failure.what());
  return not_examined;
}

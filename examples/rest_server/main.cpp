// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include "auth.hpp"
#include "exposure.hpp"
#include "jwekms.h"
#include "jwekms/config.hpp"
#include "jwekms/open.hpp"
#include "log.hpp"
#include "server.hpp"
#include "site.hpp"
#include "tls.hpp"

namespace {

using rest::Level;
using rest::log;

constexpr const char* usage =
    "usage: jwekms-server [--insecure] [--check] CONFIG\n"
    "       jwekms-server --version\n"
    "\n"
    "Serves the REST API of a jwekms configuration.\n"
    "\n"
    "  --insecure  listen on the network even without TLS or authentication\n"
    "  --check     read the configuration, TLS files and JWT keys, and say what is wrong\n"
    "\n"
    "SIGHUP reads tokens, keys and certificates again; SIGTERM finishes what is under way.\n"
    "Exit status: 0 good, 1 cannot serve, 2 bad usage or configuration.\n";

struct Arguments {
  std::string config{};
  bool insecure = false;
  bool check = false;
  bool version = false;
  bool help = false;
  bool good = true;
};

[[nodiscard]] Arguments read_arguments(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--insecure")
      out.insecure = true;
    else if (word == "--check")
      out.check = true;
    else if (word == "--version")
      out.version = true;
    else if (word == "--help" || word == "-h")
      out.help = true;
    else if (!word.starts_with('-') && out.config.empty())
      out.config = word;
    else
      out.good = false;
  }
  const bool alone = out.version || out.help;
  out.good = out.good && alone != !out.config.empty();
  return out;
}

[[nodiscard]] std::optional<jwekms::Config> load(const std::string& path) {
  std::vector<jwekms::ConfigProblem> problems;
  jwekms::Result<jwekms::Config> config = jwekms::load_config(path, problems);
  for (const jwekms::ConfigProblem& each : problems) log(Level::error, each.text);
  if (!config) return std::nullopt;
  for (const std::string& each : config->warnings) log(Level::warning, each);
  return *std::move(config);
}

/// Refuses what the configuration leaves open to the network, unless told to go ahead.
[[nodiscard]] bool closed_enough(const jwekms::ServerOptions& options, bool loopback,
                                 bool insecure) {
  const std::vector<std::string> found = rest::exposures(options, loopback);
  for (const std::string& each : found)
    log(insecure ? Level::warning : Level::error, "insecure: " + each);
  if (found.empty() || insecure) return true;
  log(Level::error,
      "refusing to listen on " + options.hostname + "; --insecure starts all the same");
  return false;
}

[[nodiscard]] std::optional<rest::Credentials> load_credentials(
    const jwekms::ServerOptions& options) {
  rest::Credentials out;
  std::string problem;
  if (!options.tls.certificate.empty()) {
    out.tls = rest::make_tls(options.tls, problem);
    if (!out.tls) return log(Level::error, problem), std::nullopt;
  }
  out.authenticator = rest::Authenticator::load(options.auth, problem);
  if (!out.authenticator) return log(Level::error, problem), std::nullopt;
  return out;
}

/// What listens stays as it is, and so must what keeps it closed.
/// @param before  as it is served now.
[[nodiscard]] bool may_replace(const jwekms::ServerOptions& before,
                               const jwekms::ServerOptions& after) {
  if (before.tls.certificate.empty() != after.tls.certificate.empty()) {
    log(Level::error, "[http.tls] comes and goes with a restart alone");
    return false;
  }
  if (rest::drops_authentication(before, after)) {
    log(Level::error, "authentication would be gone: that takes a restart");
    return false;
  }
  return true;
}

/// A connection is a descriptor; and no core file ever holds a key.
void set_process_limits(std::size_t max_connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < max_connections + 64)
      log(Level::warning, "the limit on open files is below max_connections");
  }
  const rlimit none{0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
}

[[nodiscard]] int serve(const Arguments& arguments) {
  std::optional<jwekms::Config> config = load(arguments.config);
  if (!config) return 2;
  const jwekms::ServerOptions& options = config->server;
  const auto endpoints = rest::endpoints_of(options);
  if (endpoints.empty()) {
    log(Level::error, options.hostname + ": no such host");
    return 2;
  }
  const bool loopback =
      std::ranges::all_of(endpoints, [](const auto& each) { return each.address().is_loopback(); });
  if (!closed_enough(options, loopback, arguments.insecure)) return 2;
  std::optional<rest::Credentials> credentials = load_credentials(options);
  if (!credentials) return 2;
  if (arguments.check) return std::puts("ok"), 0;

  set_process_limits(options.limits.max_connections);
  config->kms.on_warning = [](std::string_view text) { log(Level::warning, text); };
  config->kms.on_audit = rest::Site::note;
  const jwekms::Result<jwekms::Kms> kms = jwekms::open(config->kms);
  if (!kms) {
    log(Level::error, std::string("cannot open the keys: ") + kms.error().text);
    return 1;
  }
  jwekms::ServerOptions served = options;
  const auto reload = [&]() -> std::optional<rest::Credentials> {
    const std::optional<jwekms::Config> fresh = load(arguments.config);
    std::optional<rest::Credentials> found;
    if (fresh && may_replace(served, fresh->server) &&
        closed_enough(fresh->server, loopback, arguments.insecure))
      found = load_credentials(fresh->server);
    if (found)
      served = fresh->server;
    else
      log(Level::error, "not reloaded: going on as before");
    return found;
  };
  return rest::run(*kms, *config, endpoints, *std::move(credentials), reload);
}

}  // namespace

int main(int argc, char** argv) try {
  const Arguments arguments = read_arguments(argc, argv);
  if (!arguments.good) return std::fputs(usage, stderr), 2;
  if (arguments.help) return std::fputs(usage, stdout), 0;
  if (arguments.version) return std::printf("jwekms-server %s\n", jwekms_version_string()), 0;
  (void)std::signal(SIGPIPE, SIG_IGN);
  return serve(arguments);
} catch (const std::exception& error) {
  log(Level::error, error.what());
  return 1;
}

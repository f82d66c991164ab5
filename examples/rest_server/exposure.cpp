// SPDX-License-Identifier: Apache-2.0
#include "exposure.hpp"

namespace rest {

std::vector<std::string> exposures(const jwekms::ServerOptions& options, bool loopback) {
  if (loopback) return {};
  std::vector<std::string> found;
  if (options.tls.certificate.empty())
    found.push_back(
        "no [http.tls]: requests, tokens and plaintexts cross the network in the clear");
  if (!options.auth.configured())
    found.push_back("no [auth]: whoever reaches " + options.hostname + " acts as \"" +
                    options.auth.anonymous + "\"");
  return found;
}

bool drops_authentication(const jwekms::ServerOptions& before, const jwekms::ServerOptions& after) {
  if (after.auth.configured()) return false;
  // A certificate that is required keeps strangers out, even where it makes nobody a principal.
  const bool lets_strangers_in =
      before.tls.require_client_certificate && !after.tls.require_client_certificate;
  return before.auth.configured() || lets_strangers_in;
}

}  // namespace rest

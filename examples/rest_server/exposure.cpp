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

}  // namespace rest

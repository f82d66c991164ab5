// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth.hpp"
#include "jwekms/config.hpp"
#include "jwekms/kms.hpp"

namespace rest {

/// What a server reads at its start and again on SIGHUP.
struct Credentials {
  std::shared_ptr<boost::asio::ssl::context> tls{};  ///< Null: plain HTTP.
  std::shared_ptr<const Authenticator> authenticator{};
};

/// The addresses that a hostname stands for; none when it stands for nothing.
[[nodiscard]] std::vector<boost::asio::ip::tcp::endpoint> endpoints_of(
    const jwekms::ServerOptions& options);

/// Serves until SIGTERM or SIGINT; then finishes the requests in flight, for as long as the options
/// say.
/// @param reload  called on SIGHUP: new credentials, or nothing to keep those in use.
/// @return the exit status: 0, or 1 when it could not listen or not finish in time.
[[nodiscard]] int run(const jwekms::Kms& kms, const jwekms::Config& config,
                      const std::vector<boost::asio::ip::tcp::endpoint>& endpoints,
                      Credentials credentials,
                      const std::function<std::optional<Credentials>()>& reload);

}  // namespace rest

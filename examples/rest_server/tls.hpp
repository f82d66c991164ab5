// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "jwekms/config.hpp"

namespace rest {

/// A TLS 1.2 and 1.3 server: forward secrecy and AEAD only, no renegotiation, no session
/// resumption, which would let a client in past a changed client_ca.
/// @return null, with `problem` saying why, when a file is missing or does not fit.
[[nodiscard]] std::shared_ptr<boost::asio::ssl::context> make_tls(const jwekms::TlsOptions& options,
                                                                  std::string& problem);

/// The subject of the client's verified certificate, as RFC 4514 writes it: `CN=billing,O=Acme`.
/// Empty when there is none.
[[nodiscard]] std::string verified_subject(SSL* ssl);

}  // namespace rest

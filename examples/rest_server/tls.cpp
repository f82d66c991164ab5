// SPDX-License-Identifier: Apache-2.0
#include "tls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/ssl/verify_mode.hpp>

namespace rest {

namespace net = boost::asio;

std::shared_ptr<net::ssl::context> make_tls(const jwekms::TlsOptions& options,
                                            std::string& problem) {
  auto context = std::make_shared<net::ssl::context>(net::ssl::context::tls_server);
  SSL_CTX* ctx = context->native_handle();
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  // TLS 1.2; those of 1.3 are all of this kind.
  SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL");
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT);

  boost::system::error_code ec;
  const auto failed = [&](const std::string& path) {
    if (ec) problem = path + ": " + ec.message();
    return static_cast<bool>(ec);
  };
  context->use_certificate_chain_file(options.certificate, ec);
  if (failed(options.certificate)) return nullptr;
  // Fails, too, when it is not the certificate's.
  context->use_private_key_file(options.key, net::ssl::context::pem, ec);
  if (failed(options.key)) return nullptr;
  if (options.client_ca.empty()) return context;

  context->load_verify_file(options.client_ca, ec);
  if (failed(options.client_ca)) return nullptr;
  SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(options.client_ca.c_str()));
  net::ssl::verify_mode mode = net::ssl::verify_peer;
  if (options.require_client_certificate) mode |= net::ssl::verify_fail_if_no_peer_cert;
  context->set_verify_mode(mode);
  return context;
}

std::string verified_subject(SSL* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return {};
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  if (!out) return {};
  // RFC 4514 allows UTF-8 as it is; without the flag it would come out as \C3\A4.
  constexpr unsigned long flags =
      XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, flags) < 0) return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

}  // namespace rest

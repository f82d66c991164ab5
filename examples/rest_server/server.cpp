// SPDX-License-Identifier: Apache-2.0
#include "server.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <csignal>
#include <cstdlib>
#include <future>
#include <thread>

#include "connection.hpp"
#include "log.hpp"

namespace rest {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

namespace {

constexpr std::chrono::milliseconds accept_retry{100};

[[nodiscard]] unsigned processors() { return std::max(1U, std::thread::hardware_concurrency()); }

[[nodiscard]] std::size_t worker_count(const jwekms::ServerOptions& options) {
  return options.workers != 0 ? options.workers : std::size_t{4} * processors();
}

class Server {
 public:
  Server(const jwekms::Kms& kms, const jwekms::Config& config, Credentials credentials)
      : options_(config.server),
        site_(kms, config, std::move(credentials.authenticator)),
        workers_(worker_count(config.server)),
        tls_(std::move(credentials.tls)) {}

  [[nodiscard]] bool listen(const std::vector<tcp::endpoint>& endpoints);
  [[nodiscard]] int run(const std::function<std::optional<Credentials>()>& reload);

 private:
  struct Listener {
    tcp::acceptor acceptor;
    net::steady_timer timer;
    bool waiting = false;  ///< For a connection to end.
  };
  void accept(Listener& listener);
  void accepted(Listener& listener, error_code ec, tcp::socket socket);
  void resume();
  void serve();
  void await_signal(const std::function<std::optional<Credentials>()>& reload);
  void take(std::optional<Credentials> fresh);

  const jwekms::ServerOptions& options_;
  Site site_;
  net::io_context io_;
  /// The listeners and `tls_` are used here alone.
  net::strand<net::io_context::executor_type> strand_{io_.get_executor()};
  net::thread_pool workers_;
  Shared shared_{site_, options_, workers_};
  Connections connections_{[this] { net::post(strand_, [this] { resume(); }); }};
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::shared_ptr<net::ssl::context> tls_;
  net::signal_set signals_{strand_, SIGTERM, SIGINT, SIGHUP};
  /// Keeps the threads while all that there is to do is in a worker's hands.
  net::executor_work_guard<net::io_context::executor_type> work_{io_.get_executor()};
  std::promise<void> stop_;
};

bool Server::listen(const std::vector<tcp::endpoint>& endpoints) {
  for (const tcp::endpoint& endpoint : endpoints) {
    auto listener = std::make_unique<Listener>(
        Listener{.acceptor = tcp::acceptor(strand_), .timer = net::steady_timer(strand_)});
    tcp::acceptor& acceptor = listener->acceptor;
    error_code ec;
    acceptor.open(endpoint.protocol(), ec);
    if (!ec) acceptor.set_option(net::socket_base::reuse_address(true), ec);
    if (!ec && endpoint.address().is_v6()) acceptor.set_option(net::ip::v6_only(true), ec);
    if (!ec) acceptor.bind(endpoint, ec);
    if (!ec) acceptor.listen(net::socket_base::max_listen_connections, ec);
    const std::string address = endpoint.address().to_string();
    if (ec) {
      log(Level::error, "cannot listen on " + address + " port " + std::to_string(endpoint.port()) +
                            ": " + ec.message());
      return false;
    }
    log(Level::info, "listening on " + address + " port " +
                         std::to_string(acceptor.local_endpoint().port()) +
                         (tls_ ? " with TLS" : " without TLS"));
    listeners_.push_back(std::move(listener));
  }
  return true;
}

void Server::accept(Listener& listener) {
  if (!listener.acceptor.is_open()) return;
  listener.waiting = connections_.count() >= options_.limits.max_connections;
  if (listener.waiting) return;
  listener.acceptor.async_accept(net::make_strand(io_),
                                 [this, &listener](error_code ec, tcp::socket socket) {
                                   accepted(listener, ec, std::move(socket));
                                 });
}

void Server::accepted(Listener& listener, error_code ec, tcp::socket socket) {
  if (ec == net::error::operation_aborted) return;
  if (!ec) {
    serve_connection(shared_, connections_, std::move(socket), tls_);
    return accept(listener);
  }
  // Out of descriptors, most likely: each try would fail at once.
  listener.timer.expires_after(accept_retry);
  listener.timer.async_wait([this, &listener](error_code cancelled) {
    if (!cancelled) accept(listener);
  });
}

void Server::resume() {
  for (const std::unique_ptr<Listener>& listener : listeners_)
    if (listener->waiting) accept(*listener);
}

void Server::await_signal(const std::function<std::optional<Credentials>()>& reload) {
  signals_.async_wait([this, &reload](error_code ec, int signal) {
    if (ec) return;
    if (signal == SIGHUP) {
      take(reload());
      return await_signal(reload);
    }
    for (const std::unique_ptr<Listener>& listener : listeners_) {
      listener->acceptor.close();
      listener->timer.cancel();
    }
    connections_.stop();
    stop_.set_value();
  });
}

void Server::take(std::optional<Credentials> fresh) {
  if (!site_.audit().open()) log(Level::error, "the audit log cannot be opened again");
  if (!fresh) return;
  site_.replace(std::move(fresh->authenticator));
  tls_ = std::move(fresh->tls);
  // Those of TLS keep the certificates that they began with, the client's too: they end.
  if (tls_) connections_.renew();
  log(Level::info, "reloaded tokens, keys and certificates");
}

/// Out of memory costs a connection, not the server.
void Server::serve() {
  while (!io_.stopped()) {
    try {
      io_.run();
    } catch (const std::exception& error) {
      log(Level::error, error.what());
    }
  }
}

int Server::run(const std::function<std::optional<Credentials>()>& reload) {
  if (!site_.audit().open()) {
    log(Level::error, options_.audit_path + ": the audit log cannot be opened");
    return 1;
  }
  net::post(strand_, [this] {
    for (const std::unique_ptr<Listener>& listener : listeners_) accept(*listener);
  });
  await_signal(reload);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < processors(); ++i) threads.emplace_back([this] { serve(); });
  stop_.get_future().wait();
  log(Level::info, "stopping");
  if (!connections_.wait_until_empty(options_.shutdown_timeout)) {
    // An HSM that hangs cannot be waited for, nor its thread be ended.
    log(Level::error, "requests were still under way at the end of shutdown_timeout_ms");
    std::_Exit(1);
  }
  io_.stop();
  for (std::thread& each : threads) each.join();
  workers_.join();
  return 0;
}

}  // namespace

std::vector<tcp::endpoint> endpoints_of(const jwekms::ServerOptions& options) {
  net::io_context io;
  tcp::resolver resolver(io);
  error_code ec;
  const auto found = resolver.resolve(options.hostname, std::to_string(options.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, ec);
  std::vector<tcp::endpoint> endpoints;
  if (!ec)
    for (const auto& each : found) endpoints.push_back(each.endpoint());
  return endpoints;
}

int run(const jwekms::Kms& kms, const jwekms::Config& config,
        const std::vector<tcp::endpoint>& endpoints, Credentials credentials,
        const std::function<std::optional<Credentials>()>& reload) {
  Server server(kms, config, std::move(credentials));
  if (!server.listen(endpoints)) return 1;
  return server.run(reload);
}

}  // namespace rest

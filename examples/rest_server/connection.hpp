// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "jwekms/config.hpp"
#include "site.hpp"

namespace rest {

/// What all connections share.
struct Shared {
  Site& site;
  const jwekms::ServerOptions& options;
  boost::asio::thread_pool& workers;  ///< Where keys are used; an HSM may be slow.
};

/// One client, from its arrival to its end: reads a request, has it answered, and so on.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;
  /// Ends it: at once when no request is under way, else after its answer. From any thread.
  virtual void stop() = 0;
};

/// The connections that are open. Thread-safe.
class Connections {
 public:
  /// @param on_room  called when one has ended, from its thread.
  explicit Connections(std::function<void()> on_room) : on_room_(std::move(on_room)) {}

  void add(const std::shared_ptr<Connection>& connection);
  void remove(Connection* connection);
  [[nodiscard]] std::size_t count() const;
  /// Stops all, and those that are yet to come.
  void stop();
  /// Stops all that are here now.
  void renew();
  /// Waits until there are none. False when some are left at the end of the time.
  [[nodiscard]] bool wait_until_empty(std::chrono::milliseconds timeout);

 private:
  [[nodiscard]] std::vector<std::shared_ptr<Connection>> all();

  const std::function<void()> on_room_;
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_map<Connection*, std::weak_ptr<Connection>> open_;
  bool stopping_ = false;
};

/// Serves a socket, whose executor is a strand, until it ends.
/// @param tls  null: plain HTTP.
void serve_connection(Shared& shared, Connections& connections, boost::asio::ip::tcp::socket socket,
                      std::shared_ptr<boost::asio::ssl::context> tls);

}  // namespace rest

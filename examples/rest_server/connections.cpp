// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

namespace rest {

void Connections::add(const std::shared_ptr<Connection>& connection) {
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    open_.emplace(connection.get(), connection);
    stopping = stopping_;
  }
  if (stopping) connection->stop();
}

void Connections::remove(Connection* connection) {
  {
    const std::lock_guard lock(mutex_);
    open_.erase(connection);
    if (open_.empty()) empty_.notify_all();
  }
  on_room_();
}

std::size_t Connections::count() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

std::vector<std::shared_ptr<Connection>> Connections::all() {
  std::vector<std::shared_ptr<Connection>> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, weak] : open_)
    if (std::shared_ptr<Connection> connection = weak.lock())
      found.push_back(std::move(connection));
  return found;
}

void Connections::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  renew();
}

void Connections::renew() {
  for (const std::shared_ptr<Connection>& each : all()) each->stop();
}

bool Connections::wait_until_empty(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return empty_.wait_for(lock, timeout, [this] { return open_.empty(); });
}

}  // namespace rest

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "crypto/secret_buffer.hpp"

namespace jwekms::crypto {

/// Tells a forked child from its parent without a system call: a byte in a page that the kernel
/// zeroes in children. (No secret; SecretBuffer is how such a page is had.)
class ForkMark {
 public:
  ForkMark() : page_(1) { page_.bytes(InsecureSecretAccess::token())[0] = 1; }
  [[nodiscard]] bool forked() const noexcept {
    return page_.bytes(InsecureSecretAccess::token())[0] == 0;
  }

 private:
  SecretBuffer page_;
};

/// One T for each process. A forked child gets one of its own when it first asks. It never destroys
/// its parent's, whose mutexes may be held by threads that the child does not have; a T may take
/// over from it what it knows to be safe.
template <class T>
class PerProcess {
 public:
  /// Makes a T. @param inherited  the parent's, in a forked child; else null.
  using Make = std::function<std::unique_ptr<T>(T* inherited, std::shared_ptr<const ForkMark>)>;

  explicit PerProcess(Make make) : make_(std::move(make)), node_(new Node(make_, nullptr)) {}
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;
  ~PerProcess() {
    try {
      (void)get();
    } catch (...) {
      return;  // a forked child without memory: what it inherited stays as it is
    }
    delete node_.load(std::memory_order_acquire);
  }

  [[nodiscard]] T& get() const {
    Node* node = node_.load(std::memory_order_acquire);
    return node->mark->forked() ? renew(node) : *node->value;
  }

 private:
  struct Node {
    Node(const Make& make, T* inherited) : value(make(inherited, mark)) {}
    std::shared_ptr<const ForkMark> mark = std::make_shared<ForkMark>();
    std::unique_ptr<T> value;
  };

  T& renew(Node* inherited) const {
    auto fresh = std::make_unique<Node>(make_, inherited->value.get());
    if (node_.compare_exchange_strong(inherited, fresh.get(), std::memory_order_acq_rel))
      return *fresh.release()->value;
    return *inherited->value;  // another thread of the child was faster
  }

  Make make_;
  mutable std::atomic<Node*> node_;
};

}  // namespace jwekms::crypto

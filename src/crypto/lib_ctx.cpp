// SPDX-License-Identifier: Apache-2.0
#include "crypto/lib_ctx.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <vector>

namespace jwekms::crypto {

struct LibCtx::Shared {
  OsslLibCtxPtr ctx{OSSL_LIB_CTX_new()};
  std::atomic<bool> closed{false};
};

/// What one thread has entered.
class LibCtx::Entered {
 public:
  Entered() = default;
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  ~Entered() {
    leave([](const Shared&) { return true; });
    ended_ = true;
  }

  void add(const std::shared_ptr<Shared>& shared) {
    if (last_ == shared.get() || ended_) return;
    leave([](const Shared& other) { return other.closed.load(std::memory_order_relaxed); });
    if (std::ranges::find(all_, shared) == all_.end()) all_.push_back(shared);
    last_ = shared.get();
  }

  void remove(const std::shared_ptr<Shared>& shared) noexcept {
    if (!ended_) leave([&](const Shared& other) { return &other == shared.get(); });
  }

 private:
  template <class Which>
  void leave(Which which) noexcept {
    last_ = nullptr;
    std::erase_if(all_, [&](const std::shared_ptr<Shared>& shared) {
      if (!which(*shared)) return false;
      OPENSSL_thread_stop_ex(shared->ctx.get());
      return true;
    });
  }

  std::vector<std::shared_ptr<Shared>> all_;
  const Shared* last_ = nullptr;  ///< One of them: what is held cannot be mistaken for another.
  /// Destructors of the host's run even later, in the main thread.
  bool ended_ = false;
};

thread_local LibCtx::Entered LibCtx::entered;

LibCtx::LibCtx() : shared_(std::make_shared<Shared>()) {
  if (!shared_->ctx) throw std::bad_alloc();
}

LibCtx::~LibCtx() {
  shared_->closed = true;
  entered.remove(shared_);
}

OSSL_LIB_CTX* LibCtx::get() const {
  enter();
  return shared_->ctx.get();
}

void LibCtx::enter() const { entered.add(shared_); }

}  // namespace jwekms::crypto

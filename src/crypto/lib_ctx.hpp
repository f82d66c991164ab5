// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "crypto/openssl.hpp"

namespace jwekms::crypto {

/// An OSSL_LIB_CTX that threads may outlive.
///
/// OpenSSL 3.0 keeps random generators for each thread in an OSSL_LIB_CTX, and looks there for them
/// when the thread ends, be it there still or not. So the OSSL_LIB_CTX is freed only when every
/// thread that has entered it has ended, has entered another one since, or is the one that destroys
/// this.
class LibCtx {
 public:
  LibCtx();
  ~LibCtx();
  LibCtx(const LibCtx&) = delete;
  LibCtx& operator=(const LibCtx&) = delete;

  /// For this thread to use.
  [[nodiscard]] OSSL_LIB_CTX* get() const;
  /// Makes the thread take along, when it ends, what it will leave here. Quick when it was here
  /// last.
  void enter() const;

 private:
  struct Shared;
  class Entered;
  static thread_local Entered entered;
  std::shared_ptr<Shared> shared_;
};

}  // namespace jwekms::crypto

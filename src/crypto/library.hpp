// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "crypto/lib_ctx.hpp"
#include "crypto/openssl.hpp"
#include "jwekms/algorithms.hpp"
#include "jwekms/result.hpp"

namespace jwekms::crypto {

/// OpenSSL as one context of ours uses it: an OSSL_LIB_CTX of its own, so that the host's
/// configuration, providers and error handling are neither read nor touched, with every algorithm
/// fetched once. Immutable; thread-safe.
class Library {
 public:
  /// @param properties   property query for every fetch, such as "fips=yes"; empty for none.
  /// @param config_path  OpenSSL configuration file; empty: the default provider and no file.
  /// Errors: bad_request (malformed query), unavailable (no provider serves the query, no such
  /// configuration).
  [[nodiscard]] static Result<std::shared_ptr<const Library>> open(
      const std::string& properties, const std::string& config_path = {});

  [[nodiscard]] OSSL_LIB_CTX* ctx() const { return ctx_.get(); }
  /// Whoever may draw random numbers here without asking for ctx() says so, see LibCtx.
  void enter() const { ctx_.enter(); }
  /// Null when there is no property query.
  [[nodiscard]] const char* properties() const noexcept {
    return properties_.empty() ? nullptr : properties_.c_str();
  }
  /// AES-GCM for a key of 16, 24 or 32 bytes.
  [[nodiscard]] const EVP_CIPHER* aes_gcm(std::size_t key_bytes) const noexcept;
  /// Null for Hash::none.
  [[nodiscard]] const EVP_MD* digest(Hash hash) const noexcept;

  /// Fills `out` from the private random generator. Errors: unavailable.
  [[nodiscard]] Result<void> random(std::span<std::uint8_t> out) const;

 private:
  Library() = default;
  LibCtx ctx_;
  ProviderPtr default_provider_;
  std::string properties_;
  CipherPtr gcm_[3];
  MdPtr md_[4];
};

/// A failure of OpenSSL that no input explains.
[[nodiscard]] Error openssl_failure() noexcept;

/// Leaves the thread's OpenSSL error queue as it was found: the host may be using it.
class ErrorQueueGuard {
 public:
  ErrorQueueGuard() noexcept;
  ~ErrorQueueGuard();
  ErrorQueueGuard(const ErrorQueueGuard&) = delete;
  ErrorQueueGuard& operator=(const ErrorQueueGuard&) = delete;
};

}  // namespace jwekms::crypto

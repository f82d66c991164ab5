// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "crypto/lib_ctx.hpp"
#include "crypto/openssl.hpp"
#include "crypto/per_process.hpp"
#include "jwekms/algorithms.hpp"
#include "jwekms/result.hpp"

namespace jwekms::crypto {

/// OpenSSL as one context of ours uses it: an OSSL_LIB_CTX of its own, so that the host's
/// configuration, providers and error handling are neither read nor touched, with every algorithm
/// fetched once. A forked child makes an OSSL_LIB_CTX of its own: in the one that it inherits,
/// locks may be held by threads that it does not have. Immutable; thread-safe.
class Library {
 public:
  /// @param properties   property query for every fetch, such as "fips=yes"; empty for none.
  /// @param config_path  OpenSSL configuration file; empty: the default provider and no file.
  /// Errors: bad_request (malformed query), unavailable (no provider serves the query, no such
  /// configuration).
  [[nodiscard]] static Result<std::shared_ptr<const Library>> open(
      const std::string& properties, const std::string& config_path = {});

  [[nodiscard]] OSSL_LIB_CTX* ctx() const { return opened().ctx.get(); }
  /// Whoever may draw random numbers here without asking for ctx() says so, see LibCtx.
  void enter() const { opened().ctx.enter(); }
  /// Null when there is no property query.
  [[nodiscard]] const char* properties() const noexcept {
    return properties_.empty() ? nullptr : properties_.c_str();
  }
  /// AES-GCM for a key of 16, 24 or 32 bytes.
  [[nodiscard]] const EVP_CIPHER* aes_gcm(std::size_t key_bytes) const;
  /// Null for Hash::none.
  [[nodiscard]] const EVP_MD* digest(Hash hash) const;

  /// Fills `out` from the private random generator. Errors: unavailable.
  [[nodiscard]] Result<void> random(std::span<std::uint8_t> out) const;

 private:
  struct Opened {
    LibCtx ctx{};
    ProviderPtr default_provider{};
    CipherPtr gcm[3]{};
    MdPtr md[4]{};
  };
  using OpenedPtr = std::shared_ptr<const Opened>;
  [[nodiscard]] static Result<OpenedPtr> open_here(const std::string& properties,
                                                   const std::string& config_path);

  /// @param opened  by this process.
  Library(OpenedPtr opened, const std::string& properties, const std::string& config_path);
  [[nodiscard]] const Opened& opened() const { return *opened_.get(); }

  const std::string properties_;
  const PerProcess<OpenedPtr> opened_;
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

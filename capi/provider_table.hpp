// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "crypto/per_process.hpp"
#include "jwekms/provider.hpp"
#include "jwekms_provider.h"

namespace jwekms::capi {

/// What a callback cannot have meant. Errors of the provider's own making, not of a token's.
inline constexpr Error impossible_answer{Errc::internal_error, 0,
                                         "the key provider's answer cannot be"};

/// What a callback's status means to the caller of the library.
/// Errors: not_found, forbidden, unsupported_algorithm, unavailable, internal_error.
[[nodiscard]] Result<void> outcome_of(jwekms_status status) noexcept;

/// Whether a callback that reads a token says that something is wrong with it.
[[nodiscard]] bool blames_token(jwekms_status status) noexcept;

/// A program's callbacks. Calls `destroy` when it dies, once it has been taken over. Thread-safe.
class ProviderTable {
 public:
  /// @param table  with `resolve`. Its prefix and admins are copied. Throws BadResult for a prefix
  /// or a name that cannot be.
  explicit ProviderTable(const jwekms_provider& table);
  ProviderTable(const ProviderTable&) = delete;
  ProviderTable& operator=(const ProviderTable&) = delete;
  ~ProviderTable();

  /// jwekms_open() has succeeded: `data` is no longer the caller's.
  void take_over() noexcept { is_ours_ = true; }

  [[nodiscard]] const jwekms_provider& calls() const noexcept { return table_; }
  [[nodiscard]] const std::string& prefix() const noexcept { return prefix_; }
  [[nodiscard]] const std::vector<std::string>& admins() const noexcept { return admins_; }

  /// To be called before a callback in a process that may be a forked child: has `after_fork`
  /// called once there. Errors: those of outcome_of().
  [[nodiscard]] Result<void> enter_process() const;

 private:
  struct Process {
    std::atomic<bool> ready = false;
    std::mutex mutex;
  };

  jwekms_provider table_;
  std::string prefix_;
  std::vector<std::string> admins_;
  bool is_ours_ = false;
  crypto::PerProcess<Process> process_;
};

/// A key that `resolve` gave out; it is given back when nothing uses it any more.
class KeyHandle {
 public:
  explicit KeyHandle(std::shared_ptr<const ProviderTable> table) noexcept
      : table_(std::move(table)) {}
  KeyHandle(const KeyHandle&) = delete;
  KeyHandle& operator=(const KeyHandle&) = delete;
  ~KeyHandle() {
    if (is_out_ && calls().release != nullptr) calls().release(data(), key_);
  }

  void hold(void* key) noexcept {
    key_ = key;
    is_out_ = true;
  }
  [[nodiscard]] const jwekms_provider& calls() const noexcept { return table_->calls(); }
  [[nodiscard]] void* data() const noexcept { return calls().data; }
  [[nodiscard]] void* key() const noexcept { return key_; }

 private:
  std::shared_ptr<const ProviderTable> table_;
  void* key_ = nullptr;
  bool is_out_ = false;
};

}  // namespace jwekms::capi

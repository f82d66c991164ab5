// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/context.hpp"
#include "jwekms/audit.hpp"

namespace jwekms::core {

/// One call of a Kms: who makes it, and what its audit event will say. Lives on the call's stack,
/// and reports when it dies. Where nobody listens it notes nothing and asks no clock.
class Call {
 public:
  /// @param operation  static storage.
  /// @param kid        the key as the caller names it.
  Call(const Context& kms, std::string_view principal, std::string_view operation,
       std::string_view kid = {})
      : kms_(kms), principal_(principal), operation_(operation) {
    if (kms.audit) notes_.emplace(kid);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (notes_) report();
  }

  [[nodiscard]] const Context& kms() const noexcept { return kms_; }
  /// Empty for the host.
  [[nodiscard]] std::string_view principal() const noexcept { return principal_; }
  [[nodiscard]] bool is_host() const noexcept { return principal_.empty(); }

  void note_kid(std::string_view kid) {
    if (noting()) notes_->kid = kid;
  }
  void note_uid(std::string_view uid) {
    if (noting()) notes_->uid = uid;
  }
  void note_other(std::string_view other) {
    if (noting()) notes_->other = other;
  }
  void note_permissions(Permissions permissions) noexcept {
    if (noting()) notes_->permissions = permissions;
  }
  /// What follows is about a second key, which `other` names already, or about many.
  void note_no_more() noexcept {
    if (notes_) notes_->complete = true;
  }

  /// Does the call's work, `Result<T>()`, and passes its result on.
  template <class Body>
  [[nodiscard]] auto run(Body body) -> decltype(body()) {
    auto result = body();
    if (notes_) notes_->error = result ? std::nullopt : std::optional(result.error().code);
    return result;
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Notes {
    explicit Notes(std::string_view name) : kid(name) {}
    Clock::time_point began = Clock::now();
    std::string kid, uid, other;
    Permissions permissions{};
    bool complete = false;
    /// Stands when an exception ends the call: there was no memory.
    std::optional<Errc> error = Errc::unavailable;
  };
  [[nodiscard]] bool noting() const noexcept { return notes_ && !notes_->complete; }
  void report() const noexcept;

  const Context& kms_;
  const std::string_view principal_, operation_;
  std::optional<Notes> notes_;
};

}  // namespace jwekms::core

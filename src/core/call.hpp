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
      : kms_(kms), principal_(principal), operation_(operation), noting_(bool{kms.audit}) {
    if (!noting_) return;
    began_ = Clock::now();
    kid_ = kid;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (kms_.audit) report();
  }

  [[nodiscard]] const Context& kms() const noexcept { return kms_; }
  /// Empty for the host.
  [[nodiscard]] std::string_view principal() const noexcept { return principal_; }
  [[nodiscard]] bool is_host() const noexcept { return principal_.empty(); }

  void note_kid(std::string_view kid) {
    if (noting_) kid_ = kid;
  }
  void note_uid(std::string_view uid) {
    if (noting_) uid_ = uid;
  }
  void note_other(std::string_view other) {
    if (noting_) other_ = other;
  }
  void note_permissions(Permissions permissions) noexcept { permissions_ = permissions; }
  /// What follows is about a second key, which `other` names already, or about many.
  void note_no_more() noexcept { noting_ = false; }

  /// Does the call's work, `Result<T>()`, and passes its result on.
  template <class Body>
  [[nodiscard]] auto run(Body body) -> decltype(body()) {
    auto result = body();
    error_ = result ? std::nullopt : std::optional(result.error().code);
    return result;
  }

 private:
  using Clock = std::chrono::steady_clock;
  void report() const noexcept;

  const Context& kms_;
  const std::string_view principal_, operation_;
  bool noting_;
  Clock::time_point began_{};
  std::string kid_, uid_, other_;
  Permissions permissions_{};
  /// Stands when an exception ends the call: there was no memory.
  std::optional<Errc> error_ = Errc::unavailable;
};

}  // namespace jwekms::core

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>

#include "providers/pkcs11/key_objects.hpp"

namespace jwekms::pkcs11 {

/// A key as operations use it: the token's object, or a session's copy of it where that is much
/// faster. Which one is tried out once, with work of our own. Thread-safe.
class WorkingKey {
 public:
  /// Uses a key for something that fails, and takes as long as success. Makes no objects.
  using Trial = std::function<Step(const Session&, CK_OBJECT_HANDLE)>;
  WorkingKey(const KeyObject& key, Trial trial) : locator_(key), trial_(std::move(trial)) {}

  /// @param handle  good for this operation alone. Errors: those of Locator::locate().
  [[nodiscard]] Result<Step> locate(TokenSlot& slot, const Session& session,
                                    CK_OBJECT_HANDLE& handle) const;
  /// See Locator::forget().
  void forget() const { locator_.forget(); }

 private:
  enum class Verdict : std::uint8_t { none, being_tried, token, copy };
  void decide(const TokenSlot& slot, const Session& session, CK_OBJECT_HANDLE key) const;
  [[nodiscard]] Verdict try_out(const TokenSlot& slot, const Session& session,
                                CK_OBJECT_HANDLE key) const;

  const Locator locator_;
  const Trial trial_;
  mutable std::atomic<Verdict> verdict_ = Verdict::none;
  mutable std::atomic<int> interrupted_ = 0;
};

}  // namespace jwekms::pkcs11

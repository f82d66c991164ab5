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
  /// A trial for tokens that open a file whenever an object of theirs is looked at: that is lost in
  /// the noise of an RSA operation, and there all the same.
  [[nodiscard]] static Step look(const Session& session, CK_OBJECT_HANDLE key);
  /// @param trial  null: there are to be no copies.
  WorkingKey(const KeyObject& key, Trial trial)
      : locator_(key),
        trial_(std::move(trial)),
        verdict_(trial_ ? Verdict::none : Verdict::token) {}

  /// @param handle  good for this operation alone. Errors: those of Locator::locate().
  [[nodiscard]] Result<Step> locate(TokenSlot& slot, const Session& session,
                                    CK_OBJECT_HANDLE& handle) const;
  /// See Locator::forget().
  void forget() const { locator_.forget(); }

 private:
  enum class Verdict : std::uint8_t { none, being_tried, token, copy };
  void decide(const Session& session, CK_OBJECT_HANDLE key) const;
  [[nodiscard]] Verdict try_out(const Session& session, CK_OBJECT_HANDLE key) const;

  const Locator locator_;
  const Trial trial_;
  mutable std::atomic<Verdict> verdict_;
  mutable std::atomic<int> interrupted_ = 0;
};

}  // namespace jwekms::pkcs11

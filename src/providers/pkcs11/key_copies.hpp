// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "providers/pkcs11/cryptoki.hpp"

namespace jwekms::pkcs11 {

struct Session;

/// Keys that a session has made for itself. They serve it alone and go with it.
///
/// Copies of keys, where the token is much faster with them: NSS
/// derives a key from the password at each use of a private key, SoftHSM opens its file. A copy is
/// as sensitive as the key.
///
/// Stand-ins, which are used in place of a CEK that did not come out of its JWE, so that the token
/// sees the same calls. They are made before anybody knows whether they will be needed.
///
/// Not thread-safe.
class KeyCopies {
 public:
  /// False when a login has begun a new epoch of handles since copies were made: they are not to be
  /// destroyed by handles that may name other objects by now, and go with their session.
  [[nodiscard]] bool serve(std::uint64_t object_epoch) const noexcept {
    return copies_.empty() || object_epoch_ == object_epoch;
  }

  /// Whether the session may have objects, which end with it.
  [[nodiscard]] bool made_any() const noexcept { return made_any_; }

  /// @param key  the token's object; becomes its copy, or stays what it is if there can be none.
  /// @return the fault, when it shows that session, login, handle or token are lost.
  [[nodiscard]] Step replace(const Session& session, CK_OBJECT_HANDLE& key);

  /// A session object like an unwrapped CEK, with a random value.
  /// @return what went wrong, if it did.
  [[nodiscard]] Step stand_in(const Session& session, std::size_t size_in_bytes,
                              CK_OBJECT_HANDLE& key);

  /// A copy for the caller to destroy. SharedToken::objects is held.
  [[nodiscard]] static CK_RV copy(const Session& session, CK_OBJECT_HANDLE key,
                                  CK_OBJECT_HANDLE& copy) noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  struct Copy {
    CK_OBJECT_HANDLE key;
    CK_OBJECT_HANDLE copy;
    unsigned usage;  ///< What the key could be used for when it was copied.
    Clock::time_point good_until;
  };
  struct StandIn {
    std::size_t size;
    CK_OBJECT_HANDLE key;
  };
  void forget_other_epoch(const Session& session);
  std::vector<Copy> copies_;
  std::vector<StandIn> stand_ins_;
  std::uint64_t object_epoch_ = 0;
  bool made_any_ = false;
};

}  // namespace jwekms::pkcs11

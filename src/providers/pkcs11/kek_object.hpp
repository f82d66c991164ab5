// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "core/kek_wrapper.hpp"
#include "crypto/library.hpp"
#include "jwekms/open.hpp"
#include "providers/pkcs11/instance.hpp"

namespace jwekms::pkcs11 {

/// What a session object with the key-encryption key is: it comes from this process and goes back
/// there, within one operation.
void describe_passing_kek(Template& attributes) noexcept;

/// Wraps a database's key-encryption key with an AES-256 key in a token: AES-GCM where the token
/// and the key's attributes (ENCRYPT, DECRYPT) allow it, else AES key wrap (WRAP, UNWRAP; RFC 3394
/// or 5649) of a session object that is destroyed at once. Which of them is found out once, by
/// trying, and stands beside what was wrapped.
///
/// The additional data of AES-GCM begins with words that no JWE can have there: base64url has no
/// spaces. So the key, used as a CEK, would not open what it has wrapped.
class KekObject final : public core::KekWrapper {
 public:
  /// @param place  where `uid` leads, in the process that asks.
  using FindPlace = std::function<Result<Instance::Place>()>;
  KekObject(std::shared_ptr<const crypto::Library> library, std::string uid, FindPlace place)
      : library_(std::move(library)), uid_(std::move(uid)), place_(std::move(place)) {}

  /// Finds the key, learns how it wraps and marks it as reserved. To be called first.
  /// Errors: not_found, crypto_failure (no AES-256 key), unsupported_algorithm (it wraps in none of
  /// the ways), unavailable, internal_error.
  [[nodiscard]] Result<void> prepare(ReservedKey& reserved, const WarningSink& warn);

  Result<core::WrappedKek> wrap(const Kek& kek) override;
  Result<void> unwrap(const core::WrappedKek& wrapped, Kek& kek) override;

 private:
  enum class Way : std::uint8_t { gcm, key_wrap, key_wrap_pad };
  struct WayRow;
  static const WayRow ways[];
  template <class Use>
  [[nodiscard]] Result<Outcome> with_key(Use use) const;
  [[nodiscard]] Result<bool> serves(const WayRow& way) const;
  [[nodiscard]] Result<Outcome> wrap_as(const WayRow& way, const Kek& kek,
                                        core::WrappedKek& wrapped) const;
  [[nodiscard]] Result<Outcome> unwrap_as(const WayRow& way, const core::WrappedKek& wrapped,
                                          Kek& kek) const;

  const std::shared_ptr<const crypto::Library> library_;
  const std::string uid_;
  const FindPlace place_;
  const WayRow* way_ = nullptr;  ///< Set by prepare().
};

}  // namespace jwekms::pkcs11

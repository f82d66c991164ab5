// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "crypto/aes_gcm.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/provider.hpp"
#include "providers/pkcs11/key_objects.hpp"
#include "providers/pkcs11/rsa_object.hpp"
#include "providers/pkcs11/working_key.hpp"

namespace jwekms::pkcs11 {

/// A Key whose object is in a token.
class HsmKey : public Key {
 public:
  /// Whether this is still the key that the attributes tell of.
  [[nodiscard]] virtual bool is_for(const KeyObject& object) const = 0;
  /// Null for a symmetric key.
  [[nodiscard]] virtual const RsaObject* rsa() const noexcept { return nullptr; }
};

[[nodiscard]] std::shared_ptr<const HsmKey> make_rsa_key(
    std::shared_ptr<const crypto::Library> library, KeyInfo info,
    std::shared_ptr<const RsaObject> rsa, CekBoundary boundary);

/// Counts what this process encrypts under one key of a token. Tokens offer no durable counter that
/// all share, so each process may use a sixteenth of the 2^32 that random IVs allow (NIST SP
/// 800-38D §8.3): sixteen processes, or lives of one, are within it, and a key that sees more is to
/// be replaced by its owner. Thread-safe.
class ProcessBudget final : public crypto::EncryptionBudget {
 public:
  static constexpr std::uint64_t limit = std::uint64_t{1} << 28;
  Result<void> take() override;

 private:
  std::atomic<std::uint64_t> taken_ = 0;
};

[[nodiscard]] std::shared_ptr<const HsmKey> make_aes_key(
    std::shared_ptr<const crypto::Library> library, KeyInfo info, std::shared_ptr<TokenSlot> slot,
    const KeyObject& object, std::shared_ptr<crypto::EncryptionBudget> budget);

/// The public half as a JWK (RFC 7517).
[[nodiscard]] std::string write_public_jwk(const KeyInfo& info, const crypto::RsaPublicKey& key);

}  // namespace jwekms::pkcs11

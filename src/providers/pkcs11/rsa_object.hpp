// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "crypto/library.hpp"
#include "crypto/oaep.hpp"
#include "crypto/rsa_public_key.hpp"
#include "jwekms/provider.hpp"
#include "providers/pkcs11/cek_object.hpp"
#include "providers/pkcs11/working_key.hpp"

namespace jwekms::pkcs11 {

/// How a token decrypts RSA-OAEP for the process.
enum class OaepWay : std::uint8_t { native = 1, raw = 2 };

/// What a trial showed. The rest tells of the failure: the call, its code, and what came of it if
/// it went well.
template <class Way>
struct Trial {
  std::optional<Way> way{};
  CK_RV rv = CKR_OK;
  const char* at = "C_FindObjects";
  const char* wrong = nullptr;
};

/// An RSA private key in a token, and what the token can do with it: tried out once for each hash
/// with a CEK of our own, and never decided by what came in a JWE. Thread-safe.
class RsaObject {
 public:
  RsaObject(std::shared_ptr<const crypto::Library> library, std::shared_ptr<TokenSlot> slot,
            const KeyObject& key, std::shared_ptr<const crypto::RsaPublicKey> public_key,
            bool raw_allowed, CekBoundary boundary);

  [[nodiscard]] TokenSlot& slot() const noexcept { return *slot_; }
  [[nodiscard]] const crypto::RsaPublicKey& public_key() const noexcept { return *public_key_; }

  /// Decrypts a CEK into the process. Errors: unsupported_algorithm (the token cannot),
  /// unavailable, not_found, internal_error; a bad ciphertext is no error, but not `good`.
  /// @return what TokenSlot::believe_failure() wants to know before the JWE is called bad.
  [[nodiscard]] Result<std::uint64_t> decrypt(const WrappedCek& wrapped,
                                              crypto::OaepOpened& opened) const;

  /// Whether the token can keep the CEK to itself. Errors: unsupported_algorithm, unavailable.
  [[nodiscard]] Result<CekSize> keeps_cek(const AlgRow& alg) const;

  /// Unwraps a CEK in the token, decrypts with it and destroys it; the CEK is never here.
  /// @param out  as for ContentKey::decrypt. Errors: those of ContentKey::decrypt and above.
  [[nodiscard]] Result<std::size_t> decrypt_in_token(const AlgRow& alg, const EncRow& enc,
                                                     std::span<const std::uint8_t> encrypted_key,
                                                     const SealedContent& sealed,
                                                     std::span<std::uint8_t> out) const;

  /// Unwraps a CEK to an object that stays. Errors: decryption_failed, crypto_failure (size),
  /// conflict, unsupported_algorithm (the token cannot, or is write-protected), unavailable,
  /// internal_error.
  [[nodiscard]] Result<void> unwrap_to_token(const WrappedCek& wrapped, const std::string& label,
                                             const std::string& id, KeyObject& made) const;

  /// The same for somebody who wants to know the token's code. Errors: as above, but where a code
  /// tells.
  [[nodiscard]] Result<Outcome> try_to_keep(const WrappedCek& wrapped, const std::string& label,
                                            const std::string& id, KeyObject& made) const;

  // Trials, afresh. Errors: unavailable, not_found.
  [[nodiscard]] Result<Trial<OaepWay>> try_oaep(const AlgRow& alg, OaepWay way) const;
  [[nodiscard]] Result<Trial<CekSize>> try_unwrap(const AlgRow& alg) const;

 private:
  [[nodiscard]] Error refuse() const;
  class Ciphertext;
  [[nodiscard]] Result<OaepWay> oaep_way(const AlgRow& alg) const;
  [[nodiscard]] Result<bool> opens(const AlgRow& alg, OaepWay way, CK_RV& rv) const;
  [[nodiscard]] Result<Step> decrypt_with(const Session& session, OaepWay way, Hash hash,
                                          std::span<const std::uint8_t> ciphertext,
                                          crypto::OaepOpened& opened) const;
  [[nodiscard]] Result<Step> make_token_cek(const Session& session, const WrappedCek& wrapped,
                                            CekSize how, const std::string& label,
                                            const std::string& id, KeyObject& made) const;

  const std::shared_ptr<const crypto::Library> library_;
  const std::shared_ptr<TokenSlot> slot_;
  const WorkingKey key_;
  const std::shared_ptr<const crypto::RsaPublicKey> public_key_;
  const bool raw_allowed_;
  /// By Hash.
  mutable std::array<std::atomic<std::uint8_t>, 5> oaep_ways_{};
  mutable std::array<std::atomic<std::uint8_t>, 5> cek_sizes_{};
};

}  // namespace jwekms::pkcs11

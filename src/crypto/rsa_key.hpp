// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crypto/library.hpp"
#include "crypto/oaep.hpp"
#include "crypto/secret_buffer.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"

namespace jwekms::crypto {

/// An RSA private key in this process. Immutable; thread-safe.
class RsaKey {
 public:
  /// Makes a key with e = 65537. @param bits  2048, 3072 or 4096. Errors: bad_request.
  [[nodiscard]] static Result<std::shared_ptr<const RsaKey>> generate(
      std::shared_ptr<const Library> library, std::uint32_t bits);

  /// Reads what to_pkcs8() wrote. Errors: internal_error.
  [[nodiscard]] static Result<std::shared_ptr<const RsaKey>> from_pkcs8(
      std::shared_ptr<const Library> library, std::span<const std::uint8_t> der);

  /// Takes over a private key that was read elsewhere and has been checked.
  /// Errors: crypto_failure (too large), internal_error.
  [[nodiscard]] static Result<std::shared_ptr<const RsaKey>> adopt(
      std::shared_ptr<const Library> library, PkeyPtr pkey);

  [[nodiscard]] Result<SecretBuffer> to_pkcs8() const;
  [[nodiscard]] std::uint32_t bits() const noexcept { return bits_; }

  /// Public parameters, big-endian without leading zeros.
  struct Public {
    std::vector<std::uint8_t> n, e;
  };
  [[nodiscard]] Result<Public> public_numbers() const;

  /// Key::unwrap with RSAES-OAEP: implicit rejection. Errors: internal_error.
  [[nodiscard]] Result<Cek> unwrap_or_random(const WrappedCek& wrapped) const;
  /// Key::unwrap_to_keep with RSAES-OAEP. Errors: decryption_failed, crypto_failure.
  [[nodiscard]] Result<Cek> unwrap_to_keep(const WrappedCek& wrapped) const;
  /// RSAES-OAEP encryption of a CEK.
  [[nodiscard]] Result<std::vector<std::uint8_t>> wrap(const AlgRow& alg, const Cek& cek) const;

 private:
  RsaKey(std::shared_ptr<const Library> library, PkeyPtr pkey, std::vector<std::uint8_t> n);
  [[nodiscard]] PkeyCtxPtr new_context() const;
  [[nodiscard]] Result<void> oaep_decrypt(const WrappedCek& wrapped, OaepOpened& opened) const;

  std::shared_ptr<const Library> library_;
  PkeyPtr pkey_;
  std::vector<std::uint8_t> modulus_;
  std::uint32_t bits_;
  /// For the bare operation. Ready to be copied: making one afresh costs forty times as much.
  PkeyCtxPtr decrypting_;
};

}  // namespace jwekms::crypto

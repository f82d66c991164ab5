// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "crypto/library.hpp"
#include "jwekms/algorithms.hpp"
#include "jwekms/result.hpp"
#include "jwekms/secret.hpp"

namespace jwekms::crypto {

/// The public half of an RSA key that lives elsewhere. Immutable; thread-safe.
class RsaPublicKey {
 public:
  /// @param n, e  big-endian; leading zeros are dropped. Errors: crypto_failure (not an RSA key
  /// that can encrypt).
  [[nodiscard]] static Result<std::shared_ptr<const RsaPublicKey>> from_numbers(
      std::shared_ptr<const Library> library, std::span<const std::uint8_t> n,
      std::span<const std::uint8_t> e);

  [[nodiscard]] std::uint32_t bits() const noexcept { return bits_; }
  /// Big-endian without leading zeros.
  [[nodiscard]] const std::vector<std::uint8_t>& n() const noexcept { return n_; }
  [[nodiscard]] const std::vector<std::uint8_t>& e() const noexcept { return e_; }

  /// RSAES-OAEP encryption of a CEK. Errors: internal_error.
  [[nodiscard]] Result<std::vector<std::uint8_t>> wrap(const AlgRow& alg, const Cek& cek) const;

 private:
  RsaPublicKey() = default;
  std::shared_ptr<const Library> library_;
  PkeyPtr pkey_;
  std::vector<std::uint8_t> n_, e_;
  std::uint32_t bits_ = 0;
};

}  // namespace jwekms::crypto

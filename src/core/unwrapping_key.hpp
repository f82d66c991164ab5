// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "crypto/aes_gcm.hpp"
#include "crypto/oaep.hpp"
#include "jwekms/provider.hpp"

namespace jwekms::core {

/// Draws a CEK for `enc` and has it wrapped.
/// @param wrap  `Result<std::vector<std::uint8_t>>(const Cek&)`, gives the encrypted_key.
template <class Wrap>
[[nodiscard]] Result<NewCek> wrap_new_cek(const std::shared_ptr<const crypto::Library>& library,
                                          const EncRow& enc, Wrap wrap) {
  Result<Cek> cek = crypto::draw_cek(*library, enc);
  if (!cek) return cek.error();
  Result<std::vector<std::uint8_t>> encrypted_key = wrap(*cek);
  if (!encrypted_key) return encrypted_key.error();
  Result<std::unique_ptr<ContentKey>> content_key =
      crypto::make_content_key(library, enc, *std::move(cek));
  if (!content_key) return content_key.error();
  return NewCek{*std::move(encrypted_key), *std::move(content_key)};
}

/// Whether whoever unwraps a CEK says by this that something is wrong with the token.
[[nodiscard]] bool blames_token(Errc code) noexcept;

/// An RSA key that unwraps CEKs into the process, wherever it does so.
class UnwrappingKey : public Key {
 public:
  UnwrappingKey(std::shared_ptr<const crypto::Library> library, KeyInfo info)
      : library_(std::move(library)), info_(std::move(info)) {}

  const KeyInfo& info() const noexcept final { return info_; }
  Result<std::unique_ptr<ContentKey>> unwrap(const WrappedCek& wrapped) const final;
  Result<Cek> unwrap_to_keep(const WrappedCek& wrapped, InsecureSecretAccess access) const final;
  Result<NewCek> wrap(const AlgRow& alg, const EncRow& enc) const final;

 protected:
  /// Whether the token is to blame shows in `opened` alone. Errors: those of Key::unwrap.
  [[nodiscard]] virtual Result<void> open(const WrappedCek& wrapped,
                                          crypto::OaepOpened& opened) const = 0;
  [[nodiscard]] virtual Result<std::vector<std::uint8_t>> wrap_cek(const AlgRow& alg,
                                                                   const EncRow& enc,
                                                                   const Cek& cek) const = 0;
  [[nodiscard]] const std::shared_ptr<const crypto::Library>& library() const noexcept {
    return library_;
  }

 private:
  const std::shared_ptr<const crypto::Library> library_;
  const KeyInfo info_;
};

}  // namespace jwekms::core

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/public_jwk.hpp"
#include "core/unwrapping_key.hpp"

namespace jwekms {

namespace {

constexpr Error failed{Errc::internal_error, 0, "the key provider failed"};

/// What a program may say of its own key. Another code would not be one of ours.
[[nodiscard]] Error told(const Error& error) noexcept {
  const Errc code = error.code;
  const bool known = code == Errc::not_found || code == Errc::forbidden ||
                     code == Errc::unsupported_algorithm || code == Errc::unavailable ||
                     code == Errc::internal_error;
  return known ? error : failed;
}

class OwnRsaKey final : public core::UnwrappingKey {
 public:
  OwnRsaKey(std::shared_ptr<const crypto::Library> library, KeyInfo info, UnwrapCek unwrap,
            std::shared_ptr<const crypto::RsaPublicKey> public_half)
      : UnwrappingKey(std::move(library), std::move(info)),
        unwrap_(std::move(unwrap)),
        public_half_(std::move(public_half)) {}

  Result<std::string> public_jwk() const override {
    if (!public_half_) return Error{Errc::bad_request, 0, "the key shows no public half"};
    return core::write_public_jwk(info(), public_half_->n(), public_half_->e());
  }

 private:
  Result<void> open(const WrappedCek& wrapped, crypto::OaepOpened& opened) const override {
    opened.bytes.fill(0);
    opened.used = opened.bytes.size();
    const Result<std::size_t> size = unwrap_(wrapped, opened.bytes);
    opened.good = size ? ~0U : 0U;
    if (size) opened.size = static_cast<std::uint32_t>(std::min(*size, opened.bytes.size()));
    if (size || core::blames_token(size.error().code)) return {};
    return told(size.error());
  }

  Result<std::vector<std::uint8_t>> wrap_cek(const AlgRow& alg, const EncRow&,
                                             const Cek& cek) const override {
    if (!public_half_) return Error{Errc::unsupported_algorithm, 0, "the key does not encrypt"};
    return public_half_->wrap(alg, cek);
  }

  const UnwrapCek unwrap_;
  const std::shared_ptr<const crypto::RsaPublicKey> public_half_;
};

}  // namespace

Result<ContentKeys> ContentKeys::open(const std::string& openssl_properties,
                                      const std::string& openssl_config) {
  Result<std::shared_ptr<const crypto::Library>> library =
      crypto::Library::open(openssl_properties, openssl_config);
  if (!library) return library.error();
  return ContentKeys(*std::move(library));
}

Result<std::unique_ptr<ContentKey>> ContentKeys::make(const EncRow& enc, Cek cek) const {
  return crypto::make_content_key(library_, enc, std::move(cek));
}

Result<std::shared_ptr<const Key>> ContentKeys::rsa_key(KeyInfo info, UnwrapCek unwrap,
                                                        std::string_view public_jwk) const {
  if (!unwrap) return Error{Errc::bad_request, 0, "an RSA key that does not unwrap"};
  std::shared_ptr<const crypto::RsaPublicKey> public_half;
  if (!public_jwk.empty()) {
    Result<std::shared_ptr<const crypto::RsaPublicKey>> read =
        core::read_public_jwk(library_, public_jwk);
    if (!read) return read.error();
    public_half = *std::move(read);
    if (public_half->bits() != info.bits)
      return Error{Errc::crypto_failure, 0, "the public half has other bits than the key"};
  }
  return std::shared_ptr<const Key>(std::make_shared<OwnRsaKey>(
      library_, std::move(info), std::move(unwrap), std::move(public_half)));
}

}  // namespace jwekms

// SPDX-License-Identifier: Apache-2.0
#include "crypto/rsa_key.hpp"

#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

namespace jwekms::crypto {

namespace {

[[nodiscard]] Result<std::vector<std::uint8_t>> number(EVP_PKEY* pkey, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(pkey, name, &raw) != 1) return openssl_failure();
  const BnPtr bn(raw);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(BN_num_bytes(bn.get())));
  BN_bn2bin(bn.get(), bytes.data());
  return bytes;
}

}  // namespace

RsaKey::RsaKey(std::shared_ptr<const Library> library, PkeyPtr pkey, std::vector<std::uint8_t> n)
    : library_(std::move(library)),
      pkey_(std::move(pkey)),
      modulus_(std::move(n)),
      bits_(static_cast<std::uint32_t>(EVP_PKEY_get_bits(pkey_.get()))) {}

Result<std::shared_ptr<const RsaKey>> RsaKey::adopt(std::shared_ptr<const Library> library,
                                                    PkeyPtr pkey) {
  if (EVP_PKEY_get_bits(pkey.get()) > static_cast<int>(rsa_max_bits))
    return Error{Errc::crypto_failure, 0, "the RSA key is too large"};
  Result<std::vector<std::uint8_t>> n = number(pkey.get(), OSSL_PKEY_PARAM_RSA_N);
  if (!n) return n.error();
  std::shared_ptr<RsaKey> key(new RsaKey(std::move(library), std::move(pkey), *std::move(n)));
  key->decrypting_ = key->new_context();
  if (EVP_PKEY_decrypt_init(key->decrypting_.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(key->decrypting_.get(), RSA_NO_PADDING) != 1)
    return openssl_failure();
  return std::shared_ptr<const RsaKey>(std::move(key));
}

Result<std::shared_ptr<const RsaKey>> RsaKey::generate(std::shared_ptr<const Library> library,
                                                       std::uint32_t bits) {
  if (bits != 2048 && bits != 3072 && bits != 4096)
    return Error{Errc::bad_request, 0, "an RSA key has 2048, 3072 or 4096 bits"};
  PkeyPtr pkey(EVP_PKEY_Q_keygen(library->ctx(), library->properties(), "RSA",
                                 static_cast<std::size_t>(bits)));
  if (!pkey) return openssl_failure();
  return adopt(std::move(library), std::move(pkey));
}

Result<std::shared_ptr<const RsaKey>> RsaKey::from_pkcs8(std::shared_ptr<const Library> library,
                                                         std::span<const std::uint8_t> der) {
  const std::uint8_t* at = der.data();
  PkeyPtr pkey(d2i_PrivateKey_ex(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(der.size()),
                                 library->ctx(), library->properties()));
  if (!pkey) return openssl_failure();
  return adopt(std::move(library), std::move(pkey));
}

Result<SecretBuffer> RsaKey::to_pkcs8() const {
  const EncoderCtxPtr encoder(OSSL_ENCODER_CTX_new_for_pkey(
      pkey_.get(), EVP_PKEY_KEYPAIR, "DER", "PrivateKeyInfo", library_->properties()));
  unsigned char* data = nullptr;
  std::size_t size = 0;
  if (!encoder || OSSL_ENCODER_to_data(encoder.get(), &data, &size) != 1) return openssl_failure();
  SecretBuffer der(size);
  std::copy_n(data, size, der.bytes(InsecureSecretAccess::token()).begin());
  OPENSSL_clear_free(data, size);
  return der;
}

Result<RsaKey::Public> RsaKey::public_numbers() const {
  Result<std::vector<std::uint8_t>> e = number(pkey_.get(), OSSL_PKEY_PARAM_RSA_E);
  if (!e) return e.error();
  return Public{modulus_, *std::move(e)};
}

PkeyCtxPtr RsaKey::new_context() const {
  PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_pkey(library_->ctx(), pkey_.get(), library_->properties()));
  if (!ctx) throw std::bad_alloc();
  return ctx;
}

Result<void> RsaKey::oaep_decrypt(const WrappedCek& wrapped, OaepOpened& opened) const {
  library_->enter();  // blinding draws random numbers
  const PkeyCtxPtr ctx(EVP_PKEY_CTX_dup(decrypting_.get()));
  if (!ctx) throw std::bad_alloc();
  // A length other than the modulus's, or a number not below it, is there for everybody to see.
  // The private operation runs all the same, on the number 2, so that timing shows nothing more.
  std::span<const std::uint8_t> input = wrapped.encrypted_key.bytes;
  const bool in_range =
      input.size() == modulus_.size() &&
      std::lexicographical_compare(input.begin(), input.end(), modulus_.begin(), modulus_.end());
  std::array<std::uint8_t, rsa_max_bits / 8> room;
  const std::span<std::uint8_t> em = std::span(room).first(modulus_.size());
  if (!in_range) {
    std::ranges::fill(em, std::uint8_t{0});
    em.back() = 2;
    input = em;
  }
  std::size_t size = em.size();
  // Whatever the padding, this succeeds: a failure is none of the token's.
  if (EVP_PKEY_decrypt(ctx.get(), em.data(), &size, input.data(), input.size()) != 1 ||
      size != em.size()) {
    secure_wipe(em.data(), em.size());
    return openssl_failure();
  }
  oaep_unpad(*library_, wrapped.alg.hash, em, opened);
  opened.good &= in_range ? ~0U : 0U;
  return {};
}

Result<Cek> RsaKey::unwrap_or_random(const WrappedCek& wrapped) const {
  // Drawn before the result is known, so that drawing it tells nothing (RFC 7516 §11.5).
  Result<Cek> cek = draw_cek(*library_, wrapped.enc);
  if (!cek) return cek;
  OaepOpened opened;
  if (Result<void> r = oaep_decrypt(wrapped, opened); !r) return r.error();
  choose_cek(*cek, opened);
  return cek;
}

Result<Cek> RsaKey::unwrap_to_keep(const WrappedCek& wrapped) const {
  OaepOpened opened;
  if (Result<void> r = oaep_decrypt(wrapped, opened); !r) return r.error();
  return cek_to_keep(opened, wrapped.enc);
}

Result<std::vector<std::uint8_t>> RsaKey::wrap(const AlgRow& alg, const Cek& cek) const {
  const PkeyCtxPtr ctx = new_context();
  // RFC 7518 §4.3 and RFC 8017 §7.1: one hash for OAEP and MGF1, empty label.
  const EVP_MD* md = library_->digest(alg.hash);
  if (EVP_PKEY_encrypt_init(ctx.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(ctx.get(), md) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(ctx.get(), md) != 1)
    return openssl_failure();
  const auto secret = cek.bytes(InsecureSecretAccess::token());
  std::vector<std::uint8_t> encrypted(modulus_.size());
  std::size_t size = encrypted.size();
  if (EVP_PKEY_encrypt(ctx.get(), encrypted.data(), &size, secret.data(), secret.size()) != 1 ||
      size != encrypted.size())
    return openssl_failure();
  return encrypted;
}

}  // namespace jwekms::crypto

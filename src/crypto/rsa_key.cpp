// SPDX-License-Identifier: Apache-2.0
#include "crypto/rsa_key.hpp"

#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

namespace jwekms::crypto {

namespace {

constexpr std::size_t max_modulus_bytes = rsa_max_bits / 8;

/// All ones if a == b, else zero; without a branch.
[[nodiscard]] std::uint32_t equal_mask(std::uint32_t a, std::uint32_t b) noexcept {
  std::uint32_t difference = a ^ b;
  __asm__("" : "+r"(difference));  // the optimiser must not learn what it is
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(difference) - 1) >> 32);
}

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
  for (const AlgRow& alg : alg_table) {
    if (alg.mode != KeyManagement::rsa_oaep) continue;
    Result<PkeyCtxPtr> ready = key->oaep_context(alg, true);
    if (!ready) return ready.error();
    key->decrypting_[static_cast<std::size_t>(alg.hash)] = *std::move(ready);
  }
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

Result<PkeyCtxPtr> RsaKey::oaep_context(const AlgRow& alg, bool decrypt) const {
  PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_pkey(library_->ctx(), pkey_.get(), library_->properties()));
  if (!ctx) throw std::bad_alloc();
  // RFC 7518 §4.3 and RFC 8017 §7.1: one hash for OAEP and MGF1, empty label.
  const EVP_MD* md = library_->digest(alg.hash);
  if ((decrypt ? EVP_PKEY_decrypt_init(ctx.get()) : EVP_PKEY_encrypt_init(ctx.get())) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(ctx.get(), md) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(ctx.get(), md) != 1)
    return openssl_failure();
  return ctx;
}

/// What came out of OAEP. `good` and `size` must not be branched on where a failure must stay
/// hidden.
struct RsaKey::Opened {
  std::array<std::uint8_t, max_modulus_bytes> bytes;
  std::uint32_t size = 0;
  std::uint32_t good = 0;  ///< All ones, or zero.
  std::size_t used = 0;    ///< Bytes to wipe.
  ~Opened() { secure_wipe(bytes.data(), used); }
};

Result<void> RsaKey::oaep_decrypt(const WrappedCek& wrapped, Opened& opened) const {
  const PkeyCtxPtr ctx(
      EVP_PKEY_CTX_dup(decrypting_[static_cast<std::size_t>(wrapped.alg.hash)].get()));
  if (!ctx) throw std::bad_alloc();
  // A length other than the modulus's, or a number not below it, is there for everybody to see.
  // The private operation runs all the same, on the number 2, so that timing shows nothing more.
  const std::span<const std::uint8_t> given = wrapped.encrypted_key.bytes;
  std::array<std::uint8_t, max_modulus_bytes> two;
  std::span<const std::uint8_t> input = given;
  const bool in_range =
      given.size() == modulus_.size() &&
      std::lexicographical_compare(given.begin(), given.end(), modulus_.begin(), modulus_.end());
  if (!in_range) {
    std::fill_n(two.begin(), modulus_.size(), std::uint8_t{0});
    two[modulus_.size() - 1] = 2;
    input = {two.data(), modulus_.size()};
  }

  opened.used = modulus_.size();
  std::size_t size = opened.bytes.size();
  const int result =
      EVP_PKEY_decrypt(ctx.get(), opened.bytes.data(), &size, input.data(), input.size());
  opened.size = static_cast<std::uint32_t>(size);
  opened.good = equal_mask(static_cast<std::uint32_t>(result), 1) & (in_range ? ~0U : 0U);
  return {};
}

Result<Cek> RsaKey::unwrap_or_random(const WrappedCek& wrapped) const {
  const auto access = InsecureSecretAccess::token();
  Cek cek;
  const std::span<std::uint8_t> chosen = cek.fill(wrapped.enc.cek_bytes, access);
  // Drawn before the result is known, so that drawing it tells nothing (RFC 7516 §11.5).
  if (Result<void> drawn = library_->random(chosen); !drawn) return drawn.error();

  Opened opened;
  if (Result<void> r = oaep_decrypt(wrapped, opened); !r) return r.error();
  const std::uint32_t keep = opened.good & equal_mask(opened.size, wrapped.enc.cek_bytes);
  const auto mask = static_cast<std::uint8_t>(keep);
  for (std::size_t i = 0; i < chosen.size(); ++i)
    chosen[i] = static_cast<std::uint8_t>((opened.bytes[i] & mask) | (chosen[i] & ~mask));
  return cek;
}

Result<Cek> RsaKey::unwrap_to_keep(const WrappedCek& wrapped) const {
  Opened opened;
  if (Result<void> r = oaep_decrypt(wrapped, opened); !r) return r.error();
  if (opened.good == 0) return Error{Errc::decryption_failed, 0, "decryption failed"};
  if (opened.size != wrapped.enc.cek_bytes)
    return Error{Errc::crypto_failure, 0, "the CEK's size does not fit enc"};
  Cek cek;
  std::copy_n(opened.bytes.begin(), opened.size,
              cek.fill(opened.size, InsecureSecretAccess::token()).begin());
  return cek;
}

Result<std::vector<std::uint8_t>> RsaKey::wrap(const AlgRow& alg, const Cek& cek) const {
  const Result<PkeyCtxPtr> ctx = oaep_context(alg, false);
  if (!ctx) return ctx.error();
  const auto secret = cek.bytes(InsecureSecretAccess::token());
  std::vector<std::uint8_t> encrypted(modulus_.size());
  std::size_t size = encrypted.size();
  if (EVP_PKEY_encrypt(ctx->get(), encrypted.data(), &size, secret.data(), secret.size()) != 1 ||
      size != encrypted.size())
    return openssl_failure();
  return encrypted;
}

}  // namespace jwekms::crypto

// SPDX-License-Identifier: Apache-2.0
#include "crypto/rsa_public_key.hpp"

#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include <new>

#include "crypto/rsa_key.hpp"

namespace jwekms::crypto {

namespace {

constexpr Error not_usable{Errc::crypto_failure, 0, "the RSA key cannot be used"};

[[nodiscard]] std::vector<std::uint8_t> without_zeros(std::span<const std::uint8_t> number) {
  while (!number.empty() && number[0] == 0) number = number.subspan(1);
  return {number.begin(), number.end()};
}

[[nodiscard]] BnPtr to_bn(const std::vector<std::uint8_t>& number) {
  BnPtr bn(BN_bin2bn(number.data(), static_cast<int>(number.size()), nullptr));
  if (!bn) throw std::bad_alloc();
  return bn;
}

}  // namespace

Result<std::shared_ptr<const RsaPublicKey>> RsaPublicKey::from_numbers(
    std::shared_ptr<const Library> library, std::span<const std::uint8_t> n,
    std::span<const std::uint8_t> e) {
  const ErrorQueueGuard guard;
  std::shared_ptr<RsaPublicKey> key(new RsaPublicKey);
  key->n_ = without_zeros(n);
  key->e_ = without_zeros(e);
  if (key->n_.empty() || key->n_.size() > rsa_max_bits / 8 || key->e_.empty() ||
      key->e_.size() > key->n_.size())
    return not_usable;
  const BnPtr n_bn = to_bn(key->n_);
  const BnPtr e_bn = to_bn(key->e_);
  const ParamBldPtr build(OSSL_PARAM_BLD_new());
  if (!build) throw std::bad_alloc();
  if (OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, n_bn.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, e_bn.get()) != 1)
    throw std::bad_alloc();
  const ParamPtr params(OSSL_PARAM_BLD_to_param(build.get()));
  const PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_name(library->ctx(), "RSA", library->properties()));
  if (!params || !ctx) throw std::bad_alloc();
  EVP_PKEY* pkey = nullptr;
  if (EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
      EVP_PKEY_fromdata(ctx.get(), &pkey, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return not_usable;
  key->pkey_.reset(pkey);
  key->bits_ = static_cast<std::uint32_t>(EVP_PKEY_get_bits(pkey));
  key->library_ = std::move(library);
  return std::shared_ptr<const RsaPublicKey>(std::move(key));
}

Result<std::vector<std::uint8_t>> RsaPublicKey::wrap(const AlgRow& alg, const Cek& cek) const {
  const ErrorQueueGuard guard;
  const PkeyCtxPtr ctx(
      EVP_PKEY_CTX_new_from_pkey(library_->ctx(), pkey_.get(), library_->properties()));
  if (!ctx) throw std::bad_alloc();
  // RFC 7518 §4.3 and RFC 8017 §7.1: one hash for OAEP and MGF1, empty label.
  const EVP_MD* md = library_->digest(alg.hash);
  const auto secret = cek.bytes(InsecureSecretAccess::token());
  std::vector<std::uint8_t> encrypted(n_.size());
  std::size_t size = encrypted.size();
  if (EVP_PKEY_encrypt_init(ctx.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(ctx.get(), md) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(ctx.get(), md) != 1 ||
      EVP_PKEY_encrypt(ctx.get(), encrypted.data(), &size, secret.data(), secret.size()) != 1 ||
      size != encrypted.size())
    return openssl_failure();
  return encrypted;
}

}  // namespace jwekms::crypto

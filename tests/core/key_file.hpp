// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <map>

#include "crypto/openssl.hpp"
#include "support.hpp"

/// Key files as other programs write them: made with OpenSSL, not with the library.
namespace key_file {

using jwekms::crypto::OpensslPtr;
using jwekms::crypto::PkeyPtr;
using support::Bytes;
using BioPtr = OpensslPtr<BIO, BIO_free>;

inline PkeyPtr pkey(const jwekms::crypto::RsaKey& key) {
  const Bytes der = support::pkcs8(key);
  const std::uint8_t* at = der.data();
  return PkeyPtr(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())));
}

/// What a function writes to a BIO.
template <class Write>
Bytes written(Write write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (write(bio.get()) != 1) throw std::runtime_error("OpenSSL cannot write the key");
  const char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  const auto* first = reinterpret_cast<const std::uint8_t*>(data);
  return {first, first + size};
}

/// "-----BEGIN PRIVATE KEY-----", or "BEGIN ENCRYPTED PRIVATE KEY" with a passphrase.
inline Bytes pem_pkcs8(EVP_PKEY* key, const char* passphrase = nullptr) {
  return written([&](BIO* bio) {
    return PEM_write_bio_PKCS8PrivateKey(
        bio, key, passphrase ? EVP_aes_256_cbc() : nullptr, passphrase,
        passphrase ? static_cast<int>(std::strlen(passphrase)) : 0, nullptr, nullptr);
  });
}

/// "-----BEGIN RSA PRIVATE KEY-----", with "Proc-Type: 4,ENCRYPTED" and a passphrase.
inline Bytes pem_pkcs1(EVP_PKEY* key, const char* passphrase = nullptr) {
  return written([&](BIO* bio) {
    return PEM_write_bio_PrivateKey_traditional(
        bio, key, passphrase ? EVP_aes_128_cbc() : nullptr,
        reinterpret_cast<unsigned char*>(const_cast<char*>(passphrase)),
        passphrase ? static_cast<int>(std::strlen(passphrase)) : 0, nullptr, nullptr);
  });
}

inline Bytes pem_public(EVP_PKEY* key) {
  return written([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key); });
}

inline Bytes der_pkcs8(EVP_PKEY* key) {
  return written([&](BIO* bio) {
    return i2d_PKCS8PrivateKey_bio(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

/// For an RSA key this is PKCS#1.
inline Bytes der_pkcs1(EVP_PKEY* key) {
  return written([&](BIO* bio) { return i2d_PrivateKey_bio(bio, key); });
}

inline PkeyPtr ec_key() { return PkeyPtr(EVP_EC_gen("P-256")); }

/// An RSA key that is for signatures only.
inline PkeyPtr rsa_pss_key() {
  const jwekms::crypto::PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_keygen_init(ctx.get()) != 1 || EVP_PKEY_generate(ctx.get(), &key) != 1)
    throw std::runtime_error("no RSA-PSS key");
  return PkeyPtr(key);
}

/// A JWK by its members, each already JSON; tests change and remove them.
using Jwk = std::map<std::string, std::string>;

inline std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

inline std::string number(EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) throw std::runtime_error(name);
  const jwekms::crypto::BnPtr bn(raw);
  Bytes out(static_cast<std::size_t>(BN_num_bytes(bn.get())));
  BN_bn2bin(bn.get(), out.data());
  return in_quotes(support::b64(out));
}

/// RFC 7518 §6.3.
inline Jwk rsa_jwk(EVP_PKEY* key) {
  return {{"kty", in_quotes("RSA")},
          {"n", number(key, OSSL_PKEY_PARAM_RSA_N)},
          {"e", number(key, OSSL_PKEY_PARAM_RSA_E)},
          {"d", number(key, OSSL_PKEY_PARAM_RSA_D)},
          {"p", number(key, OSSL_PKEY_PARAM_RSA_FACTOR1)},
          {"q", number(key, OSSL_PKEY_PARAM_RSA_FACTOR2)},
          {"dp", number(key, OSSL_PKEY_PARAM_RSA_EXPONENT1)},
          {"dq", number(key, OSSL_PKEY_PARAM_RSA_EXPONENT2)},
          {"qi", number(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1)}};
}

/// RFC 7518 §6.4.
inline Jwk oct_jwk(std::span<const std::uint8_t> key) {
  return {{"kty", in_quotes("oct")}, {"k", in_quotes(support::b64(key))}};
}

inline Bytes jwk_text(const Jwk& jwk) {
  std::string out = "{";
  for (const auto& [member, value] : jwk)
    out += (out.size() == 1 ? "" : ",") + in_quotes(member) + ":" + value;
  const auto all = support::bytes(out += "}");
  return {all.begin(), all.end()};
}

}  // namespace key_file

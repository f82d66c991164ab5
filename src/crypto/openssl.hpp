// SPDX-License-Identifier: Apache-2.0
#pragma once

// Owners of OpenSSL handles: the one place that frees them.

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core.h>
#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>

#include <memory>

namespace jwekms::crypto {

template <auto Free>
struct OpensslDeleter {
  template <class T>
  void operator()(T* handle) const noexcept {
    (void)Free(handle);
  }
};
template <class T, auto Free>
using OpensslPtr = std::unique_ptr<T, OpensslDeleter<Free>>;

using OsslLibCtxPtr = OpensslPtr<OSSL_LIB_CTX, OSSL_LIB_CTX_free>;
using ProviderPtr = OpensslPtr<OSSL_PROVIDER, OSSL_PROVIDER_unload>;
using CipherPtr = OpensslPtr<EVP_CIPHER, EVP_CIPHER_free>;
using CipherCtxPtr = OpensslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using MdPtr = OpensslPtr<EVP_MD, EVP_MD_free>;
using PkeyPtr = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;
using PkeyCtxPtr = OpensslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using BnPtr = OpensslPtr<BIGNUM, BN_free>;
using SecretBnPtr = OpensslPtr<BIGNUM, BN_clear_free>;
using BnCtxPtr = OpensslPtr<BN_CTX, BN_CTX_free>;
using ParamBldPtr = OpensslPtr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using ParamPtr = OpensslPtr<OSSL_PARAM, OSSL_PARAM_free>;
using EncoderCtxPtr = OpensslPtr<OSSL_ENCODER_CTX, OSSL_ENCODER_CTX_free>;
using DecoderCtxPtr = OpensslPtr<OSSL_DECODER_CTX, OSSL_DECODER_CTX_free>;

}  // namespace jwekms::crypto

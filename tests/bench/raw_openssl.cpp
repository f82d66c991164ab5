// SPDX-License-Identifier: Apache-2.0
#include "raw_openssl.hpp"

#include <openssl/rsa.h>

#include <array>
#include <stdexcept>

#include "jwekms/base64url.hpp"
#include "jwekms/jwe.hpp"

namespace bench {

namespace {

constexpr std::array<std::uint8_t, 32> no_key{};

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

Bytes decoded(std::string_view text) {
  Bytes out(jwekms::base64url::decoded_size(text.size()));
  require(jwekms::base64url::decode(text, out.data()), "not base64url");
  return out;
}

}  // namespace

DecodedToken::DecodedToken(std::string_view compact) {
  const jwekms::JweView view = jwekms::parse_jwe(compact, {}).value();
  protected_b64 = view.protected_b64;
  encrypted_key = decoded(view.recipient.encrypted_key_b64);
  iv = decoded(view.iv_b64);
  ciphertext = decoded(view.ciphertext_b64);
  tag = decoded(view.tag_b64);
}

RawGcm::RawGcm(std::span<const std::uint8_t, 32> key)
    : ctx_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free) {
  EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  require(EVP_DecryptInit_ex2(ctx_.get(), cipher, key.data(), nullptr, nullptr) == 1, "AES-GCM");
  EVP_CIPHER_free(cipher);
}

bool RawGcm::decrypt(const DecodedToken& token, std::uint8_t* out) {
  return decrypt(nullptr, token, out);
}

bool RawGcm::decrypt(const std::uint8_t* key, const DecodedToken& token, std::uint8_t* out) {
  EVP_CIPHER_CTX* const ctx = ctx_.get();
  int size = 0;
  return EVP_DecryptInit_ex2(ctx, nullptr, key, token.iv.data(), nullptr) == 1 &&
         EVP_DecryptUpdate(ctx, nullptr, &size,
                           reinterpret_cast<const std::uint8_t*>(token.protected_b64.data()),
                           static_cast<int>(token.protected_b64.size())) == 1 &&
         EVP_DecryptUpdate(ctx, out, &size, token.ciphertext.data(),
                           static_cast<int>(token.ciphertext.size())) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(token.tag.size()),
                             const_cast<std::uint8_t*>(token.tag.data())) == 1 &&
         EVP_DecryptFinal_ex(ctx, out, &size) == 1;
}

RawRsa::RawRsa(std::span<const std::uint8_t> pkcs8)
    : key_(nullptr, EVP_PKEY_free), ctx_(nullptr, EVP_PKEY_CTX_free), gcm_(no_key) {
  const std::uint8_t* at = pkcs8.data();
  key_.reset(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(pkcs8.size())));
  ctx_.reset(EVP_PKEY_CTX_new(key_.get(), nullptr));
  require(EVP_PKEY_decrypt_init(ctx_.get()) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx_.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_oaep_md(ctx_.get(), EVP_sha256()) == 1 &&
              EVP_PKEY_CTX_set_rsa_mgf1_md(ctx_.get(), EVP_sha256()) == 1,
          "RSA-OAEP");
}

bool RawRsa::decrypt(const DecodedToken& token, std::uint8_t* out) {
  std::array<std::uint8_t, 512> cek;
  std::size_t size = cek.size();
  return EVP_PKEY_decrypt(ctx_.get(), cek.data(), &size, token.encrypted_key.data(),
                          token.encrypted_key.size()) == 1 &&
         size == 32 && gcm_.decrypt(cek.data(), token, out);
}

}  // namespace bench

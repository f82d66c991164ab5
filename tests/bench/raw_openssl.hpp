// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

using Bytes = std::vector<std::uint8_t>;

/// A compact token taken apart and decoded beforehand.
struct DecodedToken {
  explicit DecodedToken(std::string_view compact);
  std::string protected_b64;  ///< The AAD is this text.
  Bytes encrypted_key, iv, ciphertext, tag;
};

/// The least that OpenSSL can do for a `dir` token: one context that keeps the key.
class RawGcm {
 public:
  explicit RawGcm(std::span<const std::uint8_t, 32> key);
  [[nodiscard]] bool decrypt(const DecodedToken& token, std::uint8_t* out);
  /// With another key, as each RSA token has.
  [[nodiscard]] bool decrypt(const std::uint8_t* key, const DecodedToken& token, std::uint8_t* out);

 private:
  std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> ctx_;
};

/// The least that OpenSSL can do for an RSA-OAEP-256 token: both contexts are kept.
class RawRsa {
 public:
  explicit RawRsa(std::span<const std::uint8_t> pkcs8);
  [[nodiscard]] bool decrypt(const DecodedToken& token, std::uint8_t* out);

 private:
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> ctx_;
  RawGcm gcm_;
};

}  // namespace bench

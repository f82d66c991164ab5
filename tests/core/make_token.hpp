// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "crypto/aes_gcm.hpp"
#include "support.hpp"

/// Tokens put together by hand, sound or not, with keys that the test holds.
namespace support {

/// The parts of a token, each as it stands in its text.
struct TokenParts {
  std::string protected_b64{}, encrypted_key{}, iv{}, ciphertext{}, tag{};
  std::optional<std::string> aad{};

  [[nodiscard]] std::string compact() const {
    return protected_b64 + "." + encrypted_key + "." + iv + "." + ciphertext + "." + tag;
  }
  /// The members that follow a recipient's in either JSON serialization.
  [[nodiscard]] std::string content() const {
    const std::string aad_member = aad ? R"("aad":")" + *aad + R"(",)" : "";
    return aad_member + R"("iv":")" + iv + R"(","ciphertext":")" + ciphertext + R"(","tag":")" +
           tag + '"';
  }
  [[nodiscard]] std::string flattened() const {
    return R"({"protected":")" + protected_b64 + R"(","encrypted_key":")" + encrypted_key +
           R"(",)" + content() + "}";
  }
};

/// One element of a general serialization's `recipients`.
inline std::string recipient(std::string_view header_json, std::string_view encrypted_key_b64) {
  return R"({"header":)" + std::string(header_json) + R"(,"encrypted_key":")" +
         std::string(encrypted_key_b64) + R"("})";
}

inline std::string general(const TokenParts& parts, const std::vector<std::string>& recipients) {
  std::string array;
  for (const std::string& one : recipients) array += (array.empty() ? "" : ",") + one;
  return R"({"protected":")" + parts.protected_b64 + R"(","recipients":[)" + array + "]," +
         parts.content() + "}";
}

/// Encrypts content under a CEK with any protected header; `encrypted_key` stays empty.
inline TokenParts seal_token(std::string_view header_json, std::span<const std::uint8_t> cek,
                             std::span<const std::uint8_t> plaintext, Enc enc = Enc::A256GCM,
                             std::optional<std::string_view> aad = std::nullopt) {
  TokenParts parts;
  parts.protected_b64 = b64(bytes(header_json));
  Aad both{parts.protected_b64, std::nullopt};
  if (aad) both.aad_b64 = *(parts.aad = b64(bytes(*aad)));
  parts.ciphertext.resize(base64url::encoded_size(plaintext.size()));
  Bytes iv(row(enc).iv_bytes), tag(row(enc).tag_bytes);
  const auto key = crypto::make_content_key(library(), row(enc), make_cek(cek)).value();
  key->encrypt(both, plaintext, {parts.ciphertext, iv, tag}).value();
  parts.iv = b64(iv);
  parts.tag = b64(tag);
  return parts;
}

inline std::string wrap_b64(const crypto::RsaKey& key, Alg alg, std::span<const std::uint8_t> cek) {
  return b64(key.wrap(row(alg), make_cek(cek)).value());
}

/// A whole token for an RSA key.
inline TokenParts seal_for(const crypto::RsaKey& key, std::string_view header_json, Alg alg,
                           std::span<const std::uint8_t> plaintext, Enc enc = Enc::A256GCM) {
  const Bytes cek = pattern(row(enc).cek_bytes, 77);
  TokenParts parts = seal_token(header_json, cek, plaintext, enc);
  parts.encrypted_key = wrap_b64(key, alg, cek);
  return parts;
}

}  // namespace support

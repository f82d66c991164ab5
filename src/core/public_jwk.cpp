// SPDX-License-Identifier: Apache-2.0
#include "core/public_jwk.hpp"

#include <array>

#include "core/json_tree.hpp"
#include "jwekms/base64url.hpp"

namespace jwekms::core {

namespace {

[[nodiscard]] std::string base64url_of(std::span<const std::uint8_t> bytes) {
  std::string text(base64url::encoded_size(bytes.size()), '\0');
  base64url::encode(bytes, text.data());
  return text;
}

}  // namespace

std::string write_public_jwk(const KeyInfo& info, std::span<const std::uint8_t> n,
                             std::span<const std::uint8_t> e) {
  const Json jwk = new_object();
  add_text(jwk.get(), "kty", "RSA");
  // RFC 7517 §4.5: a `kid` is a string, so a UID that is no UTF-8 cannot be one.
  if (is_utf8(info.uid)) add_text(jwk.get(), "kid", info.uid);
  add_text(jwk.get(), "use", "enc");
  for (const AlgRow& r : alg_table)
    if (info.algs == AlgSet{r.id}) add_text(jwk.get(), "alg", r.name);
  add_texts(jwk.get(), "key_ops", std::array<std::string, 2>{"wrapKey", "encrypt"});
  add_text(jwk.get(), "n", base64url_of(n));
  add_text(jwk.get(), "e", base64url_of(e));
  return printed(jwk).get();
}

}  // namespace jwekms::core

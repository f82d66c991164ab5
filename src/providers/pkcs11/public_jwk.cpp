// SPDX-License-Identifier: Apache-2.0
#include <cjson/cJSON.h>

#include <array>
#include <memory>
#include <new>

#include "jwekms/base64url.hpp"
#include "jwekms/json.hpp"
#include "providers/pkcs11/hsm_keys.hpp"

namespace jwekms::pkcs11 {

namespace {

struct FreeJson {
  void operator()(cJSON* tree) const noexcept { cJSON_Delete(tree); }
  void operator()(char* text) const noexcept { cJSON_free(text); }
};

/// cJSON fails in one way only: no memory.
template <class T>
T* need(T* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

void add(cJSON* tree, const char* name, const std::string& value) {
  need(cJSON_AddStringToObject(tree, name, value.c_str()));
}

[[nodiscard]] bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size =
        static_cast<unsigned char>(text[0]) < 0x80 ? 1 : json::detail::utf8_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

[[nodiscard]] std::string base64url_of(std::span<const std::uint8_t> bytes) {
  std::string text(base64url::encoded_size(bytes.size()), '\0');
  base64url::encode(bytes, text.data());
  return text;
}

}  // namespace

std::string write_public_jwk(const KeyInfo& info, const crypto::RsaPublicKey& key) {
  const std::unique_ptr<cJSON, FreeJson> jwk(need(cJSON_CreateObject()));
  add(jwk.get(), "kty", "RSA");
  // RFC 7517 §4.5: a `kid` is a string, so a UID that is no UTF-8 cannot be one.
  if (is_utf8(info.uid)) add(jwk.get(), "kid", info.uid);
  add(jwk.get(), "use", "enc");
  cJSON* operations = need(cJSON_AddArrayToObject(jwk.get(), "key_ops"));
  for (const char* operation : {"wrapKey", "encrypt"})
    cJSON_AddItemToArray(operations, need(cJSON_CreateString(operation)));
  add(jwk.get(), "n", base64url_of(key.n()));
  add(jwk.get(), "e", base64url_of(key.e()));
  const std::unique_ptr<char, FreeJson> text(need(cJSON_PrintUnformatted(jwk.get())));
  return text.get();
}

}  // namespace jwekms::pkcs11

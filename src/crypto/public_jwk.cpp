// SPDX-License-Identifier: Apache-2.0
#include "crypto/public_jwk.hpp"

#include <cjson/cJSON.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "jwekms/base64url.hpp"
#include "jwekms/json.hpp"

namespace jwekms::crypto {

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

/// A member that is base64url.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> bytes_of(const json::Value& jwk,
                                                                std::string_view name) {
  const std::optional<json::Value> member = jwk.find(name);
  if (!member || member->kind() != json::Kind::string) return std::nullopt;
  const std::optional<std::string_view> text = member->as_string().plain();
  if (!text) return std::nullopt;
  std::vector<std::uint8_t> bytes(base64url::decoded_size(text->size()));
  if (!base64url::decode(*text, bytes.data())) return std::nullopt;
  return bytes;
}

[[nodiscard]] bool is_public_rsa(const json::Value& jwk) {
  if (jwk.kind() != json::Kind::object) return false;
  const std::optional<json::Value> kty = jwk.find("kty");
  if (!kty || kty->kind() != json::Kind::string || !kty->as_string().equals("RSA")) return false;
  // RFC 7518 §6.3.2 and §6.4.1.
  constexpr std::array<std::string_view, 8> secrets{"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
  return std::ranges::none_of(secrets, [&](auto name) { return jwk.find(name).has_value(); });
}

}  // namespace

std::string write_public_jwk(const KeyInfo& info, std::span<const std::uint8_t> n,
                             std::span<const std::uint8_t> e) {
  const std::unique_ptr<cJSON, FreeJson> jwk(need(cJSON_CreateObject()));
  add(jwk.get(), "kty", "RSA");
  // RFC 7517 §4.5: a `kid` is a string, so a UID that is no UTF-8 cannot be one.
  if (is_utf8(info.uid)) add(jwk.get(), "kid", info.uid);
  add(jwk.get(), "use", "enc");
  for (const AlgRow& r : alg_table)
    if (info.algs == AlgSet{r.id}) add(jwk.get(), "alg", std::string(r.name));
  cJSON* operations = need(cJSON_AddArrayToObject(jwk.get(), "key_ops"));
  for (const char* operation : {"wrapKey", "encrypt"})
    cJSON_AddItemToArray(operations, need(cJSON_CreateString(operation)));
  add(jwk.get(), "n", base64url_of(n));
  add(jwk.get(), "e", base64url_of(e));
  const std::unique_ptr<char, FreeJson> text(need(cJSON_PrintUnformatted(jwk.get())));
  return text.get();
}

Result<std::shared_ptr<const RsaPublicKey>> read_public_jwk(std::shared_ptr<const Library> library,
                                                            std::string_view text) {
  constexpr Error unreadable{Errc::bad_request, 0, "not the public half of an RSA key"};
  const Result<json::Value> jwk = json::read(text);
  if (!jwk || !is_public_rsa(*jwk)) return unreadable;
  const std::optional<std::vector<std::uint8_t>> n = bytes_of(*jwk, "n");
  const std::optional<std::vector<std::uint8_t>> e = bytes_of(*jwk, "e");
  if (!n || !e) return unreadable;
  return RsaPublicKey::from_numbers(std::move(library), *n, *e);
}

}  // namespace jwekms::crypto

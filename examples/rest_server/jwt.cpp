// SPDX-License-Identifier: Apache-2.0
#include "jwt.hpp"

#include <cjose/cjose.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>

#include "jwekms/base64url.hpp"
#include "jwekms/json.hpp"

namespace rest {

namespace json = jwekms::json;

namespace {

constexpr std::size_t rsa_min_bits = 2048;
constexpr std::size_t p256_bits = 256;

struct Algorithm {
  std::string_view name;
  bool rsa;
};
constexpr std::array<Algorithm, 3> algorithms{{{"RS256", true}, {"PS256", true}, {"ES256", false}}};

struct ReleaseJws {
  void operator()(cjose_jws_t* jws) const noexcept { cjose_jws_release(jws); }
};

/// A string member; nothing when it is not there or is no string.
[[nodiscard]] std::optional<std::string> text_of(const json::Value& object, std::string_view name) {
  const std::optional<json::Value> value = object.find(name);
  if (!value || value->kind() != json::Kind::string) return std::nullopt;
  const json::String string = value->as_string();
  std::string text(string.resolved_size(), '\0');
  if (!string.copy_to(text)) return std::nullopt;
  return text;
}

/// Seconds since 1970; a NumericDate may have a fraction (RFC 7519 §2).
[[nodiscard]] std::optional<double> date_of(const json::Value& value) {
  double number = 0;
  const std::string_view text = value.text();
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

[[nodiscard]] std::optional<std::string> decoded(std::string_view text) {
  std::string out(jwekms::base64url::decoded_size(text.size()), '\0');
  if (!jwekms::base64url::decode(text, reinterpret_cast<std::uint8_t*>(out.data())))
    return std::nullopt;
  return out;
}

/// `aud` is a string or an array of strings (RFC 7519 §4.1.3).
[[nodiscard]] bool is_for(const json::Value& claims, std::string_view audience) {
  const std::optional<json::Value> aud = claims.find("aud");
  if (!aud) return false;
  if (aud->kind() == json::Kind::string) return aud->as_string().equals(audience);
  for (const json::Value& each : aud->elements())
    if (each.kind() == json::Kind::string && each.as_string().equals(audience)) return true;
  return false;
}

}  // namespace

void JwtVerifier::Release::operator()(_cjose_jwk_int* key) const noexcept {
  (void)cjose_jwk_release(key);
}

std::unique_ptr<const JwtVerifier> JwtVerifier::load(const jwekms::JwtOptions& options,
                                                     std::string& problem) {
  std::ifstream file(options.keys_path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file) {
    problem = options.keys_path + ": cannot be read";
    return nullptr;
  }
  std::unique_ptr<JwtVerifier> verifier(new JwtVerifier(options));
  if (!verifier->add_keys(text)) {
    problem =
        options.keys_path + ": holds no RSA key from 2048 bits and no P-256 key to verify with";
    return nullptr;
  }
  return verifier;
}

/// Keys of other types and uses are left out, as RFC 7517 §5 wants it.
bool JwtVerifier::add_keys(std::string_view jwk_set) {
  const jwekms::Result<json::Value> set = json::read(jwk_set);
  if (!set) return false;
  const std::optional<json::Value> keys = set->find("keys");
  if (!keys) return false;
  for (const json::Value& each : keys->elements()) {
    if (text_of(each, "use").value_or("sig") != "sig" || each.find("d")) continue;
    Key key{.kid = text_of(each, "kid").value_or(""), .alg = text_of(each, "alg").value_or("")};
    key.jwk.reset(cjose_jwk_import(each.text().data(), each.text().size(), nullptr));
    if (!key.jwk) continue;
    const cjose_jwk_kty_t type = cjose_jwk_get_kty(key.jwk.get(), nullptr);
    const std::size_t bits = cjose_jwk_get_keysize(key.jwk.get(), nullptr);
    key.rsa = type == CJOSE_JWK_KTY_RSA;
    const bool usable =
        key.rsa ? bits >= rsa_min_bits : type == CJOSE_JWK_KTY_EC && bits == p256_bits;
    if (usable) keys_.push_back(std::move(key));
  }
  return !keys_.empty();
}

/// The key that the header asks for: by `kid`, or the only one there is.
const JwtVerifier::Key* JwtVerifier::key_for(std::string_view protected_json) const {
  const jwekms::Result<json::Value> header = json::read(protected_json);
  if (!header || header->kind() != json::Kind::object || header->find("crit")) return nullptr;
  const std::optional<std::string> alg = text_of(*header, "alg");
  if (!alg) return nullptr;
  const auto row = std::ranges::find(algorithms, *alg, &Algorithm::name);
  if (row == algorithms.end()) return nullptr;
  const bool names_key = header->find("kid").has_value();
  const std::optional<std::string> kid = text_of(*header, "kid");
  if (names_key ? !kid : keys_.size() != 1) return nullptr;
  for (const Key& key : keys_)
    if ((!names_key || key.kid == *kid) && key.rsa == row->rsa &&
        (key.alg.empty() || key.alg == row->name))
      return &key;
  return nullptr;
}

std::optional<std::string> JwtVerifier::principal_of(std::string_view token,
                                                     std::chrono::seconds now) const {
  const std::optional<std::string> header = decoded(token.substr(0, token.find('.')));
  if (!header) return std::nullopt;
  const Key* key = key_for(*header);
  if (key == nullptr) return std::nullopt;
  const std::unique_ptr<cjose_jws_t, ReleaseJws> jws(
      cjose_jws_import(token.data(), token.size(), nullptr));
  if (!jws || !cjose_jws_verify(jws.get(), key->jwk.get(), nullptr)) return std::nullopt;
  std::uint8_t* payload = nullptr;
  std::size_t size = 0;
  if (!cjose_jws_get_plaintext(jws.get(), &payload, &size, nullptr)) return std::nullopt;
  return checked_claims({reinterpret_cast<const char*>(payload), size}, now);
}

std::optional<std::string> JwtVerifier::checked_claims(std::string_view payload,
                                                       std::chrono::seconds now) const {
  const jwekms::Result<json::Value> claims = json::read(payload);
  if (!claims || claims->kind() != json::Kind::object) return std::nullopt;
  if (text_of(*claims, "iss") != options_.issuer) return std::nullopt;
  if (!is_for(*claims, options_.audience)) return std::nullopt;
  const auto at = static_cast<double>(now.count());
  const auto leeway = static_cast<double>(options_.leeway.count());
  const std::optional<json::Value> exp = claims->find("exp"), nbf = claims->find("nbf");
  // Not `at >= ...`: whatever is no number fails.
  if (!exp || !(at < date_of(*exp).value_or(0) + leeway)) return std::nullopt;
  if (nbf && !(at >= date_of(*nbf).value_or(at + leeway + 1) - leeway)) return std::nullopt;
  return text_of(*claims, options_.principal_claim);
}

}  // namespace rest

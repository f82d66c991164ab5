// SPDX-License-Identifier: Apache-2.0
#include "crypto/key_reader.hpp"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstring>

#include "jwekms/base64url.hpp"
#include "jwekms/json.hpp"

namespace jwekms::crypto {

namespace {

constexpr Error unreadable{Errc::bad_request, 0, "the key cannot be read"};
constexpr Error not_for_encryption{Errc::crypto_failure, 0, "the key is not one for encryption"};
constexpr Error inconsistent{Errc::crypto_failure, 0, "the RSA key's parts do not belong together"};
constexpr Error wrong_type{Errc::unsupported_algorithm, 0, "this type of key is not supported"};
constexpr std::size_t max_key_file_bytes = 65536;

/// Every `alg` whose mode is RSA-OAEP and which is implemented.
[[nodiscard]] AlgSet all_rsa_algs() noexcept {
  AlgSet set;
  for (const AlgRow& r : alg_table)
    if (r.mode == KeyManagement::rsa_oaep && r.support == Support::implemented) set.insert(r.id);
  return set;
}

[[nodiscard]] Result<ReadKey> checked_rsa(const std::shared_ptr<const Library>& library,
                                          PkeyPtr pkey) {
  if (EVP_PKEY_is_a(pkey.get(), "RSA") != 1) return wrong_type;
  if (EVP_PKEY_get_bits(pkey.get()) > static_cast<int>(rsa_max_bits))
    return Error{Errc::crypto_failure, 0, "the RSA key is too large"};
  const PkeyCtxPtr check(
      EVP_PKEY_CTX_new_from_pkey(library->ctx(), pkey.get(), library->properties()));
  if (!check) throw std::bad_alloc();
  if (EVP_PKEY_check(check.get()) != 1) return inconsistent;
  Result<std::shared_ptr<const RsaKey>> rsa = RsaKey::adopt(library, std::move(pkey));
  if (!rsa) return rsa.error();
  ReadKey key;
  key.rsa = *std::move(rsa);
  key.algs = all_rsa_algs();
  return key;
}

// --- PEM, DER, raw -------------------------------------------------------------------------

int give_passphrase(char* buffer, int size, int, void* user) {
  const auto& passphrase = *static_cast<const std::span<const std::uint8_t>*>(user);
  // An empty one is "none": OpenSSL must fail rather than ask on the terminal.
  if (passphrase.empty() || passphrase.size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(buffer, passphrase.data(), passphrase.size());
  return static_cast<int>(passphrase.size());
}

[[nodiscard]] Result<ReadKey> read_pem(const std::shared_ptr<const Library>& library,
                                       const ImportKey& request) {
  const OpensslPtr<BIO, BIO_free> bio(
      BIO_new_mem_buf(request.data.data(), static_cast<int>(request.data.size())));
  if (!bio) throw std::bad_alloc();
  auto passphrase = request.passphrase;
  PkeyPtr pkey(PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, give_passphrase, &passphrase,
                                          library->ctx(), library->properties()));
  if (!pkey) return unreadable;
  return checked_rsa(library, std::move(pkey));
}

[[nodiscard]] Result<ReadKey> read_der(const std::shared_ptr<const Library>& library,
                                       const ImportKey& request) {
  const std::uint8_t* at = request.data.data();
  PkeyPtr pkey(d2i_AutoPrivateKey_ex(nullptr, &at, static_cast<long>(request.data.size()),
                                     library->ctx(), library->properties()));
  if (!pkey || at != request.data.data() + request.data.size()) return unreadable;
  return checked_rsa(library, std::move(pkey));
}

[[nodiscard]] Result<ReadKey> symmetric(SecretBuffer bytes) {
  switch (bytes.size()) {
    case 16:
    case 24:
    case 32:
    case 48:
    case 64: break;
    default:
      return Error{Errc::crypto_failure, 0, "a symmetric key has 16, 24, 32, 48 or 64 bytes"};
  }
  ReadKey key;
  key.oct = std::move(bytes);
  key.algs = {Alg::dir};
  return key;
}

[[nodiscard]] Result<ReadKey> read_raw(const ImportKey& request) {
  SecretBuffer bytes(request.data.size());
  std::ranges::copy(request.data, bytes.bytes(InsecureSecretAccess::token()).begin());
  return symmetric(std::move(bytes));
}

// --- JWK (RFC 7517, RFC 7518 §6) -----------------------------------------------------------

[[nodiscard]] Result<SecretBuffer> decode_secret(const json::Value& value) {
  if (value.kind() != json::Kind::string) return unreadable;
  const std::optional<std::string_view> text = value.as_string().plain();
  if (!text) return unreadable;
  SecretBuffer bytes(base64url::decoded_size(text->size()));
  if (!base64url::decode_secret(*text, bytes.bytes(InsecureSecretAccess::token()).data()))
    return unreadable;
  return bytes;
}

/// The numbers of an RSA JWK, RFC 7518 §6.3, in wiped memory.
class RsaNumbers {
 public:
  [[nodiscard]] Result<void> read(const json::Value& jwk) {
    for (const json::Member& m : jwk.members()) {
      if (m.name.equals("oth")) return wrong_type;  // more than two primes
      for (std::size_t i = 0; i < count; ++i)
        if (m.name.equals(rows[i].member))
          if (const Result<void> r = number(i, m.value); !r) return r.error();
    }
    if (!bn_[n] || !bn_[e]) return unreadable;
    if (!bn_[d]) return Error{Errc::crypto_failure, 0, "the JWK holds no private key"};
    return {};
  }

  /// Fills in what RFC 7518 §6.3.2 lets a JWK leave out.
  [[nodiscard]] Result<void> complete() {
    const BnCtxPtr ctx(BN_CTX_secure_new());
    if (!ctx) throw std::bad_alloc();
    if (BN_num_bits(bn_[n].get()) > static_cast<int>(rsa_max_bits) || !BN_is_odd(bn_[n].get()) ||
        !BN_is_odd(bn_[e].get()) || BN_is_one(bn_[e].get()) ||
        BN_cmp(bn_[d].get(), bn_[n].get()) >= 0 || BN_cmp(bn_[e].get(), bn_[n].get()) >= 0)
      return inconsistent;
    if (!bn_[p] && !bn_[q] && !recover_primes(ctx.get())) return inconsistent;
    if (!bn_[p] || !bn_[q] || !crt_values(ctx.get())) return inconsistent;
    return {};
  }

  [[nodiscard]] Result<PkeyPtr> to_pkey(const Library& library) const {
    const ParamBldPtr build(OSSL_PARAM_BLD_new());
    if (!build) throw std::bad_alloc();
    for (std::size_t i = 0; i < count; ++i)
      if (OSSL_PARAM_BLD_push_BN(build.get(), rows[i].param, bn_[i].get()) != 1)
        return openssl_failure();
    // The numbers are flagged as secure, so freeing the parameters wipes them.
    const ParamPtr params(OSSL_PARAM_BLD_to_param(build.get()));
    const PkeyCtxPtr ctx(EVP_PKEY_CTX_new_from_name(library.ctx(), "RSA", library.properties()));
    if (!params || !ctx) throw std::bad_alloc();
    EVP_PKEY* raw = nullptr;
    if (EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
        EVP_PKEY_fromdata(ctx.get(), &raw, EVP_PKEY_KEYPAIR, params.get()) != 1)
      return inconsistent;
    return PkeyPtr(raw);
  }

 private:
  enum : std::size_t { n, e, d, p, q, dp, dq, qi, count };
  struct Row {
    const char* member;
    const char* param;
  };
  static constexpr Row rows[count] = {
      {"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
      {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
      {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
      {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};

  [[nodiscard]] static SecretBnPtr secret_bn() {
    SecretBnPtr bn(BN_secure_new());
    if (!bn) throw std::bad_alloc();
    BN_set_flags(bn.get(), BN_FLG_CONSTTIME);
    return bn;
  }

  [[nodiscard]] Result<void> number(std::size_t i, const json::Value& value) {
    const Result<SecretBuffer> bytes = decode_secret(value);
    if (!bytes) return bytes.error();
    const auto raw = bytes->bytes(InsecureSecretAccess::token());
    if (raw.empty() || raw.size() > rsa_max_bits / 8 + 1) return unreadable;
    bn_[i] = secret_bn();
    if (BN_bin2bn(raw.data(), static_cast<int>(raw.size()), bn_[i].get()) == nullptr)
      throw std::bad_alloc();
    return {};
  }

  /// p and q from n, e and d: NIST SP 800-56B rev. 2, appendix C.1. No library offers it.
  [[nodiscard]] bool recover_primes(BN_CTX* ctx) {
    const SecretBnPtr r = secret_bn(), g = secret_bn(), y = secret_bn(), x = secret_bn(),
                      n_minus_1 = secret_bn();
    if (!BN_mul(r.get(), bn_[d].get(), bn_[e].get(), ctx) || !BN_sub_word(r.get(), 1) ||
        !BN_sub(n_minus_1.get(), bn_[n].get(), BN_value_one()) || BN_is_odd(r.get()) ||
        BN_is_zero(r.get()))
      return false;
    int twos = 0;
    while (!BN_is_odd(r.get())) {
      if (!BN_rshift1(r.get(), r.get())) return false;
      ++twos;
    }
    for (BN_ULONG base = 2; base < 102; ++base) {
      if (!BN_set_word(g.get(), base) || !BN_mod_exp(y.get(), g.get(), r.get(), bn_[n].get(), ctx))
        return false;
      for (int i = 0; i < twos; ++i) {
        if (BN_is_one(y.get()) || BN_cmp(y.get(), n_minus_1.get()) == 0) break;
        if (!BN_mod_sqr(x.get(), y.get(), bn_[n].get(), ctx)) return false;
        if (BN_is_one(x.get())) return split(y.get(), ctx);
        BN_swap(x.get(), y.get());
      }
    }
    return false;
  }

  /// y is a square root of 1 other than 1 and -1: gcd(y - 1, n) is a prime.
  [[nodiscard]] bool split(BIGNUM* y, BN_CTX* ctx) {
    bn_[p] = secret_bn();
    bn_[q] = secret_bn();
    if (!BN_sub_word(y, 1) || !BN_gcd(bn_[p].get(), y, bn_[n].get(), ctx) ||
        !BN_div(bn_[q].get(), nullptr, bn_[n].get(), bn_[p].get(), ctx))
      return false;
    if (BN_cmp(bn_[p].get(), bn_[q].get()) < 0) std::swap(bn_[p], bn_[q]);
    return true;
  }

  [[nodiscard]] bool crt_values(BN_CTX* ctx) {
    const SecretBnPtr less_1 = secret_bn();
    const auto exponent = [&](std::size_t into, std::size_t prime) {
      if (bn_[into]) return true;
      bn_[into] = secret_bn();
      return BN_sub(less_1.get(), bn_[prime].get(), BN_value_one()) == 1 &&
             BN_mod(bn_[into].get(), bn_[d].get(), less_1.get(), ctx) == 1;
    };
    if (BN_is_zero(bn_[p].get()) || BN_is_zero(bn_[q].get()) || BN_is_one(bn_[p].get()) ||
        BN_is_one(bn_[q].get()) || !exponent(dp, p) || !exponent(dq, q))
      return false;
    if (bn_[qi]) return true;
    bn_[qi] = secret_bn();
    return BN_mod_inverse(bn_[qi].get(), bn_[q].get(), bn_[p].get(), ctx) != nullptr;
  }

  std::array<SecretBnPtr, count> bn_;
};

[[nodiscard]] std::string text_of(const json::String& s) {
  std::string text(s.resolved_size(), '\0');
  (void)s.copy_to(text);
  return text;
}

/// `use` and `key_ops`, RFC 7517 §4.2 and §4.3.
[[nodiscard]] Result<void> read_use(const json::Value& jwk, ReadKey& key) {
  if (const auto use = jwk.find("use")) {
    if (use->kind() != json::Kind::string) return unreadable;
    if (!use->as_string().equals("enc")) return not_for_encryption;
  }
  const auto ops = jwk.find("key_ops");
  if (!ops) return {};
  if (ops->kind() != json::Kind::array) return unreadable;
  key.may_decrypt = key.may_encrypt = false;
  for (const json::Value& op : ops->elements()) {
    if (op.kind() != json::Kind::string) return unreadable;
    const json::String name = op.as_string();
    if (name.equals("decrypt") || name.equals("unwrapKey")) key.may_decrypt = true;
    if (name.equals("encrypt") || name.equals("wrapKey")) key.may_encrypt = true;
  }
  // `key_ops` of a private key says nothing against its public half.
  if (key.rsa && key.may_decrypt) key.may_encrypt = true;
  if (!key.may_decrypt && !key.may_encrypt) return not_for_encryption;
  return {};
}

/// `alg`, RFC 7517 §4.4: narrows a key to one algorithm. A symmetric key's may also be an `enc`.
[[nodiscard]] Result<void> read_alg(const json::Value& jwk, ReadKey& key) {
  const auto member = jwk.find("alg");
  if (!member) return {};
  if (member->kind() != json::Kind::string) return unreadable;
  const std::string name = text_of(member->as_string());
  if (const EncRow* enc = find_enc(name); enc != nullptr && key.oct) {
    if (enc->cek_bytes != key.oct->size())
      return Error{Errc::crypto_failure, 0, "the key's size does not fit its alg"};
    key.enc = enc->id;
    return {};
  }
  const AlgRow* alg = find_alg(name);
  if (alg == nullptr) return not_for_encryption;
  if (alg->support != Support::implemented)
    return Error{Errc::unsupported_algorithm, 0, "the key's alg is not supported"};
  if (!key.algs.contains(alg->id)) return not_for_encryption;
  key.algs = {alg->id};
  return {};
}

[[nodiscard]] Result<ReadKey> read_jwk_material(const std::shared_ptr<const Library>& library,
                                                const json::Value& jwk) {
  const auto kty = jwk.find("kty");
  if (!kty || kty->kind() != json::Kind::string) return unreadable;
  if (kty->as_string().equals("oct")) {
    const auto k = jwk.find("k");
    if (!k) return unreadable;
    Result<SecretBuffer> bytes = decode_secret(*k);
    if (!bytes) return bytes.error();
    return symmetric(*std::move(bytes));
  }
  if (!kty->as_string().equals("RSA")) return wrong_type;
  RsaNumbers numbers;
  if (const Result<void> r = numbers.read(jwk); !r) return r.error();
  if (const Result<void> r = numbers.complete(); !r) return r.error();
  Result<PkeyPtr> pkey = numbers.to_pkey(*library);
  if (!pkey) return pkey.error();
  return checked_rsa(library, *std::move(pkey));
}

[[nodiscard]] Result<ReadKey> read_jwk(const std::shared_ptr<const Library>& library,
                                       const ImportKey& request) {
  const Result<json::Value> jwk =
      json::read({reinterpret_cast<const char*>(request.data.data()), request.data.size()});
  if (!jwk) return jwk.error();
  if (jwk->kind() != json::Kind::object) return unreadable;
  Result<ReadKey> key = read_jwk_material(library, *jwk);
  if (!key) return key;
  if (const Result<void> r = read_use(*jwk, *key); !r) return r.error();
  if (const Result<void> r = read_alg(*jwk, *key); !r) return r.error();
  if (const auto kid = jwk->find("kid")) {
    if (kid->kind() != json::Kind::string) return unreadable;
    key->kid = text_of(kid->as_string());
  }
  return key;
}

}  // namespace

Result<ReadKey> read_key(const std::shared_ptr<const Library>& library, const ImportKey& request) {
  if (request.data.empty() || request.data.size() > max_key_file_bytes) return unreadable;
  switch (request.format) {
    case KeyFormat::jwk: return read_jwk(library, request);
    case KeyFormat::pem: return read_pem(library, request);
    case KeyFormat::der: return read_der(library, request);
    case KeyFormat::raw: return read_raw(request);
  }
  return Error{Errc::bad_request, 0, "unknown key format"};
}

}  // namespace jwekms::crypto

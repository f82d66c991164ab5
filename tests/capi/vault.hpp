// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <set>

#include "../core/key_file.hpp"
#include "fixture.hpp"
#include "jwekms_provider.h"

/// A program's own key provider, as one would write it with OpenSSL: keys "rsa", "stays" (whose
/// CEKs it keeps) and "aes". It counts what reaches it, and answers whatever a test orders.
class Vault {
 public:
  enum class Call { resolve, release, unwrap, wrap, decrypt, encrypt, public_jwk, after_fork };

  std::atomic<int> resolved = 0, released = 0, forked = 0, destroyed = 0;
  /// A status that a call answers with, its output half done.
  std::map<Call, jwekms_status> answers;
  /// What becomes of each call's answer before it goes out.
  std::function<void(jwekms_provided_key&)> on_resolve;
  std::function<void(std::size_t&)> on_size;  ///< Of a CEK, an encrypted_key, a plaintext, a JWK.
  std::function<std::string(std::string)> on_jwk;
  std::function<void()> on_after_fork;
  std::function<void(Call)> on_call;  ///< Before the work of all but `after_fork` and `destroy`.
  std::string last_kid;               ///< That `unwrap` or `decrypt` was told.
  std::string prefix = "vault::";

  Vault() : rsa_(key_file::pkey(*support::rsa_key())) {}
  Vault(const Vault&) = delete;
  Vault& operator=(const Vault&) = delete;

  /// All callbacks; valid as long as this.
  jwekms_provider table() {
    jwekms_provider table = JWEKMS_PROVIDER_INIT;
    table.prefix = prefix.data();
    table.prefix_len = prefix.size();
    table.data = this;
    table.resolve = resolve;
    table.release = release;
    table.unwrap = unwrap;
    table.wrap = wrap;
    table.decrypt = decrypt;
    table.encrypt = encrypt;
    table.public_jwk = public_jwk;
    table.after_fork = after_fork;
    table.destroy = destroy;
    return table;
  }
  [[nodiscard]] bool all_released() const { return resolved == released; }

 private:
  /// What stands behind a handle: made by `resolve`, freed by `release`.
  struct Held {
    std::string name;
  };

  static Vault& of(void* data) { return *static_cast<Vault*>(data); }
  void called(Call call) const {
    if (on_call) on_call(call);
  }
  static jwekms_status answer(Vault& vault, Call call) {
    const auto ordered = vault.answers.find(call);
    return ordered == vault.answers.end() ? JWEKMS_OK : ordered->second;
  }
  template <std::size_t Size>
  static void put(std::string_view text, char (&array)[Size], std::size_t& size) {
    text.copy(array, Size);
    size = text.size();
  }
  static std::string_view text(const char* data, std::size_t size) { return {data, size}; }

  static jwekms_status resolve(void* data, const char* kid, std::size_t kid_len,
                               jwekms_provided_key* key) try {
    Vault& vault = of(data);
    vault.called(Call::resolve);
    if (const jwekms_status status = answer(vault, Call::resolve); status != JWEKMS_OK)
      return status;
    std::string name(kid, kid_len);
    if (!name.starts_with(vault.prefix)) return JWEKMS_INTERNAL_ERROR;
    name.erase(0, vault.prefix.size());
    if (name == "alias") {
      name = "rsa";
      put(vault.prefix + name, key->uid, key->uid_len);
    }
    if (name != "rsa" && name != "stays" && name != "aes") return JWEKMS_NOT_FOUND;
    key->type = name == "aes" ? JWEKMS_KEY_TYPE_OCT : JWEKMS_KEY_TYPE_RSA;
    key->bits = name == "aes" ? 256 : 2048;
    key->flags = name == "stays" ? std::uint32_t{JWEKMS_PROVIDED_CEK_STAYS} : 0;
    key->key = new Held{name};
    if (vault.on_resolve) vault.on_resolve(*key);
    ++vault.resolved;
    return JWEKMS_OK;
  } catch (const std::bad_alloc&) {
    return JWEKMS_UNAVAILABLE;
  }
  static void release(void* data, void* key) {
    of(data).called(Call::release);
    ++of(data).released;
    delete static_cast<Held*>(key);
  }

  static jwekms_status unwrap(void* data, void*, const jwekms_provided_cek* wrapped,
                              std::uint8_t* cek, std::size_t* cek_len) try {
    Vault& vault = of(data);
    vault.called(Call::unwrap);
    const jwekms_status ordered = answer(vault, Call::unwrap);
    *cek_len = 2048;
    const bool good = vault.oaep(*wrapped, false, wrapped->encrypted_key,
                                 wrapped->encrypted_key_len, cek, *cek_len);
    if (vault.on_size) vault.on_size(*cek_len);
    if (ordered != JWEKMS_OK) return ordered;
    return good ? JWEKMS_OK : JWEKMS_DECRYPTION_FAILED;
  } catch (const std::bad_alloc&) {
    return JWEKMS_UNAVAILABLE;
  }

  static jwekms_status wrap(void* data, void* key, const jwekms_provided_cek* wanted,
                            const std::uint8_t* cek, std::uint8_t* encrypted_key,
                            std::size_t* encrypted_key_len) try {
    Vault& vault = of(data);
    vault.called(Call::wrap);
    if (const jwekms_status status = answer(vault, Call::wrap); status != JWEKMS_OK) return status;
    const bool stays = static_cast<Held*>(key)->name == "stays";
    if (stays != (cek == nullptr)) return JWEKMS_INTERNAL_ERROR;
    const support::Bytes own = support::pattern(wanted->size, 5);
    *encrypted_key_len = 2048;
    if (!vault.oaep(*wanted, true, stays ? own.data() : cek, wanted->size, encrypted_key,
                    *encrypted_key_len))
      return JWEKMS_INTERNAL_ERROR;
    if (vault.on_size) vault.on_size(*encrypted_key_len);
    return JWEKMS_OK;
  } catch (const std::bad_alloc&) {
    return JWEKMS_UNAVAILABLE;
  }

  static jwekms_status decrypt(void* data, void* key, const jwekms_provided_cek* cek,
                               const jwekms_sealed_content* content, std::uint8_t* plaintext,
                               std::size_t* plaintext_len) try {
    Vault& vault = of(data);
    vault.called(Call::decrypt);
    support::Bytes tag(content->tag, content->tag + content->tag_len);
    const bool good = vault.gcm(key, *cek, false, {content->iv, content->iv_len},
                                {content->aad, content->aad_len},
                                {content->ciphertext, content->ciphertext_len}, plaintext, tag);
    *plaintext_len = content->ciphertext_len;
    if (vault.on_size) vault.on_size(*plaintext_len);
    if (const jwekms_status status = answer(vault, Call::decrypt); status != JWEKMS_OK)
      return status;
    return good ? JWEKMS_OK : JWEKMS_DECRYPTION_FAILED;
  } catch (const std::bad_alloc&) {
    return JWEKMS_UNAVAILABLE;
  }

  static jwekms_status encrypt(void* data, void* key, const jwekms_provided_cek* cek,
                               const jwekms_sealing* content) try {
    Vault& vault = of(data);
    vault.called(Call::encrypt);
    if (const jwekms_status status = answer(vault, Call::encrypt); status != JWEKMS_OK)
      return status;
    if (content->ciphertext_len != content->plaintext_len) return JWEKMS_INTERNAL_ERROR;
    support::Bytes tag(content->tag_len);
    if (!vault.gcm(key, *cek, true, {content->iv, content->iv_len},
                   {content->aad, content->aad_len}, {content->plaintext, content->plaintext_len},
                   content->ciphertext, tag))
      return JWEKMS_INTERNAL_ERROR;
    std::copy(tag.begin(), tag.end(), content->tag);
    return JWEKMS_OK;
  } catch (const std::bad_alloc&) {
    return JWEKMS_UNAVAILABLE;
  }

  static jwekms_status public_jwk(void* data, void*, char* out, std::size_t* out_len) try {
    Vault& vault = of(data);
    vault.called(Call::public_jwk);
    if (const jwekms_status status = answer(vault, Call::public_jwk); status != JWEKMS_OK)
      return status;
    const auto numbers = support::rsa_key()->public_numbers().value();
    std::string jwk = R"({"kty":"RSA","n":")" + support::b64(numbers.n) + R"(","e":")" +
                      support::b64(numbers.e) + "\"}";
    if (vault.on_jwk) jwk = vault.on_jwk(jwk);
    jwk.copy(out, 16384);
    *out_len = jwk.size();
    if (vault.on_size) vault.on_size(*out_len);
    return JWEKMS_OK;
  } catch (const std::bad_alloc&) {
    return JWEKMS_UNAVAILABLE;
  }

  static jwekms_status after_fork(void* data) {
    if (of(data).on_after_fork) of(data).on_after_fork();
    ++of(data).forked;
    return answer(of(data), Call::after_fork);
  }
  static void destroy(void* data) { ++of(data).destroyed; }

  static const EVP_MD* hash_of(std::string_view alg) {
    return alg == "RSA-OAEP" ? EVP_sha1() : EVP_sha256();
  }
  bool oaep(const jwekms_provided_cek& what, bool encrypting, const std::uint8_t* in,
            std::size_t in_len, std::uint8_t* out, std::size_t& out_len) const {
    const jwekms::crypto::PkeyCtxPtr ctx(EVP_PKEY_CTX_new(rsa_.get(), nullptr));
    const EVP_MD* md = hash_of(text(what.alg, what.alg_len));
    if ((encrypting ? EVP_PKEY_encrypt_init(ctx.get()) : EVP_PKEY_decrypt_init(ctx.get())) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx.get(), md) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx.get(), md) != 1)
      return false;
    return (encrypting ? EVP_PKEY_encrypt(ctx.get(), out, &out_len, in, in_len)
                       : EVP_PKEY_decrypt(ctx.get(), out, &out_len, in, in_len)) == 1;
  }

  /// AES-GCM under the key "aes", or under the CEK in `encrypted_key`.
  bool gcm(void* key, const jwekms_provided_cek& cek, bool encrypting,
           std::span<const std::uint8_t> iv, std::span<const std::uint8_t> aad,
           std::span<const std::uint8_t> in, std::uint8_t* out, support::Bytes& tag) {
    if (cek.kid_len != 0) last_kid = text(cek.kid, cek.kid_len);
    support::Bytes secret = support::pattern(cek.size, 6);
    if (static_cast<Held*>(key)->name == "stays") {
      secret.resize(2048);
      std::size_t size = secret.size();
      if (!oaep(cek, false, cek.encrypted_key, cek.encrypted_key_len, secret.data(), size) ||
          size != cek.size)
        return false;
    }
    const EVP_CIPHER* cipher = cek.size == 16   ? EVP_aes_128_gcm()
                               : cek.size == 24 ? EVP_aes_192_gcm()
                                                : EVP_aes_256_gcm();
    const jwekms::crypto::CipherCtxPtr ctx(EVP_CIPHER_CTX_new());
    int size = 0;
    std::uint8_t nothing[16];
    EVP_CipherInit_ex(ctx.get(), cipher, nullptr, secret.data(), iv.data(), encrypting ? 1 : 0);
    EVP_CipherUpdate(ctx.get(), nullptr, &size, aad.data(), static_cast<int>(aad.size()));
    if (!in.empty())
      EVP_CipherUpdate(ctx.get(), out, &size, in.data(), static_cast<int>(in.size()));
    if (!encrypting)
      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()),
                          tag.data());
    if (EVP_CipherFinal_ex(ctx.get(), nothing, &size) != 1) return false;
    return !encrypting || EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG,
                                              static_cast<int>(tag.size()), tag.data()) == 1;
  }

  const jwekms::crypto::PkeyPtr rsa_;
};

/// Opens a context over providers, and a database if `path` is not empty.
inline jwekms_status try_open(const std::vector<const jwekms_provider*>& providers, Ctx& ctx,
                              std::string_view path = {}) {
  jwekms_open_options options = open_options(path);
  if (path.empty()) options.kek_len = 0;
  options.providers = providers.data();
  options.provider_count = providers.size();
  jwekms_ctx* opened = nullptr;
  const jwekms_status status = jwekms_open(&options, &opened, nullptr);
  ctx.reset(opened);
  return status;
}
inline Ctx open_with(const jwekms_provider& table, std::string_view path = {}) {
  Ctx ctx;
  REQUIRE(try_open({&table}, ctx, path) == JWEKMS_OK);
  return ctx;
}

/// Encrypts, where that may fail.
struct Encrypted {
  jwekms_status status;
  std::string token;
};
inline Encrypted try_encrypt(const jwekms_ctx* ctx, std::string_view message, std::string_view key,
                             std::string_view alg = {}, std::string_view enc = {}) {
  jwekms_encrypt_options to = encrypt_to(key, alg);
  to.enc = enc.data();
  to.enc_len = enc.size();
  std::string token(message.size() * 2 + 8192, '\0');
  std::size_t size = token.size();
  const auto plaintext = bytes_of(message);
  const jwekms_status status =
      jwekms_encrypt(ctx, plaintext.data(), plaintext.size(), &to, token.data(), &size, nullptr);
  token.resize(size);
  return {status, token};
}

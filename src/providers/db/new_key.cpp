// SPDX-License-Identifier: Apache-2.0
#include "providers/db/new_key.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "crypto/key_reader.hpp"
#include "crypto/rsa_key.hpp"
#include "jwekms/key_uid.hpp"

namespace jwekms::db {

namespace {

constexpr Error wrong_algs{Errc::bad_request, 0, "the algs do not fit the key"};
constexpr Error rsa_too_small{Errc::crypto_failure, 0, "the RSA key is too small"};
constexpr Error no_enc_of_size{Errc::crypto_failure, 0, "the key's size fits no enc"};

/// Every implemented `alg` that a key of this type and size can serve.
[[nodiscard]] AlgSet algs_for(KeyType type, std::uint32_t bits, bool bound_to_enc) noexcept {
  AlgSet algs;
  for (const AlgRow& r : alg_table) {
    if (r.support != Support::implemented) continue;
    bool fits = false;
    switch (r.mode) {
      case KeyManagement::rsa_oaep: fits = type == KeyType::rsa; break;
      case KeyManagement::direct: fits = type == KeyType::oct; break;
      case KeyManagement::aes_kw:
      case KeyManagement::aes_gcm_kw:
        fits = type == KeyType::oct && !bound_to_enc && bits == std::uint32_t{r.kek_bytes} * 8;
        break;
      case KeyManagement::rsa_pkcs1:
      case KeyManagement::ecdh_es:
      case KeyManagement::ecdh_es_aes_kw:
      case KeyManagement::pbes2: break;
    }
    if (fits) algs.insert(r.id);
  }
  return algs;
}

/// @param wanted    empty: all of `possible`.
[[nodiscard]] Result<AlgSet> choose_algs(AlgSet wanted, AlgSet possible) noexcept {
  if (possible.empty()) return wrong_algs;
  if (wanted.empty()) return possible;
  if ((wanted.bits() & ~possible.bits()) != 0) return wrong_algs;
  return wanted;
}

[[nodiscard]] bool some_enc_has_size(std::size_t bytes) noexcept {
  return std::ranges::any_of(enc_table, [bytes](const EncRow& r) {
    return r.support == Support::implemented && r.cek_bytes == bytes;
  });
}

/// 128 random bits as a UUID of version 4 (RFC 9562 §5.4).
[[nodiscard]] Result<std::string> random_uid(const crypto::Library& library) {
  std::array<std::uint8_t, 16> bytes;
  if (const Result<void> drawn = library.random(bytes); !drawn) return drawn.error();
  bytes[6] = static_cast<std::uint8_t>(0x40 | (bytes[6] & 0x0F));
  bytes[8] = static_cast<std::uint8_t>(0x80 | (bytes[8] & 0x3F));
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    constexpr std::string_view digits = "0123456789abcdef";
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 0x0F];
  }
  return text;
}

/// What every new key has, whatever it is made from.
[[nodiscard]] Result<KeyInfo> begin_info(const crypto::Library& library, const std::string& uid,
                                         const std::vector<std::string>& aliases,
                                         const std::string& owner) {
  KeyInfo info;
  if (uid.empty()) {
    Result<std::string> made = random_uid(library);
    if (!made) return made.error();
    info.uid = *std::move(made);
  } else {
    info.uid = uid;
  }
  if (const Result<void> r = check_name(info.uid); !r) return r.error();
  for (const std::string& alias : aliases)
    if (const Result<void> r = check_name(alias); !r) return r.error();
  if (owner.size() > max_uid_bytes)
    return Error{Errc::bad_request, 0, "an owner has at most 256 bytes"};
  info.aliases = aliases;
  std::ranges::sort(info.aliases);
  info.owner = owner;
  info.created_at_s = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  return info;
}

[[nodiscard]] Result<NewKey> make_rsa(const std::shared_ptr<const crypto::Library>& library,
                                      const CreateKey& request, std::uint32_t rsa_min_bits,
                                      KeyInfo info) {
  if (request.enc) return Error{Errc::bad_request, 0, "an RSA key is not bound to an enc"};
  info.type = KeyType::rsa;
  info.bits = request.bits == 0 ? 2048 : request.bits;
  if (info.bits != 2048 && info.bits != 3072 && info.bits != 4096)
    return Error{Errc::bad_request, 0, "an RSA key has 2048, 3072 or 4096 bits"};
  if (info.bits < rsa_min_bits) return rsa_too_small;
  const Result<AlgSet> algs = choose_algs(request.algs, algs_for(KeyType::rsa, info.bits, false));
  if (!algs) return algs.error();
  info.algs = *algs;
  const Result<std::shared_ptr<const crypto::RsaKey>> rsa =
      crypto::RsaKey::generate(library, info.bits);
  if (!rsa) return rsa.error();
  Result<crypto::SecretBuffer> secret = (*rsa)->to_pkcs8();
  if (!secret) return secret.error();
  return NewKey{std::move(info), *std::move(secret)};
}

[[nodiscard]] Result<NewKey> make_oct(const crypto::Library& library, const CreateKey& request,
                                      KeyInfo info) {
  const EncRow& enc = row(request.enc.value_or(Enc::A256GCM));
  info.type = KeyType::oct;
  info.bits = std::uint32_t{enc.cek_bytes} * 8;
  info.enc = enc.id;
  if (request.bits != 0 && request.bits != info.bits)
    return Error{Errc::bad_request, 0, "the key's bits do not fit its enc"};
  if (enc.support != Support::implemented)
    return Error{Errc::bad_request, 0, "enc is not implemented"};
  const Result<AlgSet> algs = choose_algs(request.algs, algs_for(KeyType::oct, info.bits, true));
  if (!algs) return algs.error();
  info.algs = *algs;
  crypto::SecretBuffer secret(enc.cek_bytes);
  const Result<void> drawn = library.random(secret.bytes(InsecureSecretAccess::token()));
  if (!drawn) return drawn.error();
  return NewKey{std::move(info), std::move(secret)};
}

/// A request may narrow what the key's own JWK allows, and not widen it.
[[nodiscard]] Result<void> fit_algs(const crypto::ReadKey& read, const ImportKey& request,
                                    KeyInfo& info) {
  const AlgSet by_type = algs_for(info.type, info.bits, info.enc.has_value());
  const Result<AlgSet> algs =
      choose_algs(request.algs, AlgSet::from_bits(by_type.bits() & read.algs.bits()));
  if (!algs) return algs.error();
  info.algs = *algs;
  info.may_decrypt = read.may_decrypt;
  info.may_encrypt = read.may_encrypt;
  return {};
}

[[nodiscard]] Result<void> fit_enc(const crypto::ReadKey& read, const ImportKey& request,
                                   KeyInfo& info) {
  info.enc = request.enc ? request.enc : read.enc;
  if (info.type == KeyType::rsa) {
    if (info.enc) return Error{Errc::bad_request, 0, "an RSA key is not bound to an enc"};
    return {};
  }
  if (request.enc && read.enc && *request.enc != *read.enc)
    return Error{Errc::bad_request, 0, "the key is bound to another enc"};
  const std::size_t bytes = read.oct->size();
  if (!some_enc_has_size(bytes)) return no_enc_of_size;
  if (!info.enc) return {};
  if (row(*info.enc).cek_bytes != bytes)
    return Error{Errc::crypto_failure, 0, "the key's size does not fit enc"};
  if (row(*info.enc).support != Support::implemented)
    return Error{Errc::bad_request, 0, "enc is not implemented"};
  return {};
}

}  // namespace

Result<void> check_name(std::string_view name) {
  const Result<KeyUid> uid = parse_key_uid(name);
  if (!uid) return uid.error();
  if (uid->in_hsm) return Error{Errc::bad_request, 0, "an HSM key UID names no database key"};
  return {};
}

Result<NewKey> make_key(const std::shared_ptr<const crypto::Library>& library,
                        const CreateKey& request, std::uint32_t rsa_min_bits) {
  Result<KeyInfo> info = begin_info(*library, request.uid, request.aliases, request.owner);
  if (!info) return info.error();
  switch (request.type) {
    case KeyType::rsa: return make_rsa(library, request, rsa_min_bits, *std::move(info));
    case KeyType::oct: return make_oct(*library, request, *std::move(info));
  }
  return Error{Errc::bad_request, 0, "unknown key type"};
}

Result<NewKey> read_key(const std::shared_ptr<const crypto::Library>& library,
                        const ImportKey& request, std::uint32_t rsa_min_bits) {
  Result<crypto::ReadKey> read = crypto::read_key(library, request);
  if (!read) return read.error();
  Result<KeyInfo> info = begin_info(*library, request.uid.empty() ? read->kid : request.uid,
                                    request.aliases, request.owner);
  if (!info) return info.error();
  info->type = read->rsa ? KeyType::rsa : KeyType::oct;
  info->bits = read->rsa ? read->rsa->bits() : static_cast<std::uint32_t>(read->oct->size() * 8);
  if (read->rsa && info->bits < rsa_min_bits) return rsa_too_small;
  if (const Result<void> r = fit_enc(*read, request, *info); !r) return r.error();
  if (const Result<void> r = fit_algs(*read, request, *info); !r) return r.error();
  if (read->oct) return NewKey{*std::move(info), *std::move(read->oct)};
  Result<crypto::SecretBuffer> secret = read->rsa->to_pkcs8();
  if (!secret) return secret.error();
  return NewKey{*std::move(info), *std::move(secret)};
}

Result<NewKey> keep_cek(const crypto::Library& library, const Cek& cek, const EncRow& enc,
                        std::string parent, const KeepCek& request) {
  Result<KeyInfo> info = begin_info(library, request.uid, request.aliases, request.owner);
  if (!info) return info.error();
  info->type = KeyType::oct;
  info->bits = std::uint32_t{enc.cek_bytes} * 8;
  info->algs = {Alg::dir};
  info->enc = enc.id;
  info->parent = std::move(parent);
  const auto access = InsecureSecretAccess::token();
  crypto::SecretBuffer secret(cek.size());
  std::ranges::copy(cek.bytes(access), secret.bytes(access).begin());
  return NewKey{*std::move(info), std::move(secret)};
}

}  // namespace jwekms::db

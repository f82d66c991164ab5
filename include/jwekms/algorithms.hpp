// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The tables of `alg` and `enc` (RFC 7518): whatever has a length takes it from here.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace jwekms {

/// How an `alg` turns key material into a CEK (RFC 7516 §2, "Key Management Mode").
enum class KeyManagement : std::uint8_t {
  direct,          ///< The shared key is the CEK.
  rsa_oaep,        ///< Key encryption with RSAES-OAEP.
  rsa_pkcs1,       ///< Key encryption with RSAES-PKCS1-v1_5: a padding oracle, never used.
  aes_kw,          ///< Key wrapping, RFC 3394.
  aes_gcm_kw,      ///< Key wrapping with AES-GCM.
  ecdh_es,         ///< Direct key agreement.
  ecdh_es_aes_kw,  ///< Key agreement, then key wrapping.
  pbes2,           ///< Password-based, then key wrapping.
};

/// The hash functions that algorithms differ by.
enum class Hash : std::uint8_t {
  none,    ///< The algorithm needs none.
  sha1,    ///< As OAEP's hash alone, where collisions do not matter.
  sha256,  ///< SHA-256.
  sha384,  ///< SHA-384.
  sha512,  ///< SHA-512.
};

/// Whether this library can do what a row names.
enum class Support : std::uint8_t {
  implemented,  ///< A policy can allow it.
  not_yet,      ///< Known by name, and answered unsupported_algorithm.
  never,        ///< Likewise, and for good.
};

/// Every `alg` with a row in alg_table, which has the names. What is stored is the name: a value
/// may be another in the next version.
enum class Alg : std::uint8_t {
  RSA1_5,              ///< RSA1_5
  RSA_OAEP,            ///< RSA-OAEP
  RSA_OAEP_256,        ///< RSA-OAEP-256
  RSA_OAEP_384,        ///< RSA-OAEP-384
  RSA_OAEP_512,        ///< RSA-OAEP-512
  A128KW,              ///< A128KW
  A192KW,              ///< A192KW
  A256KW,              ///< A256KW
  dir,                 ///< dir
  ECDH_ES,             ///< ECDH-ES
  ECDH_ES_A128KW,      ///< ECDH-ES+A128KW
  ECDH_ES_A192KW,      ///< ECDH-ES+A192KW
  ECDH_ES_A256KW,      ///< ECDH-ES+A256KW
  A128GCMKW,           ///< A128GCMKW
  A192GCMKW,           ///< A192GCMKW
  A256GCMKW,           ///< A256GCMKW
  PBES2_HS256_A128KW,  ///< PBES2-HS256+A128KW
  PBES2_HS384_A192KW,  ///< PBES2-HS384+A192KW
  PBES2_HS512_A256KW,  ///< PBES2-HS512+A256KW
};

/// Every `enc` with a row in enc_table, likewise.
enum class Enc : std::uint8_t {
  A128CBC_HS256,  ///< A128CBC-HS256
  A192CBC_HS384,  ///< A192CBC-HS384
  A256CBC_HS512,  ///< A256CBC-HS512
  A128GCM,        ///< A128GCM
  A192GCM,        ///< A192GCM
  A256GCM,        ///< A256GCM
};

/// One `alg` of RFC 7518 §4.1 or of the IANA registry.
struct AlgRow {
  Alg id;                  ///< Its place in alg_table.
  std::string_view name;   ///< As it stands in a header.
  KeyManagement mode;      ///< How the CEK comes about.
  Hash hash;               ///< OAEP and MGF1, or the PRF of PBES2.
  std::uint8_t kek_bytes;  ///< Size of the AES key that wraps; 0 where none does.
  Support support;         ///< Whether a policy can allow it.
};

/// One `enc` of RFC 7518 §5.1.
struct EncRow {
  Enc id;                  ///< Its place in enc_table.
  std::string_view name;   ///< As it stands in a header.
  Hash hash;               ///< HMAC of the CBC family; none for GCM.
  std::uint8_t cek_bytes;  ///< Exact.
  std::uint8_t iv_bytes;   ///< Exact.
  std::uint8_t tag_bytes;  ///< Exact.
  Support support;         ///< Whether a policy can allow it.
};

/// Every `alg`, at the place of its Alg.
inline constexpr std::array<AlgRow, 19> alg_table{{
    // clang-format off
    {Alg::RSA1_5,             "RSA1_5",             KeyManagement::rsa_pkcs1,      Hash::none,    0, Support::never},
    {Alg::RSA_OAEP,           "RSA-OAEP",           KeyManagement::rsa_oaep,       Hash::sha1,    0, Support::implemented},
    {Alg::RSA_OAEP_256,       "RSA-OAEP-256",       KeyManagement::rsa_oaep,       Hash::sha256,  0, Support::implemented},
    {Alg::RSA_OAEP_384,       "RSA-OAEP-384",       KeyManagement::rsa_oaep,       Hash::sha384,  0, Support::implemented},
    {Alg::RSA_OAEP_512,       "RSA-OAEP-512",       KeyManagement::rsa_oaep,       Hash::sha512,  0, Support::implemented},
    {Alg::A128KW,             "A128KW",             KeyManagement::aes_kw,         Hash::none,   16, Support::not_yet},
    {Alg::A192KW,             "A192KW",             KeyManagement::aes_kw,         Hash::none,   24, Support::not_yet},
    {Alg::A256KW,             "A256KW",             KeyManagement::aes_kw,         Hash::none,   32, Support::not_yet},
    {Alg::dir,                "dir",                KeyManagement::direct,         Hash::none,    0, Support::implemented},
    {Alg::ECDH_ES,            "ECDH-ES",            KeyManagement::ecdh_es,        Hash::sha256,  0, Support::not_yet},
    {Alg::ECDH_ES_A128KW,     "ECDH-ES+A128KW",     KeyManagement::ecdh_es_aes_kw, Hash::sha256, 16, Support::not_yet},
    {Alg::ECDH_ES_A192KW,     "ECDH-ES+A192KW",     KeyManagement::ecdh_es_aes_kw, Hash::sha256, 24, Support::not_yet},
    {Alg::ECDH_ES_A256KW,     "ECDH-ES+A256KW",     KeyManagement::ecdh_es_aes_kw, Hash::sha256, 32, Support::not_yet},
    {Alg::A128GCMKW,          "A128GCMKW",          KeyManagement::aes_gcm_kw,     Hash::none,   16, Support::not_yet},
    {Alg::A192GCMKW,          "A192GCMKW",          KeyManagement::aes_gcm_kw,     Hash::none,   24, Support::not_yet},
    {Alg::A256GCMKW,          "A256GCMKW",          KeyManagement::aes_gcm_kw,     Hash::none,   32, Support::not_yet},
    {Alg::PBES2_HS256_A128KW, "PBES2-HS256+A128KW", KeyManagement::pbes2,          Hash::sha256, 16, Support::not_yet},
    {Alg::PBES2_HS384_A192KW, "PBES2-HS384+A192KW", KeyManagement::pbes2,          Hash::sha384, 24, Support::not_yet},
    {Alg::PBES2_HS512_A256KW, "PBES2-HS512+A256KW", KeyManagement::pbes2,          Hash::sha512, 32, Support::not_yet},
    // clang-format on
}};

/// Every `enc`, at the place of its Enc.
inline constexpr std::array<EncRow, 6> enc_table{{
    // clang-format off
    {Enc::A128CBC_HS256, "A128CBC-HS256", Hash::sha256, 32, 16, 16, Support::not_yet},
    {Enc::A192CBC_HS384, "A192CBC-HS384", Hash::sha384, 48, 16, 24, Support::not_yet},
    {Enc::A256CBC_HS512, "A256CBC-HS512", Hash::sha512, 64, 16, 32, Support::not_yet},
    {Enc::A128GCM,       "A128GCM",       Hash::none,   16, 12, 16, Support::implemented},
    {Enc::A192GCM,       "A192GCM",       Hash::none,   24, 12, 16, Support::implemented},
    {Enc::A256GCM,       "A256GCM",       Hash::none,   32, 12, 16, Support::implemented},
    // clang-format on
}};

/// What the table says of an `alg`.
[[nodiscard]] constexpr const AlgRow& row(Alg id) noexcept {
  return alg_table[static_cast<std::size_t>(id)];
}
/// What the table says of an `enc`.
[[nodiscard]] constexpr const EncRow& row(Enc id) noexcept {
  return enc_table[static_cast<std::size_t>(id)];
}

/// The row of a name, which is case-sensitive (RFC 7515 §4.1.1); null when there is none.
[[nodiscard]] constexpr const AlgRow* find_alg(std::string_view name) noexcept {
  for (const AlgRow& r : alg_table)
    if (r.name == name) return &r;
  return nullptr;
}
/// The row of a name, likewise.
[[nodiscard]] constexpr const EncRow* find_enc(std::string_view name) noexcept {
  for (const EncRow& r : enc_table)
    if (r.name == name) return &r;
  return nullptr;
}

/// A set of Alg, of Enc, or of another enum with few values.
template <class Id>
class IdSet {
 public:
  constexpr IdSet() noexcept = default;
  /// Those named.
  constexpr IdSet(std::initializer_list<Id> ids) noexcept {
    for (Id id : ids) insert(id);
  }
  /// Adds one; twice is once.
  constexpr void insert(Id id) noexcept { bits_ |= bit(id); }
  /// Whether one is in it.
  [[nodiscard]] constexpr bool contains(Id id) const noexcept { return (bits_ & bit(id)) != 0; }
  /// Whether none is.
  [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
  /// One bit an id, at the id's value.
  [[nodiscard]] constexpr std::uint32_t bits() const noexcept { return bits_; }
  /// The set with these bits(). A bit without an id is kept.
  [[nodiscard]] static constexpr IdSet from_bits(std::uint32_t bits) noexcept {
    IdSet set;
    set.bits_ = bits;
    return set;
  }
  /// Whether both have the same.
  constexpr bool operator==(const IdSet&) const noexcept = default;

 private:
  [[nodiscard]] static constexpr std::uint32_t bit(Id id) noexcept {
    return std::uint32_t{1} << static_cast<unsigned>(id);
  }
  std::uint32_t bits_ = 0;
};
/// `alg`s: a policy's, a key's.
using AlgSet = IdSet<Alg>;
/// `enc`s of a policy.
using EncSet = IdSet<Enc>;

namespace detail {
constexpr bool tables_are_sound() noexcept {
  for (std::size_t i = 0; i < alg_table.size(); ++i)
    if (static_cast<std::size_t>(alg_table[i].id) != i) return false;
  for (std::size_t i = 0; i < enc_table.size(); ++i) {
    const EncRow& r = enc_table[i];
    if (static_cast<std::size_t>(r.id) != i) return false;
    const bool gcm = r.hash == Hash::none;
    // RFC 7518 §5.3: 96-bit IV, 128-bit tag. §5.2: 128-bit IV, CEK = MAC key and AES key, tag =
    // half.
    if (gcm && (r.iv_bytes != 12 || r.tag_bytes != 16)) return false;
    if (!gcm && (r.iv_bytes != 16 || r.cek_bytes != 2 * r.tag_bytes)) return false;
  }
  return row(Alg::RSA1_5).support == Support::never;
}
static_assert(tables_are_sound());
}  // namespace detail

/// The largest EncRow::cek_bytes.
inline constexpr std::size_t max_cek_bytes = 64;
/// The largest EncRow::iv_bytes.
inline constexpr std::size_t max_iv_bytes = 16;
/// The largest EncRow::tag_bytes.
inline constexpr std::size_t max_tag_bytes = 32;

}  // namespace jwekms

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "convert.hpp"
#include "core/key_use.hpp"
#include "entry.hpp"
#include "jwekms/key_uid.hpp"
#include "provided_key.hpp"

namespace jwekms::capi {

namespace {

void require(bool holds) {
  if (!holds) throw BadResult(impossible_answer);
}

/// A text in an array of the struct.
template <std::size_t Size>
[[nodiscard]] std::string_view told_text(const char (&array)[Size], std::size_t size) {
  require(size <= Size);
  return {array, size};
}

[[nodiscard]] std::string read_uid(const jwekms_provided_key& told, std::string_view prefix,
                                   std::string_view kid) {
  if (told.uid_len == 0) return std::string(kid);
  const std::string_view text = told_text(told.uid, told.uid_len);
  const Result<KeyUid> uid = parse_key_uid(text);
  require(uid && !uid->in_hsm && text.starts_with(prefix));
  return std::string(text);
}

void read_size(const jwekms_provided_key& told, KeyInfo& info) {
  require(told.type == JWEKMS_KEY_TYPE_RSA || told.type == JWEKMS_KEY_TYPE_OCT);
  info.type = static_cast<KeyType>(told.type);
  info.bits = told.bits;
  const bool fits =
      info.type == KeyType::rsa
          ? told.bits >= 1024 && told.bits <= 16384
          : std::ranges::any_of(enc_table, [&](const EncRow& enc) {
              return enc.support == Support::implemented && enc.cek_bytes * 8U == told.bits;
            });
  require(fits);
}

void read_algorithms(const jwekms_provided_key& told, KeyInfo& info) {
  const std::string_view algs = told_text(told.algs, told.algs_len);
  const AlgSet named = alg_set(algs.data(), algs.size());
  for (const AlgRow& alg : alg_table) {
    const bool fits = core::type_fits(info.type, alg.mode);
    require(fits || !named.contains(alg.id));
    const bool is_default = named.empty() && alg.support == Support::implemented;
    if (fits && (is_default || named.contains(alg.id))) info.algs.insert(alg.id);
  }
  if (told.enc_len == 0) return;
  const EncRow* enc = find_enc(told_text(told.enc, told.enc_len));
  require(enc != nullptr && info.type == KeyType::oct && enc->cek_bytes * 8U == info.bits);
  info.enc = enc->id;
}

constexpr std::int64_t year_10000 = 253'402'300'800;  // and no milliseconds, for one

void read_use(const jwekms_provided_key& told, KeyInfo& info) {
  constexpr std::uint32_t known =
      JWEKMS_PROVIDED_CEK_STAYS | JWEKMS_PROVIDED_NO_DECRYPT | JWEKMS_PROVIDED_NO_ENCRYPT;
  require((told.flags & ~known) == 0 && told.reserved == 0);
  require(told.created_at >= 0 && told.created_at < year_10000);
  info.may_decrypt = (told.flags & JWEKMS_PROVIDED_NO_DECRYPT) == 0;
  info.may_encrypt = (told.flags & JWEKMS_PROVIDED_NO_ENCRYPT) == 0;
  if (told.state != 0) info.state = key_state(told.state);
  info.created_at_s = told.created_at;
  set(info.version, told.version);
}

}  // namespace

Result<KeyInfo> read_key_info(const jwekms_provided_key& told, std::string_view prefix,
                              std::string_view kid) try {
  KeyInfo info;
  info.uid = read_uid(told, prefix, kid);
  read_size(told, info);
  read_algorithms(told, info);
  read_use(told, info);
  if (info.state == KeyState::destroyed) return outcome_of(JWEKMS_NOT_FOUND).error();
  return info;
} catch (const BadResult&) {  // whatever it was, the caller has not asked for it
  return impossible_answer;
}

}  // namespace jwekms::capi

// SPDX-License-Identifier: Apache-2.0
#include "providers/db/record.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "crypto/aes_gcm.hpp"

namespace jwekms::db {

namespace {

using crypto::gcm_iv_bytes;
using crypto::gcm_tag_bytes;

/// Additional data in one reading only: each field behind its length, each number in eight bytes.
/// The name at the front keeps one kind of row from standing in for another.
class Fields {
 public:
  explicit Fields(std::string_view kind) { text(kind); }
  Fields& text(std::string_view value) {
    number(static_cast<std::int64_t>(value.size()));
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  Fields& number(std::int64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes_.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> shift));
    return *this;
  }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

[[nodiscard]] Fields fields_of(const KeyRow& row) {
  Fields fields("jwekms key 1");
  fields.text(row.uid).number(row.type).number(row.bits).text(row.algs).text(row.enc);
  fields.number(row.state).number(row.may_decrypt).number(row.may_encrypt);
  fields.text(row.owner).text(row.parent).number(row.created_at_s).number(row.version);
  return fields;
}

[[nodiscard]] Fields fields_of(const AliasRow& row) {
  Fields fields("jwekms alias 1");
  fields.text(row.alias).text(row.uid);
  return fields;
}

[[nodiscard]] Fields fields_of(const GrantRow& row) {
  Fields fields("jwekms grant 1");
  fields.text(row.uid).text(row.principal).number(row.permissions).number(row.version);
  return fields;
}

struct Sealed {
  std::vector<std::uint8_t> iv, bytes, tag;
};

[[nodiscard]] Result<Sealed> seal(const crypto::Library& library, const Kek& kek,
                                  const Fields& fields, std::span<const std::uint8_t> secret) {
  Sealed sealed;
  sealed.iv.resize(gcm_iv_bytes);
  sealed.bytes.resize(secret.size());
  sealed.tag.resize(gcm_tag_bytes);
  if (const Result<void> drawn = library.random(sealed.iv); !drawn) return drawn.error();
  const Result<void> done =
      crypto::seal(library, kek, std::span(sealed.iv).first<gcm_iv_bytes>(), fields.bytes(), secret,
                   sealed.bytes, std::span(sealed.tag).first<gcm_tag_bytes>());
  if (!done) return done.error();
  return sealed;
}

/// A failed tag is "damaged": decryption_failed would be about somebody's token.
[[nodiscard]] Result<void> unseal(const crypto::Library& library, const Kek& kek,
                                  const Fields& fields, std::span<const std::uint8_t> iv,
                                  std::span<const std::uint8_t> sealed,
                                  std::span<const std::uint8_t> tag, std::span<std::uint8_t> out) {
  if (iv.size() != gcm_iv_bytes || tag.size() != gcm_tag_bytes) return damaged;
  const Result<void> done = crypto::unseal(library, kek, iv.first<gcm_iv_bytes>(), fields.bytes(),
                                           sealed, tag.first<gcm_tag_bytes>(), out);
  if (!done && done.error().code == Errc::decryption_failed) return damaged;
  return done;
}

// Names, not the enums' numbers: a table may grow in the middle, a database lives on.

[[nodiscard]] std::string names_of(AlgSet algs) {
  std::string names;
  for (const AlgRow& r : alg_table) {
    if (!algs.contains(r.id)) continue;
    if (!names.empty()) names += ' ';
    names += r.name;
  }
  return names;
}

[[nodiscard]] std::optional<AlgSet> algs_of(std::string_view names) {
  AlgSet algs;
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(' '), names.size());
    const AlgRow* alg = find_alg(names.substr(0, end));
    if (alg == nullptr) return std::nullopt;
    algs.insert(alg->id);
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return algs;
}

[[nodiscard]] bool in_range(std::int64_t value, std::int64_t first, std::int64_t last) noexcept {
  return first <= value && value <= last;
}

/// A row whose tag is right was written by this library; what it does not understand a newer one
/// wrote.
[[nodiscard]] Result<KeyInfo> info_of(const KeyRow& row) {
  constexpr Error too_new{Errc::internal_error, 0,
                          "the key record was written by a newer version of this library"};
  const std::optional<AlgSet> algs = algs_of(row.algs);
  const EncRow* enc = find_enc(row.enc);
  if (!in_range(row.type, 1, 2) || !in_range(row.state, 1, 4) || !algs ||
      (enc == nullptr && !row.enc.empty()) || !in_range(row.bits, 0, UINT32_MAX))
    return too_new;
  KeyInfo info;
  info.uid = row.uid;
  info.type = static_cast<KeyType>(row.type);
  info.bits = static_cast<std::uint32_t>(row.bits);
  info.algs = *algs;
  if (enc != nullptr) info.enc = enc->id;
  info.state = static_cast<KeyState>(row.state);
  info.may_decrypt = row.may_decrypt != 0;
  info.may_encrypt = row.may_encrypt != 0;
  info.owner = row.owner;
  info.parent = row.parent;
  info.created_at_s = row.created_at_s;
  info.version = static_cast<std::uint64_t>(row.version);
  return info;
}

}  // namespace

Result<KeyRow> seal_record(const crypto::Library& library, const Kek& kek, const KeyInfo& info,
                           std::span<const std::uint8_t> secret) {
  KeyRow row;
  row.uid = info.uid;
  row.type = static_cast<std::int64_t>(info.type);
  row.bits = info.bits;
  row.algs = names_of(info.algs);
  if (info.enc) row.enc = jwekms::row(*info.enc).name;
  row.state = static_cast<std::int64_t>(info.state);
  row.may_decrypt = info.may_decrypt ? 1 : 0;
  row.may_encrypt = info.may_encrypt ? 1 : 0;
  row.owner = info.owner;
  row.parent = info.parent;
  row.created_at_s = info.created_at_s;
  row.version = static_cast<std::int64_t>(info.version);
  Result<Sealed> sealed = seal(library, kek, fields_of(row), secret);
  if (!sealed) return sealed.error();
  row.iv = std::move(sealed->iv);
  row.sealed = std::move(sealed->bytes);
  row.tag = std::move(sealed->tag);
  return row;
}

Result<OpenedRecord> open_record(const crypto::Library& library, const Kek& kek,
                                 const KeyRow& row) {
  crypto::SecretBuffer secret(row.sealed.size());
  const Result<void> done = unseal(library, kek, fields_of(row), row.iv, row.sealed, row.tag,
                                   secret.bytes(InsecureSecretAccess::token()));
  if (!done) return done.error();
  Result<KeyInfo> info = info_of(row);
  if (!info) return info.error();
  return OpenedRecord{*std::move(info), std::move(secret)};
}

Result<AliasRow> seal_alias(const crypto::Library& library, const Kek& kek, std::string_view alias,
                            std::string_view uid) {
  AliasRow row{std::string(alias), std::string(uid), {}, {}};
  Result<Sealed> sealed = seal(library, kek, fields_of(row), {});
  if (!sealed) return sealed.error();
  row.iv = std::move(sealed->iv);
  row.tag = std::move(sealed->tag);
  return row;
}

Result<void> check_alias(const crypto::Library& library, const Kek& kek, const AliasRow& row) {
  return unseal(library, kek, fields_of(row), row.iv, {}, row.tag, {});
}

Result<GrantRow> seal_grant(const crypto::Library& library, const Kek& kek, GrantRow row) {
  Result<Sealed> sealed = seal(library, kek, fields_of(row), {});
  if (!sealed) return sealed.error();
  row.iv = std::move(sealed->iv);
  row.tag = std::move(sealed->tag);
  return row;
}

Result<void> reseal(const crypto::Library& library, const Kek& from, const Kek& to, KeyRow& row) {
  const Fields fields = fields_of(row);
  crypto::SecretBuffer secret(row.sealed.size());
  const auto bytes = secret.bytes(InsecureSecretAccess::token());
  if (const Result<void> r = unseal(library, from, fields, row.iv, row.sealed, row.tag, bytes); !r)
    return r;
  Result<Sealed> sealed = seal(library, to, fields, bytes);
  if (!sealed) return sealed.error();
  row.iv = std::move(sealed->iv);
  row.sealed = std::move(sealed->bytes);
  row.tag = std::move(sealed->tag);
  return {};
}

Result<void> reseal(const crypto::Library& library, const Kek& from, const Kek& to, AliasRow& row) {
  if (const Result<void> r = check_alias(library, from, row); !r) return r;
  Result<AliasRow> sealed = seal_alias(library, to, row.alias, row.uid);
  if (!sealed) return sealed.error();
  row = *std::move(sealed);
  return {};
}

Result<void> reseal(const crypto::Library& library, const Kek& from, const Kek& to, GrantRow& row) {
  if (const Result<void> r = check_grant(library, from, row); !r) return r;
  Result<GrantRow> sealed = seal_grant(library, to, row);
  if (!sealed) return sealed.error();
  row = *std::move(sealed);
  return {};
}

Result<void> check_grant(const crypto::Library& library, const Kek& kek, const GrantRow& row) {
  return unseal(library, kek, fields_of(row), row.iv, {}, row.tag, {});
}

}  // namespace jwekms::db

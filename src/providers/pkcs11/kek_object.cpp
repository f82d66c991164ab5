// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/kek_object.hpp"

#include <algorithm>
#include <array>

#include "crypto/aes_gcm.hpp"
#include "providers/pkcs11/cek_object.hpp"
#include "providers/pkcs11/gcm_ops.hpp"

namespace jwekms::pkcs11 {

namespace {

constexpr std::size_t kek_size = Kek::capacity;

constexpr Error no_aes_256{Errc::crypto_failure, 0,
                           "key_encryption_key names no AES-256 key of the HSM"};
constexpr Error no_way{Errc::unsupported_algorithm, 0,
                       "the HSM does neither AES-GCM nor AES key wrap with the key that "
                       "key_encryption_key names"};
constexpr Error unknown_way{Errc::unsupported_algorithm, 0,
                            "the HSM does not do what wrapped the database's key-encryption key"};
constexpr Error wrong_key{Errc::crypto_failure, 0,
                          "the HSM key is not the one that wrapped the database's key-encryption "
                          "key"};
constexpr Error refused{Errc::internal_error, 0,
                        "the HSM refused to wrap the database's key-encryption key"};

/// Ties what is wrapped to what it is, how, and by whom.
[[nodiscard]] std::string aad_of(const core::WrappedKek& wrapped) {
  std::string aad = "jwekms key-encryption key 1 ";
  aad += wrapped.mechanism;
  aad += ' ';
  aad += wrapped.wrapped_by;
  return aad;
}

/// Whether a code speaks of the mechanism or the key's attributes, and not of what was wrapped.
[[nodiscard]] bool is_about_the_way(CK_RV rv) noexcept {
  return rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID ||
         rv == CKR_FUNCTION_NOT_SUPPORTED || rv == CKR_KEY_FUNCTION_NOT_PERMITTED ||
         rv == CKR_KEY_TYPE_INCONSISTENT || rv == CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
}

[[nodiscard]] Step wrap_object(const Session& session, CK_OBJECT_HANDLE wrapping,
                               CK_MECHANISM_TYPE type, const Kek& kek,
                               std::vector<std::uint8_t>& out) {
  Template attributes;
  describe_passing_kek(attributes);
  attributes.bytes(CKA_VALUE, kek.bytes(InsecureSecretAccess::token()));
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  const CK_RV made =
      session.f->C_CreateObject(session.handle, attributes.data(), attributes.size(), &object);
  if (made != CKR_OK) return {made};
  // Its value can be read: it goes, or its session does.
  const ObjectGuard guard(session, object);
  CK_MECHANISM mechanism{type, nullptr, 0};
  out.resize(kek_size + 16);
  CK_ULONG size = out.size();
  const CK_RV rv =
      session.f->C_WrapKey(session.handle, &mechanism, wrapping, object, out.data(), &size);
  if (rv != CKR_OK) return {rv};
  out.resize(std::min<std::size_t>(size, out.size()));
  return {};
}

[[nodiscard]] Step unwrap_value(const Session& session, CK_OBJECT_HANDLE wrapping,
                                CK_MECHANISM_TYPE type, const std::vector<std::uint8_t>& wrapped,
                                Kek& kek) {
  Template attributes;
  describe_passing_kek(attributes);
  CK_MECHANISM mechanism{type, nullptr, 0};
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  const CK_RV came_out = session.f->C_UnwrapKey(
      session.handle, &mechanism, wrapping, const_cast<unsigned char*>(wrapped.data()),
      wrapped.size(), attributes.data(), attributes.size(), &object);
  if (came_out != CKR_OK) return {came_out};
  const ObjectGuard guard(session, object);
  const auto room = kek.fill(kek_size, InsecureSecretAccess::token());
  CK_ATTRIBUTE value{CKA_VALUE, room.data(), room.size()};
  const CK_RV rv = session.f->C_GetAttributeValue(session.handle, object, &value, 1);
  if (rv != CKR_OK) return {rv};
  if (value.ulValueLen != kek_size) return {CKR_ENCRYPTED_DATA_INVALID};
  return {};
}

}  // namespace

void describe_passing_kek(Template& attributes) noexcept {
  attributes.number(CKA_CLASS, CKO_SECRET_KEY);
  attributes.number(CKA_KEY_TYPE, CKK_AES);
  attributes.flag(CKA_TOKEN, false);
  attributes.flag(CKA_PRIVATE, true);
  attributes.flag(CKA_SENSITIVE, false);
  attributes.flag(CKA_EXTRACTABLE, true);
}

struct KekObject::WayRow {
  Way way;
  const char* name;
  CK_MECHANISM_TYPE mechanism;
};

/// In the order of preference. The names stand in databases.
const KekObject::WayRow KekObject::ways[] = {
    {Way::gcm, "AES-GCM", CKM_AES_GCM},
    {Way::key_wrap, "AES-KEY-WRAP", CKM_AES_KEY_WRAP},
    {Way::key_wrap_pad, "AES-KEY-WRAP-PAD", CKM_AES_KEY_WRAP_PAD},
};

template <class Use>
Result<Outcome> KekObject::with_key(Use use) const {
  const Result<Instance::Place> place = place_();
  if (!place) return place.error();
  return place->slot->run_in_turn([&](const Session& session) -> Result<Step> {
    KeyObject key;
    const Result<Step> found = find_key(*place->slot, session, place->label, key);
    if (!found || found->rv != CKR_OK) return found;
    // A token may not know the size of a key that it has unwrapped: 0.
    if (!key.is_aes() || (key.value_bytes != 0 && key.value_bytes != kek_size)) return no_aes_256;
    return use(session, key.handle);
  });
}

Result<void> KekObject::prepare(ReservedKey& reserved, const WarningSink& warn) {
  bool guarded = false;
  const Result<Outcome> looked = with_key([&](const Session& session, CK_OBJECT_HANDLE key) {
    return Result<Step>(check_guarded(session, key, guarded));
  });
  if (!looked) return looked.error();
  if (!looked->ok()) return refused;
  for (const WayRow& way : ways) {
    const Result<bool> good = serves(way);
    if (!good) return good.error();
    if (!*good) continue;
    way_ = &way;
    const Result<Instance::Place> place = place_();
    if (!place) return place.error();
    reserved.uid = uid_;
    reserved.token = place->slot->token();
    reserved.label = place->label;
    if (!guarded && warn)
      warn("the HSM key that wraps the database's key-encryption key can leave the HSM");
    return {};
  }
  return no_way;
}

/// Whether a key of ours comes back.
Result<bool> KekObject::serves(const WayRow& way) const {
  const auto access = InsecureSecretAccess::token();
  Kek kek, back;
  if (const Result<void> drawn = library_->random(kek.fill(kek_size, access)); !drawn)
    return drawn.error();
  core::WrappedKek wrapped;
  Result<Outcome> outcome = wrap_as(way, kek, wrapped);
  if (outcome && outcome->ok()) outcome = unwrap_as(way, wrapped, back);
  if (!outcome) return outcome.error();
  return outcome->ok() && std::ranges::equal(kek.bytes(access), back.bytes(access));
}

Result<core::WrappedKek> KekObject::wrap(const Kek& kek) {
  core::WrappedKek wrapped;
  const Result<Outcome> outcome = wrap_as(*way_, kek, wrapped);
  if (!outcome) return outcome.error();
  if (!outcome->ok()) return refused;
  return wrapped;
}

Result<void> KekObject::unwrap(const core::WrappedKek& wrapped, Kek& kek) {
  const WayRow* const way = std::ranges::find(ways, wrapped.mechanism, &WayRow::name);
  if (way == std::ranges::end(ways)) return unknown_way;
  const Result<Outcome> outcome = unwrap_as(*way, wrapped, kek);
  if (!outcome || !outcome->ok()) kek.wipe();
  if (!outcome) return outcome.error();
  if (!outcome->ok()) return is_about_the_way(outcome->rv) ? unknown_way : wrong_key;
  return {};
}

Result<Outcome> KekObject::wrap_as(const WayRow& way, const Kek& kek,
                                   core::WrappedKek& wrapped) const {
  wrapped = {.mechanism = way.name, .wrapped_by = uid_, .bytes = {}};
  return with_key([&](const Session& session, CK_OBJECT_HANDLE key) -> Result<Step> {
    if (way.way != Way::gcm) return wrap_object(session, key, way.mechanism, kek, wrapped.bytes);
    wrapped.bytes.resize(crypto::gcm_iv_bytes + kek_size + gcm_tag_size);
    const auto iv = std::span(wrapped.bytes).first(crypto::gcm_iv_bytes);
    if (const Result<void> drawn = library_->random(iv); !drawn) return drawn.error();
    return gcm_encrypt(session, key, iv, aad_of(wrapped), kek.bytes(InsecureSecretAccess::token()),
                       std::span(wrapped.bytes).subspan(iv.size()));
  });
}

Result<Outcome> KekObject::unwrap_as(const WayRow& way, const core::WrappedKek& wrapped,
                                     Kek& kek) const {
  constexpr Outcome malformed{CKR_ENCRYPTED_DATA_INVALID, false};
  if (way.way != Way::gcm)
    return with_key([&](const Session& session, CK_OBJECT_HANDLE key) -> Result<Step> {
      return unwrap_value(session, key, way.mechanism, wrapped.bytes, kek);
    });
  if (wrapped.bytes.size() != crypto::gcm_iv_bytes + kek_size + gcm_tag_size) return malformed;
  const auto iv = std::span(wrapped.bytes).first(crypto::gcm_iv_bytes);
  const auto sealed = std::span(wrapped.bytes).subspan(iv.size());
  crypto::SecretBuffer buffer(sealed.size());
  const auto room = buffer.bytes(InsecureSecretAccess::token());
  Result<Outcome> outcome = with_key([&](const Session& session, CK_OBJECT_HANDLE key) {
    const Step step = gcm_decrypt(session, key, iv, aad_of(wrapped), sealed, room, Phase::setup);
    // No JWE is at stake: after GENERAL_ERROR the token is asked how it is.
    return Result<Step>(Step{step.rv});
  });
  if (outcome && outcome->ok())
    std::copy_n(room.begin(), kek_size, kek.fill(kek_size, InsecureSecretAccess::token()).begin());
  return outcome;
}

}  // namespace jwekms::pkcs11

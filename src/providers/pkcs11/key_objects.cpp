// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/key_objects.hpp"

#include <algorithm>
#include <array>

namespace jwekms::pkcs11 {

namespace {

constexpr Error no_such_key{Errc::not_found, 0, "no such key"};
constexpr Error ambiguous{Errc::internal_error, 0, "two keys carry this label"};
constexpr Error no_public_half{Errc::crypto_failure, 0,
                               "the HSM does not tell the public half of this key"};
constexpr Error taken{Errc::conflict, 0, "the label is taken in this HSM slot"};
constexpr Error not_there{Errc::internal_error, 0, "the HSM does not find the key that it made"};
constexpr std::string_view id_mark = "jwekms:";

/// The token objects of one class, with one label unless it is empty.
[[nodiscard]] CK_RV find_class(const Session& session, CK_OBJECT_CLASS object_class,
                               std::string_view label, std::vector<CK_OBJECT_HANDLE>& found) {
  Template wanted;
  wanted.number(CKA_CLASS, object_class);
  wanted.flag(CKA_TOKEN, true);
  if (!label.empty()) wanted.text(CKA_LABEL, label);
  return find_objects(session, wanted, found);
}

}  // namespace

CK_RV destroy(const Session& session, CK_OBJECT_HANDLE object) {
  const auto alone = hold(session.making);
  return session.f->C_DestroyObject(session.handle, object);
}

std::string write_cek_id(Enc enc, std::string_view nonce, std::string_view parent) {
  std::string id(id_mark);
  id += row(enc).name;
  id += ':';
  id += nonce;
  id += ':';
  id += parent;
  return id;
}

CekId read_cek_id(const std::vector<std::uint8_t>& bytes) {
  const std::string text(bytes.begin(), bytes.end());
  std::string_view rest(text);
  if (!rest.starts_with(id_mark)) return {};
  rest.remove_prefix(id_mark.size());
  const std::size_t enc_end = rest.find(':');
  if (enc_end == std::string_view::npos) return {};
  const EncRow* enc = find_enc(rest.substr(0, enc_end));
  if (enc == nullptr) return {};
  rest.remove_prefix(enc_end + 1);
  const std::size_t nonce_end = rest.find(':');
  if (nonce_end == std::string_view::npos) return {enc->id, {}};
  return {enc->id, std::string(rest.substr(nonce_end + 1))};
}

Step read_key_object(const Session& session, CK_OBJECT_HANDLE handle, KeyObject& key) {
  constexpr CK_ULONG none = ~CK_ULONG{0};
  AttributeReader attributes(session, handle);
  key = KeyObject{};
  key.handle = handle;
  key.object_class = attributes.number(CKA_CLASS).value_or(none);
  key.key_type = attributes.number(CKA_KEY_TYPE).value_or(none);
  key.label = attributes.text(CKA_LABEL);
  key.id = attributes.bytes(CKA_ID);
  key.may_decrypt = attributes.flag(CKA_DECRYPT).value_or(false);
  key.may_unwrap = attributes.flag(CKA_UNWRAP).value_or(false);
  key.may_sign = attributes.flag(CKA_SIGN).value_or(false);
  if (key.is_rsa()) {
    key.n = attributes.bytes(CKA_MODULUS);
    key.e = attributes.bytes(CKA_PUBLIC_EXPONENT);
    key.may_leave = !attributes.flag(CKA_SENSITIVE).value_or(false) ||
                    attributes.flag(CKA_EXTRACTABLE).value_or(true);
  } else {
    key.may_encrypt = attributes.flag(CKA_ENCRYPT).value_or(false);
    key.value_bytes = attributes.number(CKA_VALUE_LEN).value_or(0);
  }
  return {attributes.rv()};
}

namespace {

/// Reads the public exponent of a private key from its public half: the object with its modulus
/// among those with its label or its CKA_ID. Leaves it empty when there is none.
[[nodiscard]] Step read_exponent_of_public_half(const Session& session, KeyObject& key) {
  std::vector<CK_OBJECT_HANDLE> halves, more;
  CK_RV rv = find_class(session, CKO_PUBLIC_KEY, key.label, halves);
  if (rv == CKR_OK && !key.id.empty()) {
    Template wanted;
    wanted.number(CKA_CLASS, CKO_PUBLIC_KEY);
    wanted.flag(CKA_TOKEN, true);
    wanted.bytes(CKA_ID, key.id);
    rv = find_objects(session, wanted, more);
  }
  if (rv != CKR_OK) return {rv};
  halves.insert(halves.end(), more.begin(), more.end());
  for (const CK_OBJECT_HANDLE half : halves) {
    AttributeReader attributes(session, half);
    if (!key.n.empty() && attributes.bytes(CKA_MODULUS) == key.n)
      key.e = attributes.bytes(CKA_PUBLIC_EXPONENT);
    if (attributes.rv() != CKR_OK) return {attributes.rv()};
  }
  return {};
}

}  // namespace

Result<Step> find_key(TokenSlot& slot, const Session& session, const std::string& label,
                      KeyObject& key) {
  std::vector<CK_OBJECT_HANDLE> found;
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_SECRET_KEY}) {
    if (const CK_RV rv = find_class(session, object_class, label, found); rv != CKR_OK)
      return Step{rv};
    if (found.size() > 1 || (!found.empty() && handle != CK_INVALID_HANDLE)) return ambiguous;
    if (!found.empty()) handle = found.front();
  }
  if (handle == CK_INVALID_HANDLE) {
    const Step absent = slot.believe_absence(session);
    if (absent.rv == CKR_OK) return no_such_key;
    return absent;
  }
  if (const Step read = read_key_object(session, handle, key); read.rv != CKR_OK) return read;
  if (key.lacks_public_half()) {
    if (const Step read = read_exponent_of_public_half(session, key); read.rv != CKR_OK)
      return read;
    if (key.lacks_public_half() && AttributeReader(session, handle).text(CKA_LABEL) == label)
      return no_public_half;
  }
  // It was there a moment ago: what cannot be read has gone, and the token may have gone with it.
  if (key.label != label || key.lacks_public_half()) return Step{CKR_OBJECT_HANDLE_INVALID};
  return Step{};
}

Result<Step> find_keys(TokenSlot& slot, const Session& session, std::vector<KeyObject>& keys) {
  keys.clear();
  std::vector<CK_OBJECT_HANDLE> found;
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_SECRET_KEY}) {
    if (const CK_RV rv = find_class(session, object_class, {}, found); rv != CKR_OK)
      return Step{rv};
    for (const CK_OBJECT_HANDLE handle : found) {
      KeyObject key;
      if (const Step read = read_key_object(session, handle, key); read.rv != CKR_OK) return read;
      if (!key.label.empty() && (key.is_rsa() || key.is_aes())) keys.push_back(std::move(key));
    }
  }
  // Keys may have gone out of sight between one search and the next.
  return slot.believe_absence(session);
}

Result<Step> check_label_free(TokenSlot& slot, const Session& session, const std::string& label) {
  std::vector<CK_OBJECT_HANDLE> found;
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_SECRET_KEY, CKO_PUBLIC_KEY}) {
    if (const CK_RV rv = find_class(session, object_class, label, found); rv != CKR_OK)
      return Step{rv};
    if (!found.empty()) return taken;
  }
  return slot.believe_absence(session);
}

Result<Step> check_label_unique(const Session& session, const std::string& label) {
  std::size_t count = 0;
  std::vector<CK_OBJECT_HANDLE> found;
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_SECRET_KEY}) {
    if (const CK_RV rv = find_class(session, object_class, label, found); rv != CKR_OK)
      return Step{rv};
    count += found.size();
  }
  if (count > 1) return taken;
  if (count == 0) return not_there;
  return Step{};
}

Result<Step> destroy_key(TokenSlot& slot, const Session& session, const KeyObject& key) {
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  Result<Step> located = Locator(key).locate(slot, session, handle);
  if (!located || located->rv != CKR_OK) return located;
  std::vector<CK_OBJECT_HANDLE> halves;
  if (key.is_rsa()) {
    const CK_RV rv = find_class(session, CKO_PUBLIC_KEY, key.label, halves);
    if (rv != CKR_OK) return Step{rv};
  }
  for (const CK_OBJECT_HANDLE half : halves) {
    AttributeReader attributes(session, half);
    const bool is_its = attributes.bytes(CKA_MODULUS) == key.n;
    CK_RV rv = attributes.rv();
    if (rv == CKR_OK && is_its) rv = destroy(session, half);
    if (rv != CKR_OK) return Step{rv};
  }
  return Step{destroy(session, handle)};
}

Step destroy_by_id(const Session& session, std::string_view id) {
  Template wanted;
  wanted.flag(CKA_TOKEN, true);
  wanted.text(CKA_ID, id);
  std::vector<CK_OBJECT_HANDLE> found;
  CK_RV rv = find_objects(session, wanted, found);
  for (const CK_OBJECT_HANDLE object : found)
    if (rv == CKR_OK) rv = destroy(session, object);
  return {rv};
}

Result<Step> Locator::locate(TokenSlot& slot, const Session& session,
                             CK_OBJECT_HANDLE& handle) const {
  {
    const std::lock_guard lock(mutex_);
    if (epoch_ == session.object_epoch) {
      handle = handle_;
      return Step{};
    }
  }
  KeyObject key;
  Result<Step> found = find_key(slot, session, label_, key);
  if (!found || found->rv != CKR_OK) return found;
  // Handles start anew after an initialisation, and labels may have been given anew.
  if (!is_for(key)) return no_such_key;
  const std::lock_guard lock(mutex_);
  epoch_ = session.object_epoch;
  handle = handle_ = key.handle;
  return Step{};
}

}  // namespace jwekms::pkcs11

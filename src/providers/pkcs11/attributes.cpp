// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/attributes.hpp"

#include <mutex>

namespace jwekms::pkcs11 {

namespace {
constexpr CK_BBOOL yes = CK_TRUE;
constexpr CK_BBOOL no = CK_FALSE;
constexpr CK_ULONG not_available = ~CK_ULONG{0};
constexpr std::size_t most_objects = 1 << 20;
}  // namespace

void Template::add(CK_ATTRIBUTE_TYPE type, const void* value, std::size_t size) noexcept {
  attributes_[size_++] = {type, const_cast<void*>(value), size};
}
void Template::flag(CK_ATTRIBUTE_TYPE type, bool value) noexcept {
  add(type, value ? &yes : &no, sizeof(CK_BBOOL));
}
void Template::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) noexcept {
  numbers_[size_] = value;
  add(type, &numbers_[size_], sizeof(CK_ULONG));
}
void Template::bytes(CK_ATTRIBUTE_TYPE type, std::span<const std::uint8_t> value) noexcept {
  add(type, value.data(), value.size());
}
void Template::text(CK_ATTRIBUTE_TYPE type, std::string_view value) noexcept {
  add(type, value.data(), value.size());
}

bool AttributeReader::read(CK_ATTRIBUTE& attribute) noexcept {
  const CK_RV rv = session_.f->C_GetAttributeValue(session_.handle, object_, &attribute, 1);
  if (rv == CKR_OK) return true;
  if (!is_absence(rv) && rv_ == CKR_OK) rv_ = rv;
  return false;
}

std::optional<bool> AttributeReader::flag(CK_ATTRIBUTE_TYPE type) noexcept {
  CK_BBOOL value = CK_FALSE;
  CK_ATTRIBUTE attribute{type, &value, sizeof(value)};
  if (!read(attribute) || attribute.ulValueLen != sizeof(value)) return std::nullopt;
  return value != CK_FALSE;
}

std::optional<CK_ULONG> AttributeReader::number(CK_ATTRIBUTE_TYPE type) noexcept {
  CK_ULONG value = 0;
  CK_ATTRIBUTE attribute{type, &value, sizeof(value)};
  if (!read(attribute) || attribute.ulValueLen != sizeof(value)) return std::nullopt;
  return value;
}

std::vector<std::uint8_t> AttributeReader::bytes(CK_ATTRIBUTE_TYPE type) {
  constexpr CK_ULONG most = 1 << 16;
  CK_ATTRIBUTE attribute{type, nullptr, 0};
  if (!read(attribute) || attribute.ulValueLen == not_available || attribute.ulValueLen > most)
    return {};
  std::vector<std::uint8_t> value(attribute.ulValueLen);
  if (value.empty()) return {};
  attribute.pValue = value.data();
  if (!read(attribute) || attribute.ulValueLen > value.size()) return {};
  value.resize(attribute.ulValueLen);
  return value;
}

std::string AttributeReader::text(CK_ATTRIBUTE_TYPE type) {
  const std::vector<std::uint8_t> value = bytes(type);
  return {value.begin(), value.end()};
}

CK_RV find_objects(const Session& session, Template& wanted, std::vector<CK_OBJECT_HANDLE>& found) {
  found.clear();
  std::vector<CK_OBJECT_HANDLE> batch(session.find_batch);
  const std::lock_guard alone(*session.objects);
  CK_RV rv = session.f->C_FindObjectsInit(session.handle, wanted.data(), wanted.size());
  if (rv != CKR_OK) return rv;
  const bool was_spoiled = std::exchange(session.spoiled, true);  // until the search has ended
  for (;;) {
    CK_ULONG count = 0;
    rv = session.f->C_FindObjects(session.handle, batch.data(), batch.size(), &count);
    // More than there is room for, or without an end.
    if (rv == CKR_OK && (count > batch.size() || found.size() > most_objects))
      rv = CKR_DEVICE_ERROR;
    if (rv != CKR_OK || count == 0) break;
    found.insert(found.end(), batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(count));
  }
  const CK_RV ended = session.f->C_FindObjectsFinal(session.handle);
  if (ended == CKR_OK) session.spoiled = was_spoiled;
  return rv != CKR_OK ? rv : ended;
}

}  // namespace jwekms::pkcs11

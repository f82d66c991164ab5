// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "providers/pkcs11/token_slot.hpp"

namespace jwekms::pkcs11 {

/// A template of attributes for a new object or a search. Texts and bytes that go in must outlive
/// it.
class Template {
 public:
  Template() = default;
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;

  void flag(CK_ATTRIBUTE_TYPE type, bool value) noexcept;
  void number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) noexcept;
  void bytes(CK_ATTRIBUTE_TYPE type, std::span<const std::uint8_t> value) noexcept;
  void text(CK_ATTRIBUTE_TYPE type, std::string_view value) noexcept;
  [[nodiscard]] CK_ATTRIBUTE* data() noexcept { return attributes_.data(); }
  [[nodiscard]] CK_ULONG size() const noexcept { return size_; }

 private:
  static constexpr std::size_t capacity = 20;
  void add(CK_ATTRIBUTE_TYPE type, const void* value, std::size_t size) noexcept;
  std::array<CK_ATTRIBUTE, capacity> attributes_;
  std::array<CK_ULONG, capacity> numbers_;
  CK_ULONG size_ = 0;
};

/// The object does not have the attribute, or does not show it.
[[nodiscard]] constexpr bool is_absence(CK_RV rv) noexcept {
  return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE;
}

/// Reads attributes of one object. An attribute that the object does not have, or does not show,
/// has no value. Any other failure says nothing of the object, and is kept.
class AttributeReader {
 public:
  AttributeReader(const Session& session, CK_OBJECT_HANDLE object) noexcept
      : session_(session), object_(object) {}

  [[nodiscard]] std::optional<bool> flag(CK_ATTRIBUTE_TYPE type) noexcept;
  [[nodiscard]] std::optional<CK_ULONG> number(CK_ATTRIBUTE_TYPE type) noexcept;
  /// Empty when there is no value.
  [[nodiscard]] std::vector<std::uint8_t> bytes(CK_ATTRIBUTE_TYPE type);
  [[nodiscard]] std::string text(CK_ATTRIBUTE_TYPE type);

  /// The first failure that was not the object's: what was read is worth nothing then.
  [[nodiscard]] CK_RV rv() const noexcept { return rv_; }

 private:
  /// False when there is no value.
  [[nodiscard]] bool read(CK_ATTRIBUTE& attribute) noexcept;
  const Session& session_;
  CK_OBJECT_HANDLE object_;
  CK_RV rv_ = CKR_OK;
};

/// All objects that fit a template.
[[nodiscard]] CK_RV find_objects(const Session& session, Template& wanted,
                                 std::vector<CK_OBJECT_HANDLE>& found);

/// Destroys an object when it goes out of scope. When that fails, a session object dies with its
/// session, which is not used again.
class ObjectGuard {
 public:
  /// @param alone  to be held then: Session::making for an object of the token, Session::objects
  /// for a copy of one.
  ObjectGuard(const Session& session, CK_OBJECT_HANDLE object, std::mutex* alone = nullptr) noexcept
      : session_(session), object_(object), alone_(alone) {}
  ObjectGuard(const ObjectGuard&) = delete;
  ObjectGuard& operator=(const ObjectGuard&) = delete;
  ~ObjectGuard() {
    if (object_ == CK_INVALID_HANDLE) return;
    const auto alone = hold(alone_);
    if (session_.f->C_DestroyObject(session_.handle, object_) != CKR_OK) session_.spoiled = true;
  }
  void keep() noexcept { object_ = CK_INVALID_HANDLE; }

 private:
  const Session& session_;
  CK_OBJECT_HANDLE object_;
  std::mutex* alone_;
};

}  // namespace jwekms::pkcs11

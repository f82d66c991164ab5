// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/provider.hpp"
#include "providers/pkcs11/attributes.hpp"
#include "providers/pkcs11/token_slot.hpp"

namespace jwekms::pkcs11 {

/// A private or secret key of a token, as its attributes tell.
struct KeyObject {
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
  CK_KEY_TYPE key_type = CKK_RSA;
  std::string label{};
  std::vector<std::uint8_t> id{};
  std::vector<std::uint8_t> n{}, e{};  ///< RSA.
  CK_ULONG value_bytes = 0;            ///< Secret key; 0 where the token does not know.
  bool may_decrypt = false;
  bool may_encrypt = false;
  bool may_unwrap = false;
  bool may_sign = false;
  bool may_leave = false;  ///< RSA: not CKA_SENSITIVE, or CKA_EXTRACTABLE.

  [[nodiscard]] bool is_rsa() const noexcept {
    return object_class == CKO_PRIVATE_KEY && key_type == CKK_RSA;
  }
  [[nodiscard]] bool lacks_public_half() const noexcept {
    return is_rsa() && (n.empty() || e.empty());
  }
  [[nodiscard]] bool is_aes() const noexcept {
    return object_class == CKO_SECRET_KEY && key_type == CKK_AES;
  }
  bool operator==(const KeyObject&) const = default;
};

/// What CKA_ID says of a CEK that was unwrapped into a token: `jwekms:<enc>:<nonce>:<parent UID>`.
/// The nonce is there because NSS overwrites an object when another takes its CKA_ID.
struct CekId {
  std::optional<Enc> enc{};
  std::string parent{};
};
[[nodiscard]] std::string write_cek_id(Enc enc, std::string_view nonce, std::string_view parent);
/// Without an enc, for any other CKA_ID.
[[nodiscard]] CekId read_cek_id(const std::vector<std::uint8_t>& id);

[[nodiscard]] Step read_key_object(const Session& session, CK_OBJECT_HANDLE handle, KeyObject& key);

/// The one key that a label names, among private and secret keys.
/// Errors: not_found, internal_error (several carry the label), crypto_failure (an RSA key whose
/// public half the token does not tell).
[[nodiscard]] Result<Step> find_key(TokenSlot& slot, const Session& session,
                                    const std::string& label, KeyObject& key);

/// Every RSA private key and AES key with a label.
[[nodiscard]] Result<Step> find_keys(TokenSlot& slot, const Session& session,
                                     std::vector<KeyObject>& keys);

/// Errors: conflict.
[[nodiscard]] Result<Step> check_label_free(TokenSlot& slot, const Session& session,
                                            const std::string& label);

/// Whether one key, private or secret, carries the label. Errors: conflict (more), internal_error
/// (none).
[[nodiscard]] Result<Step> check_label_unique(const Session& session, const std::string& label);

/// Destroys an object of the token.
[[nodiscard]] CK_RV destroy(const Session& session, CK_OBJECT_HANDLE object);

/// Destroys a key, and before it the public half of a pair with the same label and modulus.
[[nodiscard]] Result<Step> destroy_key(TokenSlot& slot, const Session& session,
                                       const KeyObject& key);

/// Destroys every object of the token with this CKA_ID.
[[nodiscard]] Step destroy_by_id(const Session& session, std::string_view id);

/// Knows where a key's object is, and finds it again when handles have changed. Thread-safe.
class Locator {
 public:
  explicit Locator(const KeyObject& key)
      : object_class_(key.object_class), label_(key.label), identity_(identity(key)) {}

  /// Errors: not_found (gone, or another key carries the label by now), internal_error.
  [[nodiscard]] Result<Step> locate(TokenSlot& slot, const Session& session,
                                    CK_OBJECT_HANDLE& handle) const;
  /// Looks for the object anew next time: the token refused the handle, which may have come to name
  /// another object.
  void forget() const {
    const std::lock_guard lock(mutex_);
    epoch_ = 0;
  }
  [[nodiscard]] bool is_for(const KeyObject& key) const {
    return key.object_class == object_class_ && identity(key) == identity_;
  }

 private:
  /// What stays the same as long as it is the same key: the modulus, or CKA_ID.
  [[nodiscard]] static const std::vector<std::uint8_t>& identity(const KeyObject& key) noexcept {
    return key.is_rsa() ? key.n : key.id;
  }
  const CK_OBJECT_CLASS object_class_;
  const std::string label_;
  const std::vector<std::uint8_t> identity_;
  mutable std::mutex mutex_;
  mutable std::uint64_t epoch_ = 0;
  mutable CK_OBJECT_HANDLE handle_ = CK_INVALID_HANDLE;
};

}  // namespace jwekms::pkcs11

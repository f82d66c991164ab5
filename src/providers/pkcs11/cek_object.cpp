// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/cek_object.hpp"

#include "providers/pkcs11/rsa_ops.hpp"

namespace jwekms::pkcs11 {

namespace {

void describe_secret(Template& attributes, CK_KEY_TYPE type, bool on_token) noexcept {
  attributes.number(CKA_CLASS, CKO_SECRET_KEY);
  attributes.number(CKA_KEY_TYPE, type);
  attributes.flag(CKA_TOKEN, on_token);
  attributes.flag(CKA_PRIVATE, true);
  attributes.flag(CKA_SENSITIVE, true);
  attributes.flag(CKA_EXTRACTABLE, false);
}

void describe_cek(Template& attributes, bool on_token) noexcept {
  describe_secret(attributes, CKK_AES, on_token);
  attributes.flag(CKA_DECRYPT, true);
  // Encryption with a kept CEK is re-encryption under `dir`.
  attributes.flag(CKA_ENCRYPT, on_token);
  attributes.flag(CKA_WRAP, false);
  attributes.flag(CKA_UNWRAP, false);
  attributes.flag(CKA_SIGN, false);
  attributes.flag(CKA_VERIFY, false);
  attributes.flag(CKA_DERIVE, false);
}

void describe_hmac_copy(Template& attributes) noexcept {
  describe_secret(attributes, CKK_GENERIC_SECRET, false);
  attributes.flag(CKA_SIGN, true);
}

/// A session object that came out of a JWE, or else a stand-in. Destroyed at the end: for a
/// stand-in the token is asked to destroy nothing.
class CameOut {
 public:
  CameOut(const Session& session, CK_OBJECT_HANDLE object) noexcept
      : session_(session), object_(object) {}
  CameOut(const CameOut&) = delete;
  CameOut& operator=(const CameOut&) = delete;
  ~CameOut() {
    const CK_RV rv = session_.f->C_DestroyObject(session_.handle, object_);
    if (object_ != CK_INVALID_HANDLE && rv != CKR_OK) session_.spoiled = true;
  }

 private:
  const Session& session_;
  const CK_OBJECT_HANDLE object_;
};

/// Whether something is wrong that the JWE has not caused.
[[nodiscard]] bool is_at_fault(Step step) noexcept {
  const Fault fault = classify(step);
  return fault != Fault::none && fault != Fault::content;
}

/// Learns whether a key is long enough for an HMAC: SoftHSM wants as many bytes as the hash has.
[[nodiscard]] Step try_hmac(const Session& session, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE hmac,
                            bool& serves) noexcept {
  CK_MECHANISM mechanism{hmac, nullptr, 0};
  const CK_RV ready = session.f->C_SignInit(session.handle, &mechanism, key);
  unsigned char nothing = 0;
  unsigned char mac[64];
  CK_ULONG size = sizeof(mac);
  // Called in any case, so that the token sees the same calls whatever the key is.
  const CK_RV done = session.f->C_Sign(session.handle, &nothing, 1, mac, &size);
  secure_wipe(mac, sizeof(mac));
  const CK_RV rv = ready == CKR_OK ? done : ready;
  serves = rv == CKR_OK;
  // The key came out of a JWE: what the token does not like of it is no fault of the token's.
  const Step step{rv, Phase::content};
  return is_at_fault(step) ? step : Step{};
}

[[nodiscard]] Step check_by_hmac(const Session& session, const RsaCiphertext& ciphertext,
                                 std::size_t expected, bool& fits) {
  CK_OBJECT_HANDLE stand_in = CK_INVALID_HANDLE;
  const Step stands = session.copies->stand_in(session, CKK_GENERIC_SECRET, expected, stand_in);
  if (stands.rv != CKR_OK) return stands;
  Template attributes;
  describe_hmac_copy(attributes);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  const Step unwrapped =
      unwrap_object(session, ciphertext.key, ciphertext.hash, ciphertext.bytes, attributes, copy);
  if (is_at_fault(unwrapped)) return unwrapped;
  const CameOut came_out(session, copy);
  if (unwrapped.rv != CKR_OK) copy = stand_in;
  bool has_20 = false;
  bool has_32 = false;
  if (const Step step = try_hmac(session, copy, CKM_SHA_1_HMAC, has_20); step.rv != CKR_OK)
    return step;
  if (const Step step = try_hmac(session, copy, CKM_SHA256_HMAC, has_32); step.rv != CKR_OK)
    return step;
  // AES-GCM itself tells 16, 24 and 32 bytes from all others.
  fits = unwrapped.rv == CKR_OK && has_20 == (expected >= 20) && has_32 == (expected >= 32);
  return {};
}

}  // namespace

CK_RV generate_stand_in(const Session& session, CK_KEY_TYPE type, std::size_t size_in_bytes,
                        CK_OBJECT_HANDLE& key) noexcept {
  Template attributes;
  const bool is_aes = type == CKK_AES;
  is_aes ? describe_session_cek(attributes) : describe_hmac_copy(attributes);
  attributes.number(CKA_VALUE_LEN, size_in_bytes);
  CK_MECHANISM mechanism{is_aes ? CKM_AES_KEY_GEN : CKM_GENERIC_SECRET_KEY_GEN, nullptr, 0};
  return session.f->C_GenerateKey(session.handle, &mechanism, attributes.data(), attributes.size(),
                                  &key);
}

void describe_session_cek(Template& attributes) noexcept { describe_cek(attributes, false); }

void describe_token_cek(Template& attributes, std::string_view label,
                        std::string_view id) noexcept {
  describe_cek(attributes, true);
  attributes.text(CKA_LABEL, label);
  attributes.text(CKA_ID, id);
}

Step check_guarded(const Session& session, CK_OBJECT_HANDLE object, bool& guarded) noexcept {
  CK_BBOOL sensitive = CK_FALSE;
  CK_BBOOL extractable = CK_TRUE;
  CK_ATTRIBUTE attributes[] = {{CKA_SENSITIVE, &sensitive, sizeof(sensitive)},
                               {CKA_EXTRACTABLE, &extractable, sizeof(extractable)}};
  const CK_RV rv = session.f->C_GetAttributeValue(session.handle, object, attributes, 2);
  guarded = rv == CKR_OK && attributes[0].ulValueLen == sizeof(sensitive) &&
            attributes[1].ulValueLen == sizeof(extractable) && sensitive != CK_FALSE &&
            extractable == CK_FALSE;
  return {is_absence(rv) ? CKR_OK : rv};
}

Step check_cek_size(const Session& session, const RsaCiphertext& ciphertext,
                    CK_OBJECT_HANDLE object, std::size_t expected, CekSize how, bool& fits) {
  switch (how) {
    case CekSize::reported: {
      AttributeReader attributes(session, object);
      fits = attributes.number(CKA_VALUE_LEN) == expected;
      return {attributes.rv()};
    }
    case CekSize::by_hmac: return check_by_hmac(session, ciphertext, expected, fits);
  }
  return {CKR_GENERAL_ERROR};
}

Result<Step> open_in_token(const Session& session, const RsaCiphertext& ciphertext,
                           const EncRow& enc, CekSize how, GcmMessage& message) {
  if (const Result<void> decoded = message.decode(); !decoded) return decoded.error();
  CK_OBJECT_HANDLE stand_in = CK_INVALID_HANDLE;
  const Step stands = session.copies->stand_in(session, CKK_AES, enc.cek_bytes, stand_in);
  if (stands.rv != CKR_OK) return stands;
  Template attributes;
  describe_session_cek(attributes);
  CK_OBJECT_HANDLE cek = CK_INVALID_HANDLE;
  const Step unwrapped =
      unwrap_object(session, ciphertext.key, ciphertext.hash, ciphertext.bytes, attributes, cek);
  if (is_at_fault(unwrapped)) return unwrapped;
  const CameOut came_out(session, cek);
  const bool is_out = unwrapped.rv == CKR_OK;
  if (!is_out) cek = stand_in;
  bool guarded = false;
  const Step checked = check_guarded(session, cek, guarded);
  if (checked.rv != CKR_OK) return checked;
  if (!guarded)
    return Error{Errc::internal_error, 0, "the HSM did not keep an unwrapped key to itself"};
  bool fits = false;
  const Step sized = check_cek_size(session, ciphertext, cek, enc.cek_bytes, how, fits);
  if (sized.rv != CKR_OK) return sized;
  const bool is_right = is_out && fits;
  const Step opened = gcm_decrypt(session, is_right ? cek : stand_in, message, Phase::content);
  if (is_at_fault(opened)) return opened;
  if (!is_right || opened.rv != CKR_OK) return Step{CKR_ENCRYPTED_DATA_INVALID, Phase::content};
  return Step{};
}

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/cek_object.hpp"

#include "crypto/sha256_block.hpp"
#include "providers/pkcs11/rsa_ops.hpp"

namespace jwekms::pkcs11 {

namespace {

void describe_cek(Template& attributes, bool on_token) noexcept {
  attributes.number(CKA_CLASS, CKO_SECRET_KEY);
  attributes.number(CKA_KEY_TYPE, CKK_AES);
  attributes.flag(CKA_TOKEN, on_token);
  attributes.flag(CKA_PRIVATE, true);
  attributes.flag(CKA_SENSITIVE, true);
  attributes.flag(CKA_EXTRACTABLE, false);
  attributes.flag(CKA_DECRYPT, true);
  // Encryption with a kept CEK is re-encryption under `dir`.
  attributes.flag(CKA_ENCRYPT, on_token);
  attributes.flag(CKA_WRAP, false);
  attributes.flag(CKA_UNWRAP, false);
  attributes.flag(CKA_SIGN, false);
  attributes.flag(CKA_VERIFY, false);
  attributes.flag(CKA_DERIVE, false);
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

/// SHA-256 of a key's value and of what follows it.
[[nodiscard]] CK_RV digest_key(const Session& session, CK_OBJECT_HANDLE key,
                               std::span<const std::uint8_t> rest,
                               crypto::Sha256Digest& digest) noexcept {
  CK_MECHANISM mechanism{CKM_SHA256, nullptr, 0};
  CK_RV rv = session.f->C_DigestInit(session.handle, &mechanism);
  if (rv == CKR_OK) rv = session.f->C_DigestKey(session.handle, key);
  if (rv == CKR_OK && !rest.empty())
    rv = session.f->C_DigestUpdate(session.handle, const_cast<unsigned char*>(rest.data()),
                                   rest.size());
  CK_ULONG size = digest.size();
  if (rv == CKR_OK) rv = session.f->C_DigestFinal(session.handle, digest.data(), &size);
  if (rv != CKR_OK) session.spoiled = true;  // the digest may still be open
  return rv == CKR_OK && size != digest.size() ? CKR_FUNCTION_FAILED : rv;
}

/// The digests are wiped: they tell nobody the CEK, but whether a guess of it is right.
[[nodiscard]] Step check_by_digest(const Session& session, CK_OBJECT_HANDLE object,
                                   std::size_t expected, bool& fits) noexcept {
  crypto::Sha256Digest alone{};
  crypto::Sha256Digest padded{};
  CK_RV rv = digest_key(session, object, {}, alone);
  if (rv == CKR_OK)
    rv = digest_key(session, object, crypto::Sha256Padding(expected).bytes(), padded);
  fits = rv == CKR_OK && crypto::sha256_with_padding(alone) == padded;
  secure_wipe(alone.data(), alone.size());
  secure_wipe(padded.data(), padded.size());
  return {rv};  // of the token's making: a key of any size has a digest
}

}  // namespace

CK_RV generate_stand_in(const Session& session, std::size_t size_in_bytes,
                        CK_OBJECT_HANDLE& key) noexcept {
  Template attributes;
  describe_session_cek(attributes);
  attributes.number(CKA_VALUE_LEN, size_in_bytes);
  CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
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

Step check_cek_size(const Session& session, CK_OBJECT_HANDLE object, std::size_t expected,
                    CekSize how, bool& fits) {
  switch (how) {
    case CekSize::reported: {
      AttributeReader attributes(session, object);
      fits = attributes.number(CKA_VALUE_LEN) == expected;
      return {attributes.rv()};
    }
    case CekSize::by_digest: return check_by_digest(session, object, expected, fits);
  }
  return {CKR_GENERAL_ERROR};
}

Result<Step> open_in_token(const Session& session, const RsaCiphertext& ciphertext,
                           const EncRow& enc, CekSize how, GcmMessage& message) {
  if (const Result<void> decoded = message.decode(); !decoded) return decoded.error();
  CK_OBJECT_HANDLE stand_in = CK_INVALID_HANDLE;
  const Step stands = session.copies->stand_in(session, enc.cek_bytes, stand_in);
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
  const Step sized = check_cek_size(session, cek, enc.cek_bytes, how, fits);
  if (sized.rv != CKR_OK) return sized;
  const bool is_right = is_out && fits;
  const Step opened = gcm_decrypt(session, is_right ? cek : stand_in, message, Phase::content);
  if (is_at_fault(opened)) return opened;
  if (!is_right || opened.rv != CKR_OK) return Step{CKR_ENCRYPTED_DATA_INVALID, Phase::content};
  return Step{};
}

}  // namespace jwekms::pkcs11

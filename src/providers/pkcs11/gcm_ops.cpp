// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/gcm_ops.hpp"

#include <algorithm>

#include "jwekms/base64url.hpp"

namespace jwekms::pkcs11 {

namespace {

/// CKM_AES_GCM. Tokens accept short tags and odd IVs if asked, so they are never asked.
struct GcmMechanism {
  CK_GCM_PARAMS params;
  CK_MECHANISM mechanism;
  GcmMechanism(std::span<const std::uint8_t> iv, std::string_view aad) noexcept
      : params{const_cast<unsigned char*>(iv.data()),
               iv.size(),
               iv.size() * 8,
               reinterpret_cast<unsigned char*>(const_cast<char*>(aad.data())),
               aad.size(),
               gcm_tag_size * 8},
        mechanism{CKM_AES_GCM, &params, sizeof(params)} {}
  GcmMechanism(const GcmMechanism&) = delete;
  GcmMechanism& operator=(const GcmMechanism&) = delete;
};

}  // namespace

std::string join(const Aad& aad) {
  std::string joined(aad.protected_b64);
  if (aad.aad_b64) {
    joined += '.';
    joined += *aad.aad_b64;
  }
  return joined;
}

Result<GcmMessage> GcmMessage::read(const SealedContent& sealed) {
  GcmMessage message{sealed.iv.bytes, join(sealed.aad), {}};
  const std::size_t size = base64url::decoded_size(sealed.ciphertext_b64.size());
  message.ciphertext_and_tag.resize(size + gcm_tag_size);
  if (!base64url::decode(sealed.ciphertext_b64, message.ciphertext_and_tag.data()))
    return Error{Errc::bad_request, 0, "the ciphertext is not base64url"};
  std::ranges::copy(sealed.tag.bytes.first(gcm_tag_size),
                    message.ciphertext_and_tag.begin() + static_cast<std::ptrdiff_t>(size));
  return message;
}

Step gcm_decrypt(const Session& session, CK_OBJECT_HANDLE key, const GcmMessage& message,
                 std::span<std::uint8_t> plaintext, std::size_t& written, Phase phase) noexcept {
  GcmMechanism gcm(message.iv, message.aad);
  const CK_RV ready = session.f->C_DecryptInit(session.handle, &gcm.mechanism, key);
  if (ready != CKR_OK) return {ready, phase};
  CK_ULONG size = plaintext.size();
  const CK_RV rv = session.f->C_Decrypt(
      session.handle, const_cast<unsigned char*>(message.ciphertext_and_tag.data()),
      message.ciphertext_and_tag.size(), plaintext.data(), &size);
  written = size;
  if (rv == CKR_OK && size != message.plaintext_size()) return {CKR_GENERAL_ERROR, Phase::content};
  return {rv, Phase::content};
}

Step gcm_encrypt(const Session& session, CK_OBJECT_HANDLE key, std::span<const std::uint8_t> iv,
                 std::string_view aad, std::span<const std::uint8_t> plaintext,
                 std::span<std::uint8_t> sealed) noexcept {
  GcmMechanism gcm(iv, aad);
  const CK_RV ready = session.f->C_EncryptInit(session.handle, &gcm.mechanism, key);
  if (ready != CKR_OK) return {ready, Phase::setup};
  unsigned char nothing = 0;
  unsigned char* in = plaintext.empty() ? &nothing : const_cast<unsigned char*>(plaintext.data());
  CK_ULONG size = sealed.size();
  const CK_RV rv = session.f->C_Encrypt(session.handle, in, plaintext.size(), sealed.data(), &size);
  if (rv == CKR_OK && size != sealed.size()) return {CKR_FUNCTION_FAILED, Phase::setup};
  return {rv, Phase::setup};
}

}  // namespace jwekms::pkcs11

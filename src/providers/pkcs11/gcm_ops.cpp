// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/gcm_ops.hpp"

#include <algorithm>

#include "crypto/base64url_vector.hpp"

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

GcmMessage::GcmMessage(const SealedContent& sealed, ScratchPool& pool)
    : sealed_(sealed), pool_(pool) {
  if (sealed.aad.aad_b64) joined_ = join(sealed.aad);
  const std::size_t size = base64url::decoded_size(sealed.ciphertext_b64.size()) + gcm_tag_size;
  buffer_ = small_;
  if (size > small_.size()) {
    large_ = pool.take(size);
    buffer_ = large_.bytes(InsecureSecretAccess::token());
  }
  buffer_ = buffer_.first(size);
}

Result<void> GcmMessage::decode() noexcept {
  if (!crypto::decode_base64url(sealed_.ciphertext_b64, buffer_.data()))
    return Error{Errc::bad_request, 0, "the ciphertext is not base64url"};
  std::ranges::copy(sealed_.tag.bytes.first(gcm_tag_size), buffer_.last(gcm_tag_size).begin());
  return {};
}

void GcmMessage::copy_plaintext(std::span<std::uint8_t> out) const noexcept {
  std::copy_n(buffer_.begin(), plaintext_size(), out.begin());
}

Step gcm_decrypt(const Session& session, CK_OBJECT_HANDLE key, std::span<const std::uint8_t> iv,
                 std::string_view aad, std::span<std::uint8_t> buffer, Phase phase) noexcept {
  GcmMechanism gcm(iv, aad);
  const CK_RV ready = session.f->C_DecryptInit(session.handle, &gcm.mechanism, key);
  // What came out of a JWE may be no key for AES: the token sees both calls all the same.
  if (ready != CKR_OK && phase != Phase::content) return {ready, phase};
  CK_ULONG size = buffer.size();
  const CK_RV rv =
      session.f->C_Decrypt(session.handle, buffer.data(), buffer.size(), buffer.data(), &size);
  if (rv == CKR_OK && size != buffer.size() - gcm_tag_size)
    return {CKR_GENERAL_ERROR, Phase::content};
  return {ready != CKR_OK ? ready : rv, Phase::content};
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

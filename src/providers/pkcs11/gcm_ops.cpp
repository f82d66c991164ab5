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

GcmMessage::GcmMessage(const SealedContent& sealed, std::span<std::uint8_t> out, ScratchPool& pool)
    : sealed_(sealed), pool_(pool), out_(out) {
  if (sealed.aad.aad_b64) joined_ = join(sealed.aad);
  const std::size_t size = base64url::decoded_size(sealed.ciphertext_b64.size()) + gcm_tag_size;
  sealed_bytes_ = small_;
  if (size > small_.size()) {
    large_ = pool.take(size);
    sealed_bytes_ = large_.bytes(InsecureSecretAccess::token());
  }
  sealed_bytes_ = sealed_bytes_.first(size);
}

Result<void> GcmMessage::decode() noexcept {
  if (!crypto::decode_base64url(sealed_.ciphertext_b64, sealed_bytes_.data()))
    return Error{Errc::bad_request, 0, "the ciphertext is not base64url"};
  std::ranges::copy(sealed_.tag.bytes.first(gcm_tag_size),
                    sealed_bytes_.last(gcm_tag_size).begin());
  return {};
}

std::size_t GcmMessage::deliver() noexcept {
  delivered_ = true;
  if (in_place()) std::copy_n(sealed_bytes_.begin(), plaintext_size(), out_.begin());
  return plaintext_size();
}

Step gcm_decrypt(const Session& session, CK_OBJECT_HANDLE key, std::span<const std::uint8_t> iv,
                 std::string_view aad, std::span<const std::uint8_t> sealed,
                 std::span<std::uint8_t> opened, Phase phase) noexcept {
  GcmMechanism gcm(iv, aad);
  const CK_RV ready = session.f->C_DecryptInit(session.handle, &gcm.mechanism, key);
  // What came out of a JWE may be no key for AES: the token sees both calls all the same.
  if (ready != CKR_OK && phase != Phase::content) return {ready, phase};
  CK_ULONG size = opened.size();
  const CK_RV rv = session.f->C_Decrypt(session.handle, const_cast<std::uint8_t*>(sealed.data()),
                                        sealed.size(), opened.data(), &size);
  if (rv == CKR_OK && size != sealed.size() - gcm_tag_size)
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

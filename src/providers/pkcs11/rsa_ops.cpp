// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/rsa_ops.hpp"

#include <algorithm>
#include <array>

namespace jwekms::pkcs11 {

namespace {

struct HashNames {
  CK_MECHANISM_TYPE digest;
  CK_RSA_PKCS_MGF_TYPE mgf;
};

[[nodiscard]] HashNames names_of(Hash hash) noexcept {
  switch (hash) {
    case Hash::none:
    case Hash::sha1: return {CKM_SHA_1, CKG_MGF1_SHA1};
    case Hash::sha256: return {CKM_SHA256, CKG_MGF1_SHA256};
    case Hash::sha384: return {CKM_SHA384, CKG_MGF1_SHA384};
    case Hash::sha512: return {CKM_SHA512, CKG_MGF1_SHA512};
  }
  return {CKM_SHA_1, CKG_MGF1_SHA1};
}

[[nodiscard]] unsigned char* input(std::span<const std::uint8_t> bytes) noexcept {
  return const_cast<unsigned char*>(bytes.data());
}

}  // namespace

OaepMechanism::OaepMechanism(Hash hash) noexcept
    : params_{names_of(hash).digest, names_of(hash).mgf, CKZ_DATA_SPECIFIED, nullptr, 0},
      mechanism_{CKM_RSA_PKCS_OAEP, &params_, sizeof(params_)} {}

Step decrypt_oaep(const Session& session, CK_OBJECT_HANDLE key, Hash hash,
                  std::span<const std::uint8_t> ciphertext, crypto::OaepOpened& opened) noexcept {
  opened.wipe();
  OaepMechanism mechanism(hash);
  const CK_RV ready = session.f->C_DecryptInit(session.handle, mechanism.get(), key);
  if (ready != CKR_OK) return {ready, Phase::setup};
  // Room for a whole modulus: an operation stays active after CKR_BUFFER_TOO_SMALL.
  CK_ULONG size = ciphertext.size();
  opened.used = ciphertext.size();
  const CK_RV rv = session.f->C_Decrypt(session.handle, input(ciphertext), ciphertext.size(),
                                        opened.bytes.data(), &size);
  opened.size = static_cast<std::uint32_t>(size);
  opened.good = crypto::equal_mask(rv, CKR_OK);
  return {rv, Phase::cek};
}

Step decrypt_raw(const Session& session, const crypto::Library& library, CK_OBJECT_HANDLE key,
                 Hash hash, std::span<const std::uint8_t> ciphertext,
                 crypto::OaepOpened& opened) noexcept {
  opened.wipe();
  CK_MECHANISM mechanism{CKM_RSA_X_509, nullptr, 0};
  const CK_RV ready = session.f->C_DecryptInit(session.handle, &mechanism, key);
  if (ready != CKR_OK) return {ready, Phase::setup};
  std::array<std::uint8_t, crypto::rsa_max_bits / 8> room;
  const std::span<std::uint8_t> em = std::span(room).first(ciphertext.size());
  CK_ULONG size = em.size();
  const CK_RV rv =
      session.f->C_Decrypt(session.handle, input(ciphertext), ciphertext.size(), em.data(), &size);
  // The bare operation succeeds whatever the padding: a failure here tells nothing of it.
  if (rv != CKR_OK || size > em.size()) {
    secure_wipe(em.data(), em.size());
    return {rv == CKR_OK ? CKR_GENERAL_ERROR : rv, Phase::cek};
  }
  crypto::align_right(em, size);
  crypto::oaep_unpad(library, hash, em, opened);
  return {CKR_OK, Phase::cek};
}

Step unwrap_object(const Session& session, CK_OBJECT_HANDLE key, Hash hash,
                   std::span<const std::uint8_t> ciphertext, Template& attributes,
                   CK_OBJECT_HANDLE& cek) noexcept {
  OaepMechanism mechanism(hash);
  cek = CK_INVALID_HANDLE;
  const CK_RV rv =
      session.f->C_UnwrapKey(session.handle, mechanism.get(), key, input(ciphertext),
                             ciphertext.size(), attributes.data(), attributes.size(), &cek);
  if (rv != CKR_OK) cek = CK_INVALID_HANDLE;
  return {rv, Phase::content};
}

}  // namespace jwekms::pkcs11

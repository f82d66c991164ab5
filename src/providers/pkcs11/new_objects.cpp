// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/new_objects.hpp"

#include "providers/pkcs11/cek_object.hpp"

namespace jwekms::pkcs11 {

namespace {
constexpr Error not_kept{Errc::internal_error, 0,
                         "the HSM did not make the key as it was asked to"};
}

Result<Step> generate_rsa(TokenSlot& slot, const Session& session, const std::string& label,
                          const std::string& id, std::uint32_t bits, CekBoundary boundary) {
  const Result<Step> label_free = check_label_free(slot, session, label);
  if (!label_free || label_free->rv != CKR_OK) return label_free;
  constexpr std::uint8_t exponent[] = {1, 0, 1};
  Template public_half;
  public_half.flag(CKA_TOKEN, true);
  public_half.flag(CKA_PRIVATE, false);
  public_half.text(CKA_LABEL, label);
  public_half.text(CKA_ID, id);
  public_half.number(CKA_MODULUS_BITS, bits);
  public_half.bytes(CKA_PUBLIC_EXPONENT, exponent);
  public_half.flag(CKA_ENCRYPT, true);
  public_half.flag(CKA_WRAP, true);
  public_half.flag(CKA_VERIFY, false);
  Template private_half;
  private_half.flag(CKA_TOKEN, true);
  private_half.flag(CKA_PRIVATE, true);
  private_half.text(CKA_LABEL, label);
  private_half.text(CKA_ID, id);
  private_half.flag(CKA_SENSITIVE, true);
  private_half.flag(CKA_EXTRACTABLE, false);
  private_half.flag(CKA_DECRYPT, boundary == CekBoundary::process);
  private_half.flag(CKA_UNWRAP, true);
  private_half.flag(CKA_SIGN, false);
  CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  const CK_RV rv = session.f->C_GenerateKeyPair(session.handle, &mechanism, public_half.data(),
                                                public_half.size(), private_half.data(),
                                                private_half.size(), &public_key, &private_key);
  if (rv != CKR_OK) return Step{rv};
  ObjectGuard private_guard(session, private_key);
  ObjectGuard public_guard(session, public_key);
  if (!is_guarded(session, private_key)) return not_kept;
  const KeyObject made = read_key_object(session, private_key);
  const bool as_asked = made.is_rsa() && made.may_unwrap && !made.may_sign &&
                        made.may_decrypt == (boundary == CekBoundary::process);
  if (!as_asked) return not_kept;
  private_guard.keep();
  public_guard.keep();
  return Step{};
}

Result<Step> generate_aes(TokenSlot& slot, const Session& session, const std::string& label,
                          const std::string& id, std::size_t size_in_bytes) {
  const Result<Step> label_free = check_label_free(slot, session, label);
  if (!label_free || label_free->rv != CKR_OK) return label_free;
  Template attributes;
  describe_token_cek(attributes, label, id);
  attributes.number(CKA_VALUE_LEN, size_in_bytes);
  CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  const CK_RV rv = session.f->C_GenerateKey(session.handle, &mechanism, attributes.data(),
                                            attributes.size(), &key);
  if (rv != CKR_OK) return Step{rv};
  ObjectGuard guard(session, key);
  if (!is_guarded(session, key)) return not_kept;
  guard.keep();
  return Step{};
}

}  // namespace jwekms::pkcs11

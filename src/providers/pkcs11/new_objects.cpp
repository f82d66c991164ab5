// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/new_objects.hpp"

#include <algorithm>

#include "providers/pkcs11/cek_object.hpp"

namespace jwekms::pkcs11 {

namespace {
constexpr Error not_kept{Errc::internal_error, 0,
                         "the HSM did not make the key as it was asked to"};
}

Result<Outcome> run_making(TokenSlot& slot, const std::string& id,
                           const TokenSlot::Operation& make) {
  const std::unique_lock<Gate> turn = slot.turn();
  if (!turn) return TokenSlot::busy;
  bool leftovers = false;
  const auto clean_up = [&](const Session& session) -> Result<Step> {
    const Step step = leftovers ? destroy_by_id(session, id) : Step{};
    leftovers = step.rv != CKR_OK;
    return step;
  };
  const Result<Outcome> outcome = slot.run([&](const Session& session) -> Result<Step> {
    const Result<Step> clean = clean_up(session);
    if (clean->rv != CKR_OK) return clean;
    const Result<Step> made = make(session);
    leftovers = made ? made->rv != CKR_OK : session.spoiled;
    return made;
  });
  if (leftovers) (void)slot.run(clean_up);
  return outcome;
}

Result<Step> check_made(const Session& session, CK_OBJECT_HANDLE object, const std::string& label,
                        const std::string& id, KeyObject& made) {
  bool guarded = false;
  const Step checked = check_guarded(session, object, guarded);
  if (checked.rv != CKR_OK) return checked;
  const Step read = read_key_object(session, object, made);
  if (read.rv != CKR_OK) return read;
  AttributeReader attributes(session, object);
  const bool stays = attributes.flag(CKA_TOKEN).value_or(false);
  const bool is_private = attributes.flag(CKA_PRIVATE).value_or(false);
  bool serves = true;
  if (made.is_aes())
    serves = made.may_encrypt && made.may_decrypt && !made.may_unwrap &&
             !attributes.flag(CKA_WRAP).value_or(false) &&
             !attributes.flag(CKA_DERIVE).value_or(false);
  if (attributes.rv() != CKR_OK) return Step{attributes.rv()};
  const bool is_named = made.label == label && std::ranges::equal(made.id, id);
  if (!guarded || !stays || !is_private || !serves || !is_named) return not_kept;
  return check_label_unique(session, label);
}

namespace {

/// @param bound  with what not every token knows: that it does not recover signed data, which is
/// the bare private operation too, and that nothing unwrapped with a boundary's key is to be had.
[[nodiscard]] CK_RV generate_pair(const Session& session, const std::string& label,
                                  const std::string& id, std::uint32_t bits, CekBoundary boundary,
                                  bool bound, CK_OBJECT_HANDLE& public_key,
                                  CK_OBJECT_HANDLE& private_key) {
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
  CK_BBOOL yes = CK_TRUE;
  CK_BBOOL no = CK_FALSE;
  const CK_ATTRIBUTE unwrapped[] = {{CKA_SENSITIVE, &yes, sizeof(yes)},
                                    {CKA_EXTRACTABLE, &no, sizeof(no)}};
  if (bound) private_half.flag(CKA_SIGN_RECOVER, false);
  if (bound && boundary == CekBoundary::hsm)
    private_half.bytes(CKA_UNWRAP_TEMPLATE,
                       {reinterpret_cast<const std::uint8_t*>(unwrapped), sizeof(unwrapped)});
  CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  const auto alone = hold(session.making);
  return session.f->C_GenerateKeyPair(session.handle, &mechanism, public_half.data(),
                                      public_half.size(), private_half.data(), private_half.size(),
                                      &public_key, &private_key);
}

}  // namespace

Result<Step> generate_rsa(TokenSlot& slot, const Session& session, const std::string& label,
                          const std::string& id, std::uint32_t bits, CekBoundary boundary,
                          KeyObject& made) {
  const Result<Step> label_free = check_label_free(slot, session, label);
  if (!label_free || label_free->rv != CKR_OK) return label_free;
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  CK_RV rv = generate_pair(session, label, id, bits, boundary, true, public_key, private_key);
  if (is_inability(rv))
    rv = generate_pair(session, label, id, bits, boundary, false, public_key, private_key);
  if (rv != CKR_OK) return Step{rv};
  ObjectGuard private_guard(session, private_key, session.making);
  ObjectGuard public_guard(session, public_key, session.making);
  const Result<Step> checked = check_made(session, private_key, label, id, made);
  if (!checked || checked->rv != CKR_OK) return checked;
  const bool as_asked = made.is_rsa() && made.may_unwrap && !made.may_sign &&
                        made.may_decrypt == (boundary == CekBoundary::process);
  if (!as_asked) return not_kept;
  private_guard.keep();
  public_guard.keep();
  return Step{};
}

Result<Step> generate_aes(TokenSlot& slot, const Session& session, const std::string& label,
                          const std::string& id, std::size_t size_in_bytes, KeyObject& made) {
  const Result<Step> label_free = check_label_free(slot, session, label);
  if (!label_free || label_free->rv != CKR_OK) return label_free;
  Template attributes;
  describe_token_cek(attributes, label, id);
  attributes.number(CKA_VALUE_LEN, size_in_bytes);
  CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  CK_RV rv = CKR_OK;
  {
    const auto alone = hold(session.making);
    rv = session.f->C_GenerateKey(session.handle, &mechanism, attributes.data(), attributes.size(),
                                  &key);
  }
  if (rv != CKR_OK) return Step{rv};
  ObjectGuard guard(session, key, session.making);
  const Result<Step> checked = check_made(session, key, label, id, made);
  if (!checked || checked->rv != CKR_OK) return checked;
  if (!made.is_aes() || made.value_bytes != size_in_bytes) return not_kept;
  guard.keep();
  return Step{};
}

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/trials.hpp"

#include <algorithm>

#include "crypto/rsa_public_key.hpp"
#include "providers/pkcs11/cek_object.hpp"
#include "providers/pkcs11/rsa_ops.hpp"

namespace jwekms::pkcs11 {

namespace {

constexpr Hash trial_hash = Hash::sha1;  ///< What every token has for OAEP.

/// A pair of session objects.
struct Pair {
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
};

/// @param private_half  what is asked for beside UNWRAP.
[[nodiscard]] CK_RV generate_pair(const Session& session, Template& private_half, Pair& pair) {
  constexpr std::uint8_t exponent[] = {1, 0, 1};
  Template public_half;
  public_half.flag(CKA_TOKEN, false);
  public_half.number(CKA_MODULUS_BITS, 2048);
  public_half.bytes(CKA_PUBLIC_EXPONENT, exponent);
  public_half.flag(CKA_WRAP, true);
  private_half.flag(CKA_TOKEN, false);
  private_half.flag(CKA_PRIVATE, true);
  private_half.flag(CKA_SENSITIVE, true);
  private_half.flag(CKA_EXTRACTABLE, false);
  private_half.flag(CKA_UNWRAP, true);
  CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  return session.f->C_GenerateKeyPair(session.handle, &mechanism, public_half.data(),
                                      public_half.size(), private_half.data(), private_half.size(),
                                      &pair.public_key, &pair.private_key);
}

/// An AES-256 key as a session object, sensitive.
[[nodiscard]] CK_RV generate_key(const Session& session, bool extractable, bool wraps,
                                 CK_OBJECT_HANDLE& key) {
  Template attributes;
  attributes.flag(CKA_TOKEN, false);
  attributes.flag(CKA_PRIVATE, true);
  attributes.flag(CKA_SENSITIVE, true);
  attributes.flag(CKA_EXTRACTABLE, extractable);
  attributes.flag(CKA_WRAP, wraps);
  attributes.flag(CKA_UNWRAP, wraps);
  attributes.number(CKA_VALUE_LEN, 32);
  CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
  return session.f->C_GenerateKey(session.handle, &mechanism, attributes.data(), attributes.size(),
                                  &key);
}

/// Unwraps a CEK of ours with a private key of the token.
[[nodiscard]] Result<Step> unwrap(const std::shared_ptr<const crypto::Library>& library,
                                  const Session& session, const Pair& pair, Template& attributes,
                                  CK_OBJECT_HANDLE& cek) {
  const std::vector<std::uint8_t> n = read_bytes(session, pair.public_key, CKA_MODULUS);
  const std::vector<std::uint8_t> e = read_bytes(session, pair.public_key, CKA_PUBLIC_EXPONENT);
  const auto public_key = crypto::RsaPublicKey::from_numbers(library, n, e);
  if (!public_key) return public_key.error();
  Cek drawn;
  const auto access = InsecureSecretAccess::token();
  if (const Result<void> r = library->random(drawn.fill(32, access)); !r) return r.error();
  const auto wrapped = (*public_key)->wrap(row(Alg::RSA_OAEP), drawn);
  if (!wrapped) return wrapped.error();
  Step step = unwrap_object(session, pair.private_key, trial_hash, *wrapped, attributes, cek);
  step.phase = Phase::setup;  // the ciphertext is ours
  return step;
}

constexpr std::uint8_t text[] = {'j', 'w', 'e', 'k', 'm', 's'};
constexpr std::string_view aad = "aad";

[[nodiscard]] Result<Step> seal(const crypto::Library& library, const Session& session,
                                CK_OBJECT_HANDLE key, std::array<std::uint8_t, 12>& iv,
                                GcmMessage& message) {
  if (const Result<void> drawn = library.random(iv); !drawn) return drawn.error();
  message = {iv, std::string(aad), std::vector<std::uint8_t>(sizeof(text) + gcm_tag_size)};
  return gcm_encrypt(session, key, iv, message.aad, text, message.ciphertext_and_tag);
}

}  // namespace

Result<Step> try_gcm_encrypt(const crypto::Library& library, const Session& session,
                             CK_OBJECT_HANDLE key, Progress& progress) {
  progress = {"C_Encrypt, CKM_AES_GCM"};
  std::array<std::uint8_t, 12> iv{};
  GcmMessage message;
  return seal(library, session, key, iv, message);
}

Result<Step> try_gcm_decrypt(const crypto::Library& library, const Session& session,
                             CK_OBJECT_HANDLE key, Progress& progress) {
  progress = {"C_Decrypt, CKM_AES_GCM"};
  std::array<std::uint8_t, 12> iv{};
  GcmMessage message;
  Result<Step> sealed = seal(library, session, key, iv, message);
  if (!sealed || sealed->rv != CKR_OK) return sealed;
  std::array<std::uint8_t, sizeof(text) + gcm_tag_size> out{};
  std::size_t size = 0;
  Step opened = gcm_decrypt(session, key, message, out, size, Phase::setup);
  opened.phase = Phase::setup;  // the content is ours
  if (opened.rv != CKR_OK) return opened;
  progress.wrong = !std::equal(std::begin(text), std::end(text), out.begin());
  message.ciphertext_and_tag.back() ^= 1;
  const Step tampered = gcm_decrypt(session, key, message, out, size, Phase::setup);
  if (classify(tampered) != Fault::content && tampered.rv != CKR_OK) return tampered;
  progress.wrong |= tampered.rv == CKR_OK;
  return Step{};
}

Result<Step> try_key_wrap(const Session& session, Progress& progress) {
  CK_MECHANISM mechanism{CKM_AES_KEY_WRAP, nullptr, 0};
  progress = {"C_GenerateKey"};
  CK_OBJECT_HANDLE wrapping = CK_INVALID_HANDLE;
  if (const CK_RV rv = generate_key(session, false, true, wrapping); rv != CKR_OK) return Step{rv};
  const ObjectGuard wrapping_guard(session, wrapping);
  CK_OBJECT_HANDLE payload = CK_INVALID_HANDLE;
  if (const CK_RV rv = generate_key(session, true, false, payload); rv != CKR_OK) return Step{rv};
  const ObjectGuard payload_guard(session, payload);
  progress = {"C_WrapKey, CKM_AES_KEY_WRAP"};
  std::array<std::uint8_t, 64> wrapped{};
  CK_ULONG size = wrapped.size();
  CK_RV rv =
      session.f->C_WrapKey(session.handle, &mechanism, wrapping, payload, wrapped.data(), &size);
  if (rv != CKR_OK) return Step{rv};
  if (size != 40) progress.wrong = true;
  progress.at = "C_UnwrapKey, CKM_AES_KEY_WRAP";
  Template attributes;
  describe_session_cek(attributes);
  CK_OBJECT_HANDLE again = CK_INVALID_HANDLE;
  rv = session.f->C_UnwrapKey(session.handle, &mechanism, wrapping, wrapped.data(), size,
                              attributes.data(), attributes.size(), &again);
  if (rv != CKR_OK) return Step{rv};
  const ObjectGuard again_guard(session, again);
  return Step{};
}

Result<Step> try_sign_default(const Session& session, Progress& progress) {
  progress = {"C_GenerateKeyPair"};
  Template nothing_more;
  Pair pair;
  if (const CK_RV rv = generate_pair(session, nothing_more, pair); rv != CKR_OK) return Step{rv};
  const ObjectGuard private_guard(session, pair.private_key);
  const ObjectGuard public_guard(session, pair.public_key);
  progress = {"CKA_SIGN is true by default",
              read_flag(session, pair.private_key, CKA_SIGN).value_or(true)};
  return Step{};
}

Result<Step> try_unwrapped_attributes(const std::shared_ptr<const crypto::Library>& library,
                                      const Session& session, Progress& progress) {
  progress = {"C_GenerateKeyPair"};
  Template nothing_more;
  Pair pair;
  if (const CK_RV rv = generate_pair(session, nothing_more, pair); rv != CKR_OK) return Step{rv};
  const ObjectGuard private_guard(session, pair.private_key);
  const ObjectGuard public_guard(session, pair.public_key);
  progress = {"C_UnwrapKey"};
  Template attributes;
  describe_session_cek(attributes);
  CK_OBJECT_HANDLE cek = CK_INVALID_HANDLE;
  Result<Step> step = unwrap(library, session, pair, attributes, cek);
  if (!step || step->rv != CKR_OK) return step;
  const ObjectGuard cek_guard(session, cek);
  progress = {"CKA_SENSITIVE, CKA_EXTRACTABLE ignored by C_UnwrapKey", !is_guarded(session, cek)};
  return Step{};
}

Result<Step> try_unwrap_template(const std::shared_ptr<const crypto::Library>& library,
                                 const Session& session, Progress& progress) {
  progress = {"C_GenerateKeyPair with CKA_UNWRAP_TEMPLATE"};
  CK_BBOOL no = CK_FALSE;
  const CK_ATTRIBUTE forbidden[] = {{CKA_EXTRACTABLE, &no, sizeof(no)}};
  Template private_half;
  private_half.bytes(CKA_UNWRAP_TEMPLATE,
                     {reinterpret_cast<const std::uint8_t*>(forbidden), sizeof(forbidden)});
  Pair pair;
  if (const CK_RV rv = generate_pair(session, private_half, pair); rv != CKR_OK) return Step{rv};
  const ObjectGuard private_guard(session, pair.private_key);
  const ObjectGuard public_guard(session, pair.public_key);
  Template attributes;
  attributes.number(CKA_CLASS, CKO_SECRET_KEY);
  attributes.number(CKA_KEY_TYPE, CKK_AES);
  attributes.flag(CKA_TOKEN, false);
  attributes.flag(CKA_EXTRACTABLE, true);
  CK_OBJECT_HANDLE cek = CK_INVALID_HANDLE;
  Result<Step> step = unwrap(library, session, pair, attributes, cek);
  if (!step) return step;
  if (step->rv != CKR_OK) {
    // A refusal is what was wanted; anything else is the token's or the session's state.
    const Fault fault = classify(*step);
    return fault == Fault::refused ? Step{} : *step;
  }
  const ObjectGuard cek_guard(session, cek);
  progress = {"CKA_UNWRAP_TEMPLATE ignored by C_UnwrapKey",
              read_flag(session, cek, CKA_EXTRACTABLE).value_or(true)};
  return Step{};
}

Result<Step> try_wrap_out(const Session& session, Progress& progress) {
  progress = {"C_GenerateKeyPair"};
  Template nothing_more;
  Pair pair;
  if (const CK_RV rv = generate_pair(session, nothing_more, pair); rv != CKR_OK) return Step{rv};
  const ObjectGuard private_guard(session, pair.private_key);
  const ObjectGuard public_guard(session, pair.public_key);
  progress = {"C_GenerateKey"};
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  if (const CK_RV rv = generate_key(session, false, false, key); rv != CKR_OK) return Step{rv};
  const ObjectGuard key_guard(session, key);
  OaepMechanism mechanism(trial_hash);
  std::array<std::uint8_t, 256> wrapped{};
  CK_ULONG size = wrapped.size();
  const CK_RV rv = session.f->C_WrapKey(session.handle, mechanism.get(), pair.public_key, key,
                                        wrapped.data(), &size);
  progress = {"C_WrapKey wraps a key whose CKA_EXTRACTABLE is false", rv == CKR_OK};
  const Fault fault = classify({rv});
  return fault == Fault::refused || fault == Fault::suspect ? Step{} : Step{rv};
}

}  // namespace jwekms::pkcs11

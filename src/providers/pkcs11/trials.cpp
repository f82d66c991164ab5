// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/trials.hpp"

#include <algorithm>

#include "crypto/rsa_public_key.hpp"
#include "providers/pkcs11/cek_object.hpp"
#include "providers/pkcs11/kek_object.hpp"
#include "providers/pkcs11/rsa_ops.hpp"

namespace jwekms::pkcs11 {

namespace {

constexpr Hash trial_hash = Hash::sha1;  ///< What every token has for OAEP.

/// A pair of session objects, destroyed in the end.
struct Pair {
  explicit Pair(const Session& s) noexcept : session(s) {}
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    const ObjectGuard private_guard(session, private_key), public_guard(session, public_key);
  }

  /// @param private_half  what is asked for beside UNWRAP.
  [[nodiscard]] CK_RV generate(Template& private_half);
  [[nodiscard]] CK_RV generate() {
    Template nothing_more;
    return generate(nothing_more);
  }

  const Session& session;
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
};

CK_RV Pair::generate(Template& private_half) {
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
                                      &public_key, &private_key);
}

/// An AES-256 key as a session object, sensitive and not extractable.
[[nodiscard]] CK_RV generate_key(const Session& session, bool wraps, CK_OBJECT_HANDLE& key) {
  Template attributes;
  attributes.flag(CKA_TOKEN, false);
  attributes.flag(CKA_PRIVATE, true);
  attributes.flag(CKA_SENSITIVE, true);
  attributes.flag(CKA_EXTRACTABLE, false);
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
  AttributeReader half(session, pair.public_key);
  const std::vector<std::uint8_t> n = half.bytes(CKA_MODULUS);
  const std::vector<std::uint8_t> e = half.bytes(CKA_PUBLIC_EXPONENT);
  if (half.rv() != CKR_OK) return Step{half.rv()};
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

struct Sealed {
  std::array<std::uint8_t, 12> iv{};
  std::array<std::uint8_t, sizeof(text) + gcm_tag_size> bytes{};
};

[[nodiscard]] Result<Step> seal(const crypto::Library& library, const Session& session,
                                CK_OBJECT_HANDLE key, Sealed& sealed) {
  if (const Result<void> drawn = library.random(sealed.iv); !drawn) return drawn.error();
  return gcm_encrypt(session, key, sealed.iv, aad, text, sealed.bytes);
}

}  // namespace

Result<Step> try_gcm_encrypt(const crypto::Library& library, const Session& session,
                             CK_OBJECT_HANDLE key, Progress& progress) {
  progress = {"C_Encrypt, CKM_AES_GCM"};
  Sealed sealed;
  return seal(library, session, key, sealed);
}

Result<Step> try_gcm_decrypt(const crypto::Library& library, const Session& session,
                             CK_OBJECT_HANDLE key, Progress& progress) {
  progress = {"C_Decrypt, CKM_AES_GCM"};
  Sealed sealed;
  Result<Step> encrypted = seal(library, session, key, sealed);
  if (!encrypted || encrypted->rv != CKR_OK) return encrypted;
  Sealed opening;
  Step opened =
      gcm_decrypt(session, key, sealed.iv, aad, sealed.bytes, opening.bytes, Phase::setup);
  opened.phase = Phase::setup;  // the content is ours
  if (opened.rv != CKR_OK) return opened;
  // And in place, as for a caller whose buffer has no room for a tag.
  Sealed in_place = sealed;
  Step again =
      gcm_decrypt(session, key, sealed.iv, aad, in_place.bytes, in_place.bytes, Phase::setup);
  again.phase = Phase::setup;
  if (again.rv != CKR_OK) return again;
  for (const Sealed& result : {opening, in_place})
    if (!std::equal(std::begin(text), std::end(text), result.bytes.begin()))
      progress.wrong = "something else comes back";
  sealed.bytes.back() ^= 1;
  const Step tampered =
      gcm_decrypt(session, key, sealed.iv, aad, sealed.bytes, opening.bytes, Phase::setup);
  if (classify(tampered) != Fault::content && tampered.rv != CKR_OK) return tampered;
  if (tampered.rv == CKR_OK) progress.wrong = "a wrong tag is accepted";
  return Step{};
}

Result<Step> try_key_wrap(const Session& session, Progress& progress) {
  progress = {"C_GenerateKey"};
  CK_OBJECT_HANDLE wrapping = CK_INVALID_HANDLE;
  if (const CK_RV rv = generate_key(session, true, wrapping); rv != CKR_OK) return Step{rv};
  const ObjectGuard wrapping_guard(session, wrapping);
  progress = {"C_CreateObject"};
  std::array<std::uint8_t, 32> value{};  // a secret to nobody
  Template payload;
  describe_passing_kek(payload);
  payload.bytes(CKA_VALUE, value);
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  CK_RV rv = session.f->C_CreateObject(session.handle, payload.data(), payload.size(), &object);
  if (rv != CKR_OK) return Step{rv};
  const ObjectGuard object_guard(session, object);
  progress = {"C_WrapKey, CKM_AES_KEY_WRAP"};
  CK_MECHANISM mechanism{CKM_AES_KEY_WRAP, nullptr, 0};
  std::array<std::uint8_t, 64> wrapped{};
  CK_ULONG size = wrapped.size();
  rv = session.f->C_WrapKey(session.handle, &mechanism, wrapping, object, wrapped.data(), &size);
  if (rv != CKR_OK) return Step{rv};
  size = std::min<CK_ULONG>(size, wrapped.size());
  progress = {"C_UnwrapKey, CKM_AES_KEY_WRAP"};
  Template again;
  describe_passing_kek(again);
  CK_OBJECT_HANDLE back = CK_INVALID_HANDLE;
  rv = session.f->C_UnwrapKey(session.handle, &mechanism, wrapping, wrapped.data(), size,
                              again.data(), again.size(), &back);
  if (rv != CKR_OK) return Step{rv};
  const ObjectGuard back_guard(session, back);
  AttributeReader read(session, back);
  if (!std::ranges::equal(read.bytes(CKA_VALUE), value))
    progress.wrong = "something else comes back";
  return Step{read.rv()};
}

Result<Step> try_sign_default(const Session& session, Progress& progress) {
  progress = {"C_GenerateKeyPair"};
  Pair pair(session);
  if (const CK_RV rv = pair.generate(); rv != CKR_OK) return Step{rv};
  AttributeReader made(session, pair.private_key);
  if (made.flag(CKA_SIGN).value_or(true)) progress.wrong = "CKA_SIGN is true by default";
  return Step{made.rv()};
}

Result<Step> try_unwrapped_attributes(const std::shared_ptr<const crypto::Library>& library,
                                      const Session& session, Progress& progress) {
  progress = {"C_GenerateKeyPair"};
  Pair pair(session);
  if (const CK_RV rv = pair.generate(); rv != CKR_OK) return Step{rv};
  progress = {"C_UnwrapKey"};
  Template attributes;
  describe_session_cek(attributes);
  CK_OBJECT_HANDLE cek = CK_INVALID_HANDLE;
  Result<Step> step = unwrap(library, session, pair, attributes, cek);
  if (!step || step->rv != CKR_OK) return step;
  const ObjectGuard cek_guard(session, cek);
  bool guarded = false;
  const Step read = check_guarded(session, cek, guarded);
  if (!guarded) progress.wrong = "CKA_SENSITIVE and CKA_EXTRACTABLE are ignored";
  return read;
}

Result<Step> try_unwrap_template(const std::shared_ptr<const crypto::Library>& library,
                                 const Session& session, Progress& progress) {
  progress = {"C_GenerateKeyPair with CKA_UNWRAP_TEMPLATE"};
  CK_BBOOL no = CK_FALSE;
  const CK_ATTRIBUTE forbidden[] = {{CKA_EXTRACTABLE, &no, sizeof(no)}};
  Template private_half;
  private_half.bytes(CKA_UNWRAP_TEMPLATE,
                     {reinterpret_cast<const std::uint8_t*>(forbidden), sizeof(forbidden)});
  Pair pair(session);
  const CK_RV made = pair.generate(private_half);
  if (made == CKR_ATTRIBUTE_TYPE_INVALID) {
    progress.wrong = "the token does not know it";
    progress.code = made;
    return Step{};
  }
  if (made != CKR_OK) return Step{made};
  progress = {"C_UnwrapKey"};
  Template attributes;
  attributes.number(CKA_CLASS, CKO_SECRET_KEY);
  attributes.number(CKA_KEY_TYPE, CKK_AES);
  attributes.flag(CKA_TOKEN, false);
  attributes.flag(CKA_EXTRACTABLE, true);
  CK_OBJECT_HANDLE cek = CK_INVALID_HANDLE;
  Result<Step> step = unwrap(library, session, pair, attributes, cek);
  if (!step) return step;
  // A refusal of the attributes is what was wanted; any other is something else.
  if (step->rv == CKR_TEMPLATE_INCONSISTENT || step->rv == CKR_ATTRIBUTE_VALUE_INVALID ||
      step->rv == CKR_ATTRIBUTE_READ_ONLY)
    return Step{};
  if (step->rv != CKR_OK) return step;
  const ObjectGuard cek_guard(session, cek);
  AttributeReader unwrapped(session, cek);
  if (unwrapped.flag(CKA_EXTRACTABLE).value_or(true))
    progress.wrong = "CKA_UNWRAP_TEMPLATE is ignored";
  return Step{unwrapped.rv()};
}

Result<Step> try_wrap_out(const Session& session, Progress& progress) {
  progress = {"C_GenerateKeyPair"};
  Pair pair(session);
  if (const CK_RV rv = pair.generate(); rv != CKR_OK) return Step{rv};
  progress = {"C_GenerateKey"};
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  if (const CK_RV rv = generate_key(session, false, key); rv != CKR_OK) return Step{rv};
  const ObjectGuard key_guard(session, key);
  OaepMechanism mechanism(trial_hash);
  std::array<std::uint8_t, 256> wrapped{};
  CK_ULONG size = wrapped.size();
  const CK_RV rv = session.f->C_WrapKey(session.handle, mechanism.get(), pair.public_key, key,
                                        wrapped.data(), &size);
  progress = {"C_WrapKey"};
  if (rv == CKR_OK) progress.wrong = "a key whose CKA_EXTRACTABLE is false comes out";
  const Fault fault = classify({rv});
  return fault == Fault::refused || fault == Fault::suspect ? Step{} : Step{rv};
}

}  // namespace jwekms::pkcs11

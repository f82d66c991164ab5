// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/rsa_object.hpp"

#include <algorithm>

#include "providers/pkcs11/new_objects.hpp"
#include "providers/pkcs11/rsa_ops.hpp"

namespace jwekms::pkcs11 {

namespace {

constexpr Error cannot_decrypt{Errc::unsupported_algorithm, 0,
                               "the HSM cannot decrypt with this key and alg"};
constexpr Error cannot_unwrap{Errc::unsupported_algorithm, 0,
                              "the HSM cannot keep a CEK of this key and alg to itself"};
constexpr Error refused{Errc::internal_error, 0, "the HSM refused the operation"};
constexpr Error failed{Errc::decryption_failed, 0, "decryption failed"};
constexpr Error cannot_keep{Errc::unsupported_algorithm, 0, "the HSM does not keep this CEK"};
constexpr Error wrong_size{Errc::crypto_failure, 0, "the CEK's size does not fit enc"};

/// What is known of a way before anybody has asked, and when there is none. (Ways begin at 1.)
constexpr std::uint8_t not_asked = 0;
constexpr std::uint8_t no_way = 0xFF;

/// A code that came of an unwrapped key's size.
[[nodiscard]] bool is_about_size(CK_RV rv) noexcept {
  return rv == CKR_WRAPPED_KEY_LEN_RANGE || rv == CKR_KEY_SIZE_RANGE;
}

/// Whether a code says that the token does not make such a token object, or none at all: whoever
/// made the JWE cannot help that.
[[nodiscard]] bool is_the_tokens(CK_RV rv) noexcept {
  return is_inability(rv) || rv == CKR_SESSION_READ_ONLY || rv == CKR_TOKEN_WRITE_PROTECTED;
}

/// The private operation on the number 2, whose padding is wrong. But SoftHSM frees the session
/// objects that others are using when somebody in the process calls C_Logout: where there need be
/// none, in the process boundary, there are none.
[[nodiscard]] WorkingKey::Trial trial_of(const TokenSlot& slot, const crypto::RsaPublicKey& key,
                                         bool may_decrypt, CekBoundary boundary) {
  if (slot.opens_files())
    return boundary == CekBoundary::hsm ? WorkingKey::Trial(WorkingKey::look) : nullptr;
  std::vector<std::uint8_t> two(key.n().size());
  two.back() = 2;
  return [two, may_decrypt](const Session& session, CK_OBJECT_HANDLE handle) {
    crypto::OaepOpened opened;
    if (may_decrypt) return decrypt_oaep(session, handle, Hash::sha1, two, opened);
    Template attributes;
    describe_session_cek(attributes);
    CK_OBJECT_HANDLE cek = CK_INVALID_HANDLE;
    const Step step = unwrap_object(session, handle, Hash::sha1, two, attributes, cek);
    const ObjectGuard guard(session, cek);
    return step;
  };
}

}  // namespace

/// An encrypted_key as the token will see it. A length other than the modulus's, or a number not
/// below it, is there for everybody to see; the operation runs all the same, on the number 2.
class RsaObject::Ciphertext {
 public:
  Ciphertext(std::span<const std::uint8_t> given, std::span<const std::uint8_t> n) noexcept
      : bytes_(given),
        in_range_(given.size() == n.size() &&
                  std::lexicographical_compare(given.begin(), given.end(), n.begin(), n.end())) {
    if (in_range_) return;
    std::fill_n(two_.begin(), n.size(), std::uint8_t{0});
    two_[n.size() - 1] = 2;
    bytes_ = {two_.data(), n.size()};
  }
  Ciphertext(const Ciphertext&) = delete;
  Ciphertext& operator=(const Ciphertext&) = delete;
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool in_range() const noexcept { return in_range_; }

 private:
  std::array<std::uint8_t, crypto::rsa_max_bits / 8> two_;
  std::span<const std::uint8_t> bytes_;
  bool in_range_;
};

RsaObject::RsaObject(std::shared_ptr<const crypto::Library> library,
                     std::shared_ptr<TokenSlot> slot, const KeyObject& key,
                     std::shared_ptr<const crypto::RsaPublicKey> public_key, bool raw_allowed,
                     CekBoundary boundary)
    : library_(std::move(library)),
      slot_(std::move(slot)),
      key_(key, trial_of(*slot_, *public_key, key.may_decrypt, boundary)),
      public_key_(std::move(public_key)),
      raw_allowed_(raw_allowed) {}

// ---- Into the process ----

Result<Step> RsaObject::decrypt_with(const Session& session, OaepWay way, Hash hash,
                                     std::span<const std::uint8_t> ciphertext,
                                     crypto::OaepOpened& opened) const {
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  const Result<Step> located = key_.locate(*slot_, session, key);
  if (!located || located->rv != CKR_OK) return located;
  switch (way) {
    case OaepWay::native: return decrypt_oaep(session, key, hash, ciphertext, opened);
    case OaepWay::raw: return decrypt_raw(session, *library_, key, hash, ciphertext, opened);
  }
  return refused;
}

Error RsaObject::refuse() const {
  key_.forget();
  return refused;
}

Result<std::uint64_t> RsaObject::decrypt(const WrappedCek& wrapped,
                                         crypto::OaepOpened& opened) const {
  const Result<OaepWay> way = oaep_way(wrapped.alg);
  if (!way) return way.error();
  const Ciphertext ciphertext(wrapped.encrypted_key.bytes, public_key_->n());
  const Result<Outcome> outcome = slot_->run([&](const Session& session) {
    return decrypt_with(session, *way, wrapped.alg.hash, ciphertext.bytes(), opened);
  });
  if (!outcome) return outcome.error();
  if (outcome->refused) return refuse();
  opened.good &= ciphertext.in_range() ? ~0U : 0U;
  return outcome->session_epoch;
}

Result<OaepWay> RsaObject::oaep_way(const AlgRow& alg) const {
  std::atomic<std::uint8_t>& known = oaep_ways_[static_cast<std::size_t>(alg.hash)];
  const std::uint8_t found = known.load();
  if (found == no_way) return cannot_decrypt;
  if (found != not_asked) return static_cast<OaepWay>(found);
  bool is_sure = true;
  for (const OaepWay way : {OaepWay::native, OaepWay::raw}) {
    if (way == OaepWay::raw && !raw_allowed_) break;
    const Result<Trial<OaepWay>> trial = try_oaep(alg, way);
    if (!trial) return trial.error();
    is_sure = is_sure && is_inability(trial->rv);
    if (!trial->way) continue;
    known.store(static_cast<std::uint8_t>(way));
    return way;
  }
  // What a token answers to a failure of its own says nothing of the next time.
  if (is_sure) known.store(no_way);
  return cannot_decrypt;
}

Result<Trial<OaepWay>> RsaObject::try_oaep(const AlgRow& alg, OaepWay way) const {
  Trial<OaepWay> trial{.at = "C_Decrypt"};
  const Result<bool> good = opens(alg, way, trial.rv);
  if (!good) return good.error();
  if (*good) trial.way = way;
  if (!*good && trial.rv == CKR_OK) trial.wrong = "something else comes back";
  return trial;
}

/// Whether a CEK of ours comes back.
Result<bool> RsaObject::opens(const AlgRow& alg, OaepWay way, CK_RV& rv) const {
  const auto access = InsecureSecretAccess::token();
  Cek cek;
  if (const Result<void> drawn = library_->random(cek.fill(32, access)); !drawn)
    return drawn.error();
  const Result<std::vector<std::uint8_t>> wrapped = public_key_->wrap(alg, cek);
  if (!wrapped) return wrapped.error();
  crypto::OaepOpened opened;
  const Result<Outcome> outcome = slot_->run([&](const Session& session) {
    Result<Step> step = decrypt_with(session, way, alg.hash, *wrapped, opened);
    if (step) step->phase = Phase::setup;  // the ciphertext is ours
    return step;
  });
  if (!outcome) return outcome.error();
  rv = outcome->rv;
  return outcome->ok() && opened.good != 0 && opened.size == cek.size() &&
         std::ranges::equal(cek.bytes(access), std::span(opened.bytes).first(cek.size()));
}

// ---- Within the token ----

Result<CekSize> RsaObject::keeps_cek(const AlgRow& alg) const {
  std::atomic<std::uint8_t>& known = cek_sizes_[static_cast<std::size_t>(alg.hash)];
  const std::uint8_t found = known.load();
  if (found == no_way) return cannot_unwrap;
  if (found != not_asked) return static_cast<CekSize>(found);
  const Result<Trial<CekSize>> trial = try_unwrap(alg);
  if (!trial) return trial.error();
  if (trial->way)
    known.store(static_cast<std::uint8_t>(*trial->way));
  else if (is_inability(trial->rv))
    known.store(no_way);
  if (!trial->way) return cannot_unwrap;
  return *trial->way;
}

namespace {

/// Whether a token unwraps a CEK of ours and keeps it to itself, knows its size and opens content
/// with it; and makes one that can stand in for it. `trial` tells how, or why not.
[[nodiscard]] Step try_cek(const Session& session, const RsaCiphertext& ciphertext,
                           const EncRow& enc, Trial<CekSize>& trial) {
  const auto no = [&](const char* wrong) {
    trial.wrong = wrong;
    return Step{CKR_ATTRIBUTE_VALUE_INVALID};
  };
  trial.wrong = nullptr;
  trial.at = "C_GenerateKey, CKM_AES_KEY_GEN";
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  if (const CK_RV rv = generate_stand_in(session, enc.cek_bytes, object); rv != CKR_OK) return {rv};
  const ObjectGuard stand_in(session, object);
  trial.at = "C_UnwrapKey";
  Template attributes;
  describe_session_cek(attributes);
  const Step unwrapped =
      unwrap_object(session, ciphertext.key, ciphertext.hash, ciphertext.bytes, attributes, object);
  if (unwrapped.rv != CKR_OK) return {unwrapped.rv};  // the ciphertext is ours
  const ObjectGuard cek(session, object);
  bool guarded = false;
  const Step checked = check_guarded(session, object, guarded);
  if (checked.rv != CKR_OK) return checked;
  if (!guarded) return no("the key that came out is not sensitive, or can be extracted");
  AttributeReader read(session, object);
  const CK_ULONG size = read.number(CKA_VALUE_LEN).value_or(0);
  if (read.rv() != CKR_OK) return {read.rv()};
  trial.way = size == 0 ? CekSize::by_digest : CekSize::reported;
  if (size == 0) trial.at = "C_DigestKey";
  for (const std::size_t expected : {16U, 24U, 32U}) {
    bool fits = false;
    const Step sized = check_cek_size(session, object, expected, *trial.way, fits);
    if (sized.rv != CKR_OK) return sized;
    if (fits != (expected == enc.cek_bytes)) return no("the key's size cannot be learnt");
  }
  trial.at = "C_Decrypt, CKM_AES_GCM";
  constexpr std::uint8_t iv[12] = {};
  std::uint8_t nothing[gcm_tag_size] = {};
  const Step opened = gcm_decrypt(session, object, iv, "aad", nothing, nothing, Phase::setup);
  if (opened.rv == CKR_OK) return no("a wrong tag is accepted");
  // That it is wrong has to be found: content.
  return classify(opened) == Fault::content ? Step{} : opened;
}

}  // namespace

Result<Trial<CekSize>> RsaObject::try_unwrap(const AlgRow& alg) const {
  const auto access = InsecureSecretAccess::token();
  Trial<CekSize> trial;
  // Each size, so that a token which does not tell them apart is found out.
  for (const EncRow& enc : enc_table) {
    if (enc.hash != Hash::none) continue;
    Cek cek;
    if (const Result<void> drawn = library_->random(cek.fill(enc.cek_bytes, access)); !drawn)
      return drawn.error();
    const Result<std::vector<std::uint8_t>> wrapped = public_key_->wrap(alg, cek);
    if (!wrapped) return wrapped.error();
    const Result<Outcome> outcome = slot_->run([&](const Session& session) -> Result<Step> {
      RsaCiphertext ciphertext{CK_INVALID_HANDLE, alg.hash, *wrapped};
      const Result<Step> located = key_.locate(*slot_, session, ciphertext.key);
      if (!located || located->rv != CKR_OK) return located;
      return try_cek(session, ciphertext, enc, trial);
    });
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return Trial<CekSize>{std::nullopt, outcome->rv, trial.at, trial.wrong};
  }
  return trial;
}

Result<std::size_t> RsaObject::decrypt_in_token(const AlgRow& alg, const EncRow& enc,
                                                std::span<const std::uint8_t> encrypted_key,
                                                const SealedContent& sealed,
                                                std::span<std::uint8_t> out) const {
  GcmMessage message(sealed, out, slot_->scratch());
  if (!message.fits()) return Error{Errc::buffer_too_small, 0, "the output buffer is small"};
  const Result<CekSize> how = keeps_cek(alg);
  if (!how) return how.error();
  const Ciphertext ciphertext(encrypted_key, public_key_->n());
  const Result<Outcome> outcome = slot_->run([&](const Session& session) -> Result<Step> {
    RsaCiphertext rsa{CK_INVALID_HANDLE, alg.hash, ciphertext.bytes()};
    const Result<Step> located = key_.locate(*slot_, session, rsa.key);
    if (!located || located->rv != CKR_OK) return located;
    return open_in_token(session, rsa, enc, *how, message);
  });
  if (!outcome) return outcome.error();
  if (outcome->refused) return refuse();
  if (!outcome->ok() || !ciphertext.in_range()) return failed;
  return message.deliver();
}

Result<Step> RsaObject::make_token_cek(const Session& session, const WrappedCek& wrapped,
                                       CekSize how, const std::string& label, const std::string& id,
                                       KeyObject& made) const {
  Result<Step> step = check_label_free(*slot_, session, label);
  if (!step || step->rv != CKR_OK) return step;
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  step = key_.locate(*slot_, session, key);
  if (!step || step->rv != CKR_OK) return step;
  Template attributes;
  describe_token_cek(attributes, label, id);
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  Step unwrapped;
  {
    const auto alone = hold(session.making);
    unwrapped = unwrap_object(session, key, wrapped.alg.hash, wrapped.encrypted_key.bytes,
                              attributes, object);
  }
  if (is_the_tokens(unwrapped.rv)) return Step{unwrapped.rv};
  if (unwrapped.rv != CKR_OK) return unwrapped;
  ObjectGuard guard(session, object, session.making);
  step = check_made(session, object, label, id, made);
  if (!step || step->rv != CKR_OK) return step;
  bool fits = false;
  const Step sized = check_cek_size(session, object, wrapped.enc.cek_bytes, how, fits);
  if (sized.rv != CKR_OK) return sized;
  if (!fits) return wrong_size;
  // No size but 16, 24 and 32 bytes gets past this, whatever the token says of it.
  constexpr std::uint8_t iv[12] = {};
  std::uint8_t sealed[gcm_tag_size];
  const Step tried = gcm_encrypt(session, object, iv, "aad", {}, sealed);
  secure_wipe(sealed, sizeof(sealed));
  if (tried.rv == CKR_OK) guard.keep();
  return is_about_size(tried.rv) ? Step{tried.rv, Phase::content} : tried;
}

Result<Outcome> RsaObject::try_to_keep(const WrappedCek& wrapped, const std::string& label,
                                       const std::string& id, KeyObject& made) const {
  const Result<CekSize> how = keeps_cek(wrapped.alg);
  if (!how) return how.error();
  const Ciphertext ciphertext(wrapped.encrypted_key.bytes, public_key_->n());
  if (!ciphertext.in_range()) return failed;
  return run_making(*slot_, id, [&](const Session& session) {
    return make_token_cek(session, wrapped, *how, label, id, made);
  });
}

Result<void> RsaObject::unwrap_to_token(const WrappedCek& wrapped, const std::string& label,
                                        const std::string& id, KeyObject& made) const {
  const Result<Outcome> outcome = try_to_keep(wrapped, label, id, made);
  if (!outcome) return outcome.error();
  if (!outcome->refused && is_about_size(outcome->rv)) return wrong_size;
  if (outcome->refused) return is_the_tokens(outcome->rv) ? cannot_keep : refuse();
  if (!outcome->ok()) return failed;
  return {};
}

}  // namespace jwekms::pkcs11

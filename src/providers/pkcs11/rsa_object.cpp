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
constexpr Error wrong_size{Errc::crypto_failure, 0, "the CEK's size does not fit enc"};

/// The private operation on the number 2, whose padding is wrong.
[[nodiscard]] WorkingKey::Trial trial_of(const crypto::RsaPublicKey& key, bool may_decrypt) {
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
                     std::shared_ptr<const crypto::RsaPublicKey> public_key, bool raw_allowed)
    : library_(std::move(library)),
      slot_(std::move(slot)),
      key_(key, trial_of(*public_key, key.may_decrypt)),
      public_key_(std::move(public_key)),
      raw_allowed_(raw_allowed) {}

// ---- Into the process ----

Result<Outcome> RsaObject::decrypt_with(OaepWay way, Hash hash,
                                        std::span<const std::uint8_t> ciphertext,
                                        crypto::OaepOpened& opened) const {
  return slot_->run([&](const Session& session) -> Result<Step> {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    const Result<Step> located = key_.locate(*slot_, session, key);
    if (!located || located->rv != CKR_OK) return located;
    switch (way) {
      case OaepWay::native: return decrypt_oaep(session, key, hash, ciphertext, opened);
      case OaepWay::raw: return decrypt_raw(session, *library_, key, hash, ciphertext, opened);
    }
    return refused;
  });
}

Result<std::uint64_t> RsaObject::decrypt(const WrappedCek& wrapped,
                                         crypto::OaepOpened& opened) const {
  const Result<OaepWay> way = oaep_way(wrapped.alg);
  if (!way) return way.error();
  const Ciphertext ciphertext(wrapped.encrypted_key.bytes, public_key_->n());
  const Result<Outcome> outcome = decrypt_with(*way, wrapped.alg.hash, ciphertext.bytes(), opened);
  if (!outcome) return outcome.error();
  if (outcome->refused) return refused;
  opened.good &= ciphertext.in_range() ? ~0U : 0U;
  return outcome->session_epoch;
}

Result<OaepWay> RsaObject::oaep_way(const AlgRow& alg) const {
  std::atomic<std::uint8_t>& known = oaep_ways_[static_cast<std::size_t>(alg.hash)];
  if (const std::uint8_t way = known.load(); way != 0) return static_cast<OaepWay>(way);
  for (const OaepWay way : {OaepWay::native, OaepWay::raw}) {
    if (way == OaepWay::raw && !raw_allowed_) break;
    const Result<Trial<OaepWay>> trial = try_oaep(alg, way);
    if (!trial) return trial.error();
    if (!trial->way) continue;
    known.store(static_cast<std::uint8_t>(way));
    return way;
  }
  return cannot_decrypt;
}

Result<Trial<OaepWay>> RsaObject::try_oaep(const AlgRow& alg, OaepWay way) const {
  Trial<OaepWay> trial;
  const Result<bool> good = opens(alg, way, trial.rv);
  if (!good) return good.error();
  if (*good) {
    trial.way = way;
  } else {
    trial.why = trial.rv == CKR_OK ? "decrypts to something else" : "C_Decrypt";
  }
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
  const Result<Outcome> outcome = decrypt_with(way, alg.hash, *wrapped, opened);
  if (!outcome) return outcome.error();
  if (!outcome->ok() && !outcome->refused)
    if (const Result<void> r = slot_->believe_failure(outcome->session_epoch); !r) return r.error();
  rv = outcome->rv;
  return outcome->ok() && opened.good != 0 && opened.size == cek.size() &&
         std::ranges::equal(cek.bytes(access), std::span(opened.bytes).first(cek.size()));
}

// ---- Within the token ----

Result<CekSize> RsaObject::keeps_cek(const AlgRow& alg) const {
  std::atomic<std::uint8_t>& known = cek_sizes_[static_cast<std::size_t>(alg.hash)];
  if (const std::uint8_t size = known.load(); size != 0) return static_cast<CekSize>(size - 1);
  const Result<Trial<CekSize>> trial = try_unwrap(alg);
  if (!trial) return trial.error();
  if (!trial->way) return cannot_unwrap;
  known.store(static_cast<std::uint8_t>(static_cast<unsigned>(*trial->way) + 1));
  return *trial->way;
}

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
    const char* why = "C_UnwrapKey";
    CekSize how = CekSize::reported;
    const Result<Outcome> outcome = slot_->run([&](const Session& session) -> Result<Step> {
      RsaCiphertext ciphertext{CK_INVALID_HANDLE, alg.hash, *wrapped};
      const Result<Step> located = key_.locate(*slot_, session, ciphertext.key);
      if (!located || located->rv != CKR_OK) return located;
      why = "C_UnwrapKey";
      Template attributes;
      describe_session_cek(attributes);
      CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
      const Step unwrapped =
          unwrap_object(session, ciphertext.key, alg.hash, *wrapped, attributes, object);
      if (unwrapped.rv != CKR_OK) return unwrapped;
      const ObjectGuard guard(session, object);
      why = "an unwrapped key is not sensitive, or can be extracted";
      bool guarded = false;
      const Step checked = check_guarded(session, object, guarded);
      if (checked.rv != CKR_OK) return checked;
      if (!guarded) return Step{CKR_ATTRIBUTE_VALUE_INVALID};
      AttributeReader read(session, object);
      const CK_ULONG size = read.number(CKA_VALUE_LEN).value_or(0);
      if (read.rv() != CKR_OK) return Step{read.rv()};
      how = size == 0 ? CekSize::by_digest : CekSize::reported;
      why = "the size of an unwrapped key cannot be learnt";
      for (const std::size_t expected : {16U, 24U, 32U}) {
        bool fits = false;
        const Step sized = check_cek_size(session, object, expected, how, fits);
        if (sized.rv != CKR_OK) return sized;
        if (fits != (expected == enc.cek_bytes)) return Step{CKR_ATTRIBUTE_VALUE_INVALID};
      }
      why = "CKM_AES_GCM";
      constexpr std::uint8_t iv[12] = {};
      std::uint8_t nothing[gcm_tag_size] = {};
      const Step opened = gcm_decrypt(session, object, iv, "aad", nothing, Phase::setup);
      // The tag is wrong, and has to be found so: content.
      if (opened.phase == Phase::content && opened.rv != CKR_OK &&
          classify(opened) == Fault::content)
        return Step{};
      return opened.rv == CKR_OK ? Step{CKR_ATTRIBUTE_VALUE_INVALID} : opened;
    });
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return Trial<CekSize>{std::nullopt, outcome->rv, why};
    trial.way = how;
  }
  return trial;
}

Result<std::size_t> RsaObject::decrypt_in_token(const AlgRow& alg, const EncRow& enc,
                                                std::span<const std::uint8_t> encrypted_key,
                                                const SealedContent& sealed,
                                                std::span<std::uint8_t> out) const {
  GcmMessage message(sealed, slot_->scratch());
  const std::size_t size = message.plaintext_size();
  if (out.size() < size) return Error{Errc::buffer_too_small, 0, "the output buffer is small"};
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
  if (outcome->refused) return refused;
  if (!outcome->ok() || !ciphertext.in_range()) return failed;
  message.copy_plaintext(out);
  return size;
}

Result<void> RsaObject::unwrap_to_token(const WrappedCek& wrapped, const std::string& label,
                                        const std::string& id, KeyObject& made) const {
  const Result<CekSize> how = keeps_cek(wrapped.alg);
  if (!how) return how.error();
  const Ciphertext ciphertext(wrapped.encrypted_key.bytes, public_key_->n());
  if (!ciphertext.in_range()) return failed;
  const Result<Outcome> outcome =
      run_making(*slot_, id, [&](const Session& session) -> Result<Step> {
        Result<Step> step = check_label_free(*slot_, session, label);
        if (!step || step->rv != CKR_OK) return step;
        RsaCiphertext rsa{CK_INVALID_HANDLE, wrapped.alg.hash, ciphertext.bytes()};
        step = key_.locate(*slot_, session, rsa.key);
        if (!step || step->rv != CKR_OK) return step;
        Template attributes;
        describe_token_cek(attributes, label, id);
        CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
        const Step unwrapped =
            unwrap_object(session, rsa.key, rsa.hash, rsa.bytes, attributes, object);
        if (unwrapped.rv == CKR_WRAPPED_KEY_LEN_RANGE || unwrapped.rv == CKR_KEY_SIZE_RANGE)
          return wrong_size;
        if (unwrapped.rv != CKR_OK) return unwrapped;
        ObjectGuard guard(session, object);
        step = check_made(session, object, label, made);
        if (!step || step->rv != CKR_OK) return step;
        bool fits = false;
        const Step sized = check_cek_size(session, object, wrapped.enc.cek_bytes, *how, fits);
        if (sized.rv != CKR_OK) return sized;
        if (!fits) return wrong_size;
        // No size but 16, 24 and 32 bytes gets past this, whatever the token says of it.
        constexpr std::uint8_t iv[12] = {};
        std::uint8_t sealed[gcm_tag_size];
        const Step sealed_step = gcm_encrypt(session, object, iv, "aad", {}, sealed);
        secure_wipe(sealed, sizeof(sealed));
        if (is_lost(sealed_step)) return sealed_step;
        if (sealed_step.rv != CKR_OK) return wrong_size;
        guard.keep();
        return Step{};
      });
  if (!outcome) return outcome.error();
  if (outcome->refused) return cannot_unwrap;
  if (!outcome->ok()) return failed;
  return {};
}

}  // namespace jwekms::pkcs11

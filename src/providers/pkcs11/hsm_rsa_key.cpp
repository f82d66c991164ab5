// SPDX-License-Identifier: Apache-2.0
#include "core/public_jwk.hpp"
#include "core/unwrapping_key.hpp"
#include "providers/pkcs11/hsm_keys.hpp"

namespace jwekms::pkcs11 {

namespace {

/// A CEK that never leaves the token. The token unwraps it when the content is there, in the same
/// operation: nothing is left behind when no content comes, and a lost session repeats it all.
class UnwrappedInToken final : public ContentKey {
 public:
  UnwrappedInToken(std::shared_ptr<const RsaObject> rsa, const WrappedCek& wrapped)
      : rsa_(std::move(rsa)),
        alg_(wrapped.alg),
        enc_(wrapped.enc),
        encrypted_key_(wrapped.encrypted_key.bytes.begin(), wrapped.encrypted_key.bytes.end()) {}

  Result<std::size_t> decrypt(const SealedContent& sealed,
                              std::span<std::uint8_t> out) const override {
    return rsa_->decrypt_in_token(alg_, enc_, encrypted_key_, sealed, out);
  }
  /// Only a CEK of one's own encrypts.
  Result<void> encrypt(const Aad&, std::span<const std::uint8_t>, const SealInto&) const override {
    return Error{Errc::forbidden, 0, "an unwrapped CEK only decrypts"};
  }

 private:
  const std::shared_ptr<const RsaObject> rsa_;
  const AlgRow& alg_;
  const EncRow& enc_;
  const std::vector<std::uint8_t> encrypted_key_;
};

/// A CEK that the token has given to the process. When nothing comes of it, the token is asked
/// whether that is its own fault: now, for a wrong CEK as for wrong content.
class GivenByToken final : public ContentKey {
 public:
  GivenByToken(std::shared_ptr<const RsaObject> rsa, std::uint64_t session_epoch,
               std::unique_ptr<ContentKey> key)
      : rsa_(std::move(rsa)), session_epoch_(session_epoch), key_(std::move(key)) {}

  Result<std::size_t> decrypt(const SealedContent& sealed,
                              std::span<std::uint8_t> out) const override {
    const Result<std::size_t> size = key_->decrypt(sealed, out);
    if (size || size.error().code != Errc::decryption_failed) return size;
    const Result<void> believed = rsa_->slot().believe_failure(session_epoch_);
    return believed ? size : believed.error();
  }
  Result<void> encrypt(const Aad& aad, std::span<const std::uint8_t> plaintext,
                       const SealInto& into) const override {
    return key_->encrypt(aad, plaintext, into);
  }

 private:
  const std::shared_ptr<const RsaObject> rsa_;
  const std::uint64_t session_epoch_;
  const std::unique_ptr<ContentKey> key_;
};

class HsmRsaKey final : public HsmKey {
 public:
  HsmRsaKey(std::shared_ptr<const crypto::Library> library, KeyInfo info,
            std::shared_ptr<const RsaObject> rsa, CekBoundary boundary)
      : library_(std::move(library)),
        info_(std::move(info)),
        rsa_(std::move(rsa)),
        boundary_(boundary) {}

  const KeyInfo& info() const noexcept override { return info_; }
  const RsaObject* rsa() const noexcept override { return rsa_.get(); }
  Result<std::shared_ptr<const RsaObject>> rsa_in(const TokenSlot& slot) const override {
    if (&slot == &rsa_->slot()) return rsa_;
    return HsmKey::rsa_in(slot);
  }

  Result<std::unique_ptr<ContentKey>> unwrap(const WrappedCek& wrapped) const override {
    switch (boundary_) {
      case CekBoundary::process: return unwrap_here(wrapped);
      case CekBoundary::hsm: {
        const Result<CekSize> kept = rsa_->keeps_cek(wrapped.alg);
        if (!kept) return kept.error();
        return std::unique_ptr<ContentKey>(std::make_unique<UnwrappedInToken>(rsa_, wrapped));
      }
    }
    return wrong_kind;
  }

  Result<Cek> unwrap_to_keep(const WrappedCek& wrapped, InsecureSecretAccess) const override {
    if (boundary_ == CekBoundary::hsm)
      return Error{Errc::forbidden, 0, "this key's CEKs do not leave the HSM: keep them there"};
    crypto::OaepOpened opened;
    const Result<std::uint64_t> epoch = rsa_->decrypt(wrapped, opened);
    if (!epoch) return epoch.error();
    Result<Cek> cek = crypto::cek_to_keep(opened, wrapped.enc);
    if (!cek)
      if (const Result<void> r = rsa_->slot().believe_failure(*epoch); !r) return r.error();
    return cek;
  }

  /// With the public half, in the process: the CEK is this side's own, and so is the plaintext.
  Result<NewCek> wrap(const AlgRow& alg, const EncRow& enc) const override {
    return core::wrap_new_cek(library_, enc,
                              [&](const Cek& cek) { return rsa_->public_key().wrap(alg, cek); });
  }

  Result<std::string> public_jwk() const override {
    const crypto::RsaPublicKey& key = rsa_->public_key();
    return core::write_public_jwk(info_, key.n(), key.e());
  }

 private:
  /// Implicit rejection (RFC 7516 §11.5), as for a key in the process.
  [[nodiscard]] Result<std::unique_ptr<ContentKey>> unwrap_here(const WrappedCek& wrapped) const {
    Result<Cek> cek = crypto::draw_cek(*library_, wrapped.enc);
    if (!cek) return cek.error();
    crypto::OaepOpened opened;
    const Result<std::uint64_t> epoch = rsa_->decrypt(wrapped, opened);
    if (!epoch) return epoch.error();
    crypto::choose_cek(*cek, opened);
    Result<std::unique_ptr<ContentKey>> key =
        crypto::make_content_key(library_, wrapped.enc, *std::move(cek));
    if (!key) return key;
    return std::unique_ptr<ContentKey>(
        std::make_unique<GivenByToken>(rsa_, *epoch, *std::move(key)));
  }

  const std::shared_ptr<const crypto::Library> library_;
  const KeyInfo info_;
  const std::shared_ptr<const RsaObject> rsa_;
  const CekBoundary boundary_;
};

}  // namespace

std::shared_ptr<const HsmKey> make_rsa_key(std::shared_ptr<const crypto::Library> library,
                                           KeyInfo info, std::shared_ptr<const RsaObject> rsa,
                                           CekBoundary boundary) {
  return std::make_shared<HsmRsaKey>(std::move(library), std::move(info), std::move(rsa), boundary);
}

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#include "providers/db/db_key.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "core/public_jwk.hpp"
#include "core/unwrapping_key.hpp"
#include "crypto/rsa_key.hpp"

namespace jwekms::db {

namespace {

class RsaDbKey final : public Key {
 public:
  RsaDbKey(std::shared_ptr<const crypto::Library> library, KeyInfo info,
           std::shared_ptr<const crypto::RsaKey> rsa)
      : library_(std::move(library)), info_(std::move(info)), rsa_(std::move(rsa)) {}

  const KeyInfo& info() const noexcept override { return info_; }

  Result<std::unique_ptr<ContentKey>> unwrap(const WrappedCek& wrapped) const override {
    Result<Cek> cek = rsa_->unwrap_or_random(wrapped);
    if (!cek) return cek.error();
    return crypto::make_content_key(library_, wrapped.enc, *std::move(cek));
  }

  Result<Cek> unwrap_to_keep(const WrappedCek& wrapped, InsecureSecretAccess) const override {
    return rsa_->unwrap_to_keep(wrapped);
  }

  Result<NewCek> wrap(const AlgRow& alg, const EncRow& enc) const override {
    return core::wrap_new_cek(library_, enc, [&](const Cek& cek) { return rsa_->wrap(alg, cek); });
  }

  Result<std::string> public_jwk() const override {
    const Result<crypto::RsaKey::Public> numbers = rsa_->public_numbers();
    if (!numbers) return numbers.error();
    return core::write_public_jwk(info_, numbers->n, numbers->e);
  }

 private:
  const std::shared_ptr<const crypto::Library> library_;
  const KeyInfo info_;
  const std::shared_ptr<const crypto::RsaKey> rsa_;
};

class OctDbKey final : public Key {
 public:
  using ContentKeys = std::array<std::shared_ptr<const ContentKey>, enc_table.size()>;

  OctDbKey(KeyInfo info, ContentKeys content_keys)
      : info_(std::move(info)), content_keys_(std::move(content_keys)) {}

  const KeyInfo& info() const noexcept override { return info_; }

  Result<std::shared_ptr<const ContentKey>> content_key(const EncRow& enc) const override {
    if (const auto& key = content_keys_[static_cast<std::size_t>(enc.id)]) return key;
    if (info_.enc && *info_.enc != enc.id)
      return Error{Errc::crypto_failure, 0, "the key is bound to another enc"};
    return Error{Errc::crypto_failure, 0, "the key's size does not fit enc"};
  }

 private:
  const KeyInfo info_;
  const ContentKeys content_keys_;
};

}  // namespace

Result<std::shared_ptr<const Key>> make_rsa_key(std::shared_ptr<const crypto::Library> library,
                                                KeyInfo info, std::span<const std::uint8_t> pkcs8) {
  Result<std::shared_ptr<const crypto::RsaKey>> rsa = crypto::RsaKey::from_pkcs8(library, pkcs8);
  if (!rsa) return rsa.error();
  return std::shared_ptr<const Key>(
      std::make_shared<RsaDbKey>(std::move(library), std::move(info), *std::move(rsa)));
}

/// Makes a ContentKey for each `enc` that the key may serve, here and now: they keep their contexts
/// from call to call, and the bytes themselves need not stay.
Result<std::shared_ptr<const Key>> make_oct_key(std::shared_ptr<const crypto::Library> library,
                                                KeyInfo info, std::span<const std::uint8_t> bytes,
                                                std::shared_ptr<crypto::EncryptionBudget> budget) {
  OctDbKey::ContentKeys content_keys;
  for (const EncRow& enc : enc_table) {
    const bool serves = enc.support == Support::implemented && enc.cek_bytes == bytes.size() &&
                        (!info.enc || *info.enc == enc.id);
    if (!serves) continue;
    Cek cek;
    std::ranges::copy(bytes, cek.fill(bytes.size(), InsecureSecretAccess::token()).begin());
    Result<std::unique_ptr<ContentKey>> made =
        crypto::make_content_key(library, enc, std::move(cek), budget);
    if (!made) return made.error();
    content_keys[static_cast<std::size_t>(enc.id)] = *std::move(made);
  }
  return std::shared_ptr<const Key>(
      std::make_shared<OctDbKey>(std::move(info), std::move(content_keys)));
}

}  // namespace jwekms::db

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>

#include "crypto/aes_gcm.hpp"
#include "jwekms/kms.hpp"
#include "support.hpp"

/// A provider written outside the library: keys in memory, failures to order, and a count of all
/// that reaches it.
namespace support {

/// How often each call was made.
struct Calls {
  std::atomic<int> resolve = 0, unwrap = 0, unwrap_to_keep = 0, wrap = 0, content_key = 0,
                   decrypt = 0, encrypt = 0;
  [[nodiscard]] int all() const noexcept {
    return resolve + unwrap + unwrap_to_keep + wrap + content_key + decrypt + encrypt;
  }
};

/// What each call answers instead of doing its work.
struct Faults {
  std::optional<Error> resolve{}, unwrap{}, unwrap_to_keep{}, wrap{}, content_key{}, decrypt{},
      encrypt{};
  /// Bytes that wrap() gives, instead of as many as the modulus has.
  std::optional<std::size_t> encrypted_key_size{};
};

inline constexpr Error outage{Errc::unavailable, 0, "the HSM is out of reach"};

/// What a provider and its keys share.
struct FakeState {
  Calls calls;
  Faults faults;
};

class FakeContentKey final : public ContentKey {
 public:
  FakeContentKey(std::shared_ptr<FakeState> state, std::unique_ptr<ContentKey> real)
      : state_(std::move(state)), real_(std::move(real)) {}

  Result<std::size_t> decrypt(const SealedContent& sealed,
                              std::span<std::uint8_t> out) const override {
    ++state_->calls.decrypt;
    if (state_->faults.decrypt) {
      out[0] = 0x55;  // as a token does that fails half-way
      return *state_->faults.decrypt;
    }
    return real_->decrypt(sealed, out);
  }
  Result<void> encrypt(const Aad& aad, std::span<const std::uint8_t> plaintext,
                       const SealInto& into) const override {
    ++state_->calls.encrypt;
    if (state_->faults.encrypt) return *state_->faults.encrypt;
    return real_->encrypt(aad, plaintext, into);
  }

 private:
  std::shared_ptr<FakeState> state_;
  std::unique_ptr<ContentKey> real_;
};

class FakeKey final : public Key {
 public:
  FakeKey(std::shared_ptr<FakeState> state, KeyInfo info, std::shared_ptr<const crypto::RsaKey> rsa,
          Bytes oct)
      : state_(std::move(state)),
        info_(std::move(info)),
        rsa_(std::move(rsa)),
        oct_(std::move(oct)) {}

  const KeyInfo& info() const noexcept override { return info_; }

  Result<std::unique_ptr<ContentKey>> unwrap(const WrappedCek& wrapped) const override {
    ++state_->calls.unwrap;
    if (state_->faults.unwrap) return *state_->faults.unwrap;
    return content(wrapped.enc, rsa_->unwrap_or_random(wrapped).value());
  }
  Result<Cek> unwrap_to_keep(const WrappedCek& wrapped, InsecureSecretAccess) const override {
    ++state_->calls.unwrap_to_keep;
    if (state_->faults.unwrap_to_keep) return *state_->faults.unwrap_to_keep;
    return rsa_->unwrap_to_keep(wrapped);
  }
  Result<NewCek> wrap(const AlgRow& alg, const EncRow& enc) const override {
    ++state_->calls.wrap;
    if (state_->faults.wrap) return *state_->faults.wrap;
    const Bytes cek = pattern(enc.cek_bytes, 9);
    NewCek made{rsa_->wrap(alg, make_cek(cek)).value(), content(enc, make_cek(cek))};
    if (state_->faults.encrypted_key_size)
      made.encrypted_key.resize(*state_->faults.encrypted_key_size);
    return made;
  }
  Result<std::shared_ptr<const ContentKey>> content_key(const EncRow& enc) const override {
    ++state_->calls.content_key;
    if (state_->faults.content_key) return *state_->faults.content_key;
    return std::shared_ptr<const ContentKey>(content(enc, make_cek(oct_)));
  }
  Result<std::string> public_jwk() const override {
    if (!rsa_) return Error{Errc::crypto_failure, 0, "no public half"};
    return "{\"kid\":\"" + info_.uid + "\"}";
  }

 private:
  [[nodiscard]] std::unique_ptr<ContentKey> content(const EncRow& enc, Cek cek) const {
    return std::make_unique<FakeContentKey>(
        state_, crypto::make_content_key(library(), enc, std::move(cek)).value());
  }

  std::shared_ptr<FakeState> state_;
  KeyInfo info_;
  std::shared_ptr<const crypto::RsaKey> rsa_;
  Bytes oct_;
};

/// Made with its keys before it is handed to a Kms; only faults change afterwards.
class FakeProvider : public KeyProvider {
 public:
  explicit FakeProvider(std::string prefix = {}) : prefix_(std::move(prefix)) {}

  void add_rsa(const std::string& uid, std::shared_ptr<const crypto::RsaKey> rsa) {
    KeyInfo info{.uid = uid,
                 .bits = rsa->bits(),
                 .algs = {Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::RSA_OAEP_384, Alg::RSA_OAEP_512}};
    add(std::move(info), std::move(rsa), {});
  }
  void add_oct(const std::string& uid, Bytes key) {
    KeyInfo info{.uid = uid,
                 .type = KeyType::oct,
                 .bits = static_cast<std::uint32_t>(key.size() * 8),
                 .algs = {Alg::dir}};
    add(std::move(info), nullptr, std::move(key));
  }
  void add(KeyInfo info, std::shared_ptr<const crypto::RsaKey> rsa, Bytes oct) {
    const std::string uid = info.uid;
    keys_[uid] = std::make_shared<FakeKey>(state_, std::move(info), std::move(rsa), std::move(oct));
  }

  [[nodiscard]] Calls& calls() const noexcept { return state_->calls; }
  [[nodiscard]] Faults& faults() const noexcept { return state_->faults; }
  /// The names that were asked for, in order.
  [[nodiscard]] const std::vector<std::string>& asked() const noexcept { return asked_; }

  std::string_view uid_prefix() const noexcept override { return prefix_; }

  Result<std::shared_ptr<const Key>> resolve(std::string_view kid) const override {
    ++state_->calls.resolve;
    asked_.emplace_back(kid);
    if (state_->faults.resolve) return *state_->faults.resolve;
    const auto found = keys_.find(std::string(kid));
    if (found == keys_.end()) return Error{Errc::not_found, 0, "no such key"};
    return found->second;
  }

 private:
  std::string prefix_;
  std::shared_ptr<FakeState> state_ = std::make_shared<FakeState>();
  std::map<std::string, std::shared_ptr<const Key>> keys_;
  mutable std::vector<std::string> asked_;
};

inline Kms kms_over(std::shared_ptr<FakeProvider> provider,
                    const Policy& policy = Policy::permissive()) {
  return Kms(library(), {std::move(provider)}, policy);
}

}  // namespace support

// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/slot_pool.hpp"

#include <algorithm>

#include "core/public_jwk.hpp"
#include "jwekms/key_uid.hpp"

namespace jwekms::pkcs11 {

namespace {

using namespace std::chrono_literals;
using Clock = SlotHealth::Clock;

constexpr Clock::rep first_silence = Clock::duration(100ms).count();
constexpr Clock::rep longest_silence = Clock::duration(5s).count();
/// How long a key's absence from a slot, or its replacement, may go unseen.
constexpr auto cache_time = 10s;
constexpr std::size_t cache_entries = 1024;

constexpr Error no_such_key{Errc::not_found, 0, "no such key"};

[[nodiscard]] Error bad(const char* text) noexcept { return {Errc::bad_request, 0, text}; }

/// What a pool's key and its CEKs work with. The pool itself keeps such keys: hence the weak
/// pointer.
struct Replicas {
  std::weak_ptr<const SlotPool> pool;
  std::string label;
  std::shared_ptr<const HsmKey> reference;  ///< Of some slot: what is public is the same in all.

  /// Calls use(HsmKey) on the key of a slot at hand.
  template <class Use>
  [[nodiscard]] auto serve(Use use) const -> decltype(use(std::declval<const HsmKey&>())) {
    const std::shared_ptr<const SlotPool> slots = pool.lock();
    if (!slots) return Error{Errc::unavailable, 0, "the HSM was closed"};
    return slots->serve(
        [&](const SlotPool::Slot& slot) -> decltype(use(std::declval<const HsmKey&>())) {
          const Result<std::shared_ptr<const HsmKey>> key =
              slots->key_in(slot, label, reference->rsa()->public_key().n());
          if (!key) return key.error();
          return use(**key);
        });
  }
};

/// A CEK that is unwrapped and used by one slot, whichever is at hand when its content comes: a
/// slot may turn out to be lost as late as that.
class ReplicatedCek final : public ContentKey {
 public:
  ReplicatedCek(std::shared_ptr<const Replicas> replicas, const WrappedCek& wrapped)
      : replicas_(std::move(replicas)),
        alg_(wrapped.alg),
        enc_(wrapped.enc),
        encrypted_key_(wrapped.encrypted_key.bytes.begin(), wrapped.encrypted_key.bytes.end()) {}

  Result<std::size_t> decrypt(const SealedContent& sealed,
                              std::span<std::uint8_t> out) const override {
    return replicas_->serve([&](const HsmKey& key) -> Result<std::size_t> {
      const JoseHeader no_header{};  // RSA-OAEP has no parameters there
      const Result<std::unique_ptr<ContentKey>> cek =
          key.unwrap({alg_, enc_, no_header, {encrypted_key_}});
      if (!cek) return cek.error();
      return (*cek)->decrypt(sealed, out);
    });
  }
  /// Only a CEK of one's own encrypts.
  Result<void> encrypt(const Aad&, std::span<const std::uint8_t>, const SealInto&) const override {
    return Error{Errc::forbidden, 0, "an unwrapped CEK only decrypts"};
  }

 private:
  const std::shared_ptr<const Replicas> replicas_;
  const AlgRow& alg_;
  const EncRow& enc_;
  const std::vector<std::uint8_t> encrypted_key_;
};

/// An RSA key that several slots hold.
class ReplicatedKey final : public HsmKey {
 public:
  ReplicatedKey(KeyInfo info, std::shared_ptr<const Replicas> replicas)
      : info_(std::move(info)), replicas_(std::move(replicas)) {}

  const KeyInfo& info() const noexcept override { return info_; }

  Result<std::shared_ptr<const RsaObject>> rsa_in(const TokenSlot& wanted) const override {
    const std::shared_ptr<const SlotPool> pool = replicas_->pool.lock();
    if (!pool) return HsmKey::rsa_in(wanted);
    for (const std::unique_ptr<SlotPool::Slot>& slot : pool->slots()) {
      const Result<Instance::Place> place =
          slot->instance.get().place_of(slot->uid_prefix + replicas_->label);
      if (!place || place->slot.get() != &wanted) continue;
      const Result<std::shared_ptr<const HsmKey>> key =
          pool->key_in(*slot, replicas_->label, replicas_->reference->rsa()->public_key().n());
      if (!key) return key.error();
      return (*key)->rsa_in(wanted);
    }
    return HsmKey::rsa_in(wanted);
  }

  Result<std::unique_ptr<ContentKey>> unwrap(const WrappedCek& wrapped) const override {
    return std::unique_ptr<ContentKey>(std::make_unique<ReplicatedCek>(replicas_, wrapped));
  }
  Result<Cek> unwrap_to_keep(const WrappedCek& wrapped,
                             InsecureSecretAccess access) const override {
    return replicas_->serve([&](const HsmKey& key) { return key.unwrap_to_keep(wrapped, access); });
  }
  Result<NewCek> wrap(const AlgRow& alg, const EncRow& enc) const override {
    return replicas_->reference->wrap(alg, enc);
  }
  Result<std::string> public_jwk() const override {
    const crypto::RsaPublicKey& key = replicas_->reference->rsa()->public_key();
    return core::write_public_jwk(info_, key.n(), key.e());
  }

 private:
  const KeyInfo info_;
  const std::shared_ptr<const Replicas> replicas_;
};

/// Finds a slot by `hsm::<model>[_n]::<number>`.
[[nodiscard]] Result<std::unique_ptr<SlotPool::Slot>> find_slot(
    const std::string& name, std::span<const HsmInstance> instances) {
  const std::string prefix = name + "::";
  const std::string example = prefix + "label";
  const Result<KeyUid> uid = parse_key_uid(example);
  if (!uid || !uid->in_hsm || uid->label != "label")
    return bad("a slot of an HSM pool is written hsm::<model>::<slot>");
  for (const HsmInstance& instance : instances) {
    if (!prefix.starts_with(instance.settings().uid_prefix)) continue;
    for (const TokenSlot::Settings& slot : instance.settings().slots)
      if (slot.slot.number == uid->slot)
        return std::unique_ptr<SlotPool::Slot>(
            new SlotPool::Slot{instance, slot.slot.number, prefix});
  }
  return bad("an HSM pool names a slot that is not in the options");
}

}  // namespace

// ---- Which slots are asked ----

SlotHealth::Claim SlotHealth::claim(Clock::time_point now) noexcept {
  Clock::rep until = silent_until_.load(std::memory_order_relaxed);
  if (until == 0) return Claim::well;
  const Clock::rep at = now.time_since_epoch().count();
  if (at < until) return Claim::none;
  // The others stay away until this one knows more.
  return silent_until_.compare_exchange_strong(until, at + longest_silence) ? Claim::trial
                                                                            : Claim::none;
}

void SlotHealth::lost(Claim claim, Clock::time_point now) noexcept {
  // Of the operations that were under way when the slot went, the first counts.
  if (claim != Claim::trial && silent_until_.load() != 0) return;
  const Clock::rep silence = std::clamp(silence_.load() * 2, first_silence, longest_silence);
  silence_ = silence;
  silent_until_ = now.time_since_epoch().count() + silence;
}

void SlotHealth::served(Claim claim) noexcept {
  if (claim == Claim::well) return;
  silence_ = 0;
  silent_until_ = 0;
}

SlotPool::Slot* SlotPool::Turn::next(bool lost_too) {
  const std::size_t count = pool_.slots_.size();
  for (const bool needed : {false, true}) {
    if (needed && !lost_too) break;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = (first_ + i) % count;
      if (asked_[index]) continue;
      slot_ = pool_.slots_[index].get();
      claim_ = needed ? SlotHealth::Claim::necessity : slot_->health.claim(Clock::now());
      if (claim_ == SlotHealth::Claim::none) continue;
      asked_[index] = true;
      return slot_;
    }
  }
  return nullptr;
}

bool SlotPool::Turn::passes_over(const Error& error) {
  if (error.code == Errc::unavailable) {
    slot_->health.lost(claim_, Clock::now());
    lost_ = error;
    return true;
  }
  if (error.code != Errc::not_found && error.code != Errc::unsupported_algorithm) return false;
  slot_->health.served(claim_);
  if (!other_ || other_->code == Errc::not_found) other_ = error;
  return true;
}

void SlotPool::Turn::end() { slot_->health.served(claim_); }

// ---- Keys ----

SlotPool::SlotPool(WarningSink warn)
    : warn_(std::move(warn)), known_([](Known*, const std::shared_ptr<const crypto::ForkMark>&) {
        return std::make_unique<Known>();
      }) {}

Result<std::shared_ptr<SlotPool>> SlotPool::make(const HsmPool& options,
                                                 std::span<const HsmInstance> instances,
                                                 const WarningSink& warn) {
  if (options.slots.size() < 2) return bad("an HSM pool has two slots or more");
  std::shared_ptr<SlotPool> pool(new SlotPool(warn));
  for (const std::string& name : options.slots) {
    Result<std::unique_ptr<Slot>> slot = find_slot(name, instances);
    if (!slot) return slot.error();
    const auto same = [&](const std::unique_ptr<Slot>& s) {
      return s->uid_prefix == (*slot)->uid_prefix;
    };
    if (std::ranges::any_of(pool->slots_, same)) return bad("an HSM pool names a slot twice");
    if (!pool->slots_.empty() && (*slot)->instance.settings().boundary != pool->boundary())
      return bad("the slots of an HSM pool have one cek_boundary");
    pool->slots_.push_back(*std::move(slot));
  }
  return pool;
}

Result<std::shared_ptr<const Key>> SlotPool::resolve(const std::string& label) const {
  Known& known = known_.get();
  {
    const std::lock_guard lock(known.mutex);
    const auto found = known.keys.find(label);
    if (found != known.keys.end() && Clock::now() < found->second.good_until)
      return found->second.key;
  }
  Result<std::shared_ptr<const Key>> key = look_up(label);
  const std::lock_guard lock(known.mutex);
  if (known.keys.size() >= cache_entries) known.keys.clear();
  if (key && (*key)->info().type == KeyType::rsa)
    known.keys[label] = {*key, Clock::now() + cache_time};
  else
    known.keys.erase(label);
  return key;
}

/// In the order of the slots, so that all processes come to the same. All that are at hand are
/// asked: one that holds another key is told of at once.
Result<std::shared_ptr<const Key>> SlotPool::look_up(const std::string& label) const {
  std::shared_ptr<const HsmKey> reference;
  std::optional<Error> refused;
  Turn turn(*this, 0);
  while (const Slot* slot = turn.next(!reference)) {
    Result<std::shared_ptr<const HsmKey>> key =
        reference ? key_in(*slot, label, reference->rsa()->public_key().n())
                  : slot->instance.get().resolve(slot->uid_prefix + label);
    if (!key && turn.passes_over(key.error())) continue;
    turn.end();
    if (!key && !refused) refused = key.error();
    if (!key || reference) continue;
    if ((*key)->rsa() != nullptr)
      reference = *std::move(key);
    else if (slot == slots_.front().get())
      return std::shared_ptr<const Key>(*std::move(key));
    else
      (void)turn.passes_over(no_such_key);
  }
  if (!reference) return refused ? *refused : turn.failure();
  KeyInfo info = reference->info();
  info.uid = slots_.front()->uid_prefix + label;
  auto replicas =
      std::make_shared<const Replicas>(Replicas{weak_from_this(), label, std::move(reference)});
  return std::shared_ptr<const Key>(
      std::make_shared<ReplicatedKey>(std::move(info), std::move(replicas)));
}

Result<std::shared_ptr<const HsmKey>> SlotPool::key_in(
    const Slot& slot, const std::string& label, std::span<const std::uint8_t> modulus) const {
  const std::string uid = slot.uid_prefix + label;
  Result<std::shared_ptr<const HsmKey>> key = slot.instance.get().resolve(uid);
  if (!key && (key.error().code == Errc::unavailable || key.error().code == Errc::not_found))
    return key;
  const RsaObject* const rsa = key ? (*key)->rsa() : nullptr;
  if (rsa != nullptr && std::ranges::equal(rsa->public_key().n(), modulus)) return key;
  warn_once(uid, key ? "an HSM pool passes over another key under the same label: "
                     : "an HSM pool passes over a key that is of no use here: ");
  return no_such_key;
}

void SlotPool::warn_once(const std::string& uid, const char* text) const {
  Known& known = known_.get();
  {
    const std::lock_guard lock(known.mutex);
    if (known.warned.size() >= cache_entries || !known.warned.insert(uid).second) return;
  }
  if (warn_) warn_(text + uid);
}

}  // namespace jwekms::pkcs11

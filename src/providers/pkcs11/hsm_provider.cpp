// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/hsm_provider.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "jwekms/key_uid.hpp"
#include "providers/pkcs11/hsm_instance.hpp"
#include "providers/pkcs11/kek_object.hpp"
#include "providers/pkcs11/new_objects.hpp"
#include "providers/pkcs11/slot_pool.hpp"

namespace jwekms::pkcs11 {

namespace {

[[nodiscard]] Error bad(const char* text) noexcept { return {Errc::bad_request, 0, text}; }
constexpr Error refused{Errc::unsupported_algorithm, 0, "the HSM does not make such a key"};

class HsmProvider final : public KeyProvider {
 public:
  HsmProvider(const HsmInstance& instance, std::uint32_t rsa_min_bits)
      : instance_(instance), settings_(instance_.settings()), rsa_min_bits_(rsa_min_bits) {}

  /// The pool serves the keys of a slot of this instance. To be called before anybody asks for one.
  void serve_by(std::shared_ptr<const SlotPool> pool) {
    pools_.emplace(pool->slots().front()->number, std::move(pool));
  }

  std::string_view uid_prefix() const noexcept override { return settings_.uid_prefix; }
  std::span<const std::string> admins() const noexcept override { return settings_.admins; }

  [[nodiscard]] Result<Instance::Place> place_of(std::string_view uid) const {
    return instance_.get().place_of(uid);
  }
  [[nodiscard]] ReservedKey& reserved() const noexcept { return *settings_.reserved; }

  std::string place_of_new_keys() const override {
    const Instance& instance = instance_.get();
    if (instance.slots().size() != 1) return {};
    return instance.uid_of(*instance.slots().front(), "");
  }

  Result<std::shared_ptr<const Key>> resolve(std::string_view kid) const override {
    if (const Result<KeyUid> uid = parse_key_uid(kid); uid && !pools_.empty())
      if (const auto pool = pools_.find(uid->slot); pool != pools_.end())
        return pool->second->resolve(std::string(uid->label));
    Result<std::shared_ptr<const HsmKey>> key = instance_.get().resolve(kid);
    if (!key) return key.error();
    return std::shared_ptr<const Key>(*std::move(key));
  }

  Result<KeyInfo> create(const CreateKey& request) override {
    Instance& instance = instance_.get();
    if (!request.aliases.empty() || !request.owner.empty())
      return bad("an HSM key has no aliases and no owner");
    const Result<Instance::Place> place = instance.place_of(request.uid);
    if (!place) return not_here(place.error());
    const Result<std::string> nonce = random_hex();
    if (!nonce) return nonce.error();
    switch (request.type) {
      case KeyType::rsa: return create_rsa(instance, *place, request, "jwekms:rsa:" + *nonce);
      case KeyType::oct: return create_aes(instance, *place, request, *nonce);
    }
    return bad("unknown key type");
  }

  Result<KeyInfo> import_wrapped(const Key& parent, const WrappedCek& wrapped,
                                 const KeepCek& request) override {
    Instance& instance = instance_.get();
    if (!request.aliases.empty() || !request.owner.empty())
      return bad("an HSM key has no aliases and no owner");
    const auto* key = dynamic_cast<const HsmKey*>(&parent);
    if (key == nullptr) return bad("a CEK is kept in an HSM by the key in it that unwraps it");
    const Result<std::string> nonce = random_hex();
    if (!nonce) return nonce.error();
    const std::string uid =
        request.uid.empty() ? beside(parent.info().uid, "cek-" + *nonce) : request.uid;
    const Result<Instance::Place> place = instance.place_of(uid);
    if (!place) return not_here(place.error());
    const Result<std::shared_ptr<const RsaObject>> rsa = key->rsa_in(*place->slot);
    if (!rsa) return rsa.error();
    const std::string id = write_cek_id(wrapped.enc.id, *nonce, parent.info().uid);
    KeyObject object;
    const Result<void> kept = (*rsa)->unwrap_to_token(wrapped, place->label, id, object);
    if (!kept) return kept.error();
    instance.forget(uid);
    return instance.info_of(*place->slot, object);
  }

  Result<KeyPage> list(const ListKeys& request) const override {
    if (request.limit < 1 || request.limit > 1000) return bad("a page has 1 to 1000 keys");
    Instance& instance = instance_.get();
    std::map<std::string, KeyInfo> all;
    for (const std::shared_ptr<TokenSlot>& slot : instance.slots()) {
      std::vector<KeyObject> objects;
      const Result<Outcome> outcome = slot->run_in_turn(
          [&](const Session& session) { return find_keys(*slot, session, objects); });
      if (!outcome) return outcome.error();
      if (!outcome->ok()) return refused_search;
      for (const KeyObject& object : objects) {
        KeyInfo info = instance.info_of(*slot, object);
        if (info.uid > request.after && parse_key_uid(info.uid)) all.emplace(info.uid, info);
      }
    }
    KeyPage page;
    for (auto& [uid, info] : all) {
      page.more = page.keys.size() == request.limit;
      if (page.more) break;
      page.keys.push_back(std::move(info));
    }
    return page;
  }

  Result<KeyInfo> set_state(std::string_view uid, KeyState state) override {
    if (state != KeyState::destroyed) return bad("an HSM key is active or destroyed");
    Instance& instance = instance_.get();
    const Result<Instance::Place> place = instance.place_of(uid);
    if (!place) return place.error();
    KeyObject object;
    const std::unique_lock<Gate> turn = place->slot->turn();
    if (!turn) return TokenSlot::busy;
    // The search comes first, alone: a destruction that is repeated finds nothing.
    Result<Outcome> outcome = place->slot->run([&](const Session& session) {
      return find_key(*place->slot, session, place->label, object);
    });
    const bool searched = outcome && outcome->ok();
    if (searched)
      outcome = place->slot->run([&](const Session& session) -> Result<Step> {
        if (settings_.reserved->is(*place->slot, uid, place->label)) return reserved_key;
        return destroy_key(*place->slot, session, object);
      });
    // Gone since the search: by a first attempt whose answer was lost, or by somebody else.
    if (!outcome && searched && outcome.error().code == Errc::not_found) outcome = Outcome{};
    instance.forget(std::string(uid));
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return Error{Errc::forbidden, 0, "the HSM does not destroy this key"};
    place->slot->drop_copies();
    KeyInfo info = instance.info_of(*place->slot, object);
    info.state = KeyState::destroyed;
    return info;
  }

 private:
  /// The UID of another label in the slot of a UID.
  [[nodiscard]] static std::string beside(const std::string& uid, const std::string& label) {
    const std::size_t label_size = parse_key_uid(uid).value().label.size();
    return uid.substr(0, uid.size() - label_size) + label;
  }

  /// A new key's UID that leads nowhere is a bad request.
  [[nodiscard]] static Error not_here(Error error) noexcept {
    if (error.code == Errc::not_found) error.code = Errc::bad_request;
    return error;
  }

  [[nodiscard]] Result<std::string> random_hex() const {
    std::array<std::uint8_t, 12> bytes;
    if (const Result<void> drawn = instance_.get().library()->random(bytes); !drawn)
      return drawn.error();
    std::string text;
    for (const std::uint8_t byte : bytes) {
      constexpr std::string_view digits = "0123456789abcdef";
      text += digits[byte >> 4];
      text += digits[byte & 0x0F];
    }
    return text;
  }

  [[nodiscard]] Result<KeyInfo> create_rsa(Instance& instance, const Instance::Place& place,
                                           const CreateKey& request, const std::string& id) {
    const std::uint32_t bits = request.bits == 0 ? 2048 : request.bits;
    if (request.enc) return bad("an RSA key is not bound to an enc");
    if (!request.algs.empty()) return bad("an HSM key serves every alg of its type");
    if (bits != 2048 && bits != 3072 && bits != 4096)
      return bad("an RSA key has 2048, 3072 or 4096 bits");
    if (bits < rsa_min_bits_) return Error{Errc::crypto_failure, 0, "the RSA key is too small"};
    KeyObject object;
    const Result<Outcome> outcome = run_making(*place.slot, id, [&](const Session& session) {
      return generate_rsa(*place.slot, session, place.label, id, bits, settings_.boundary, object);
    });
    return made(instance, place, outcome, object);
  }

  [[nodiscard]] Result<KeyInfo> create_aes(Instance& instance, const Instance::Place& place,
                                           const CreateKey& request, const std::string& nonce) {
    const EncRow& enc = row(request.enc.value_or(Enc::A256GCM));
    if (enc.hash != Hash::none || enc.support != Support::implemented)
      return bad("enc is not implemented in an HSM");
    if (request.bits != 0 && request.bits != enc.cek_bytes * 8U)
      return bad("the key's bits do not fit its enc");
    if (!request.algs.empty() && request.algs != AlgSet{Alg::dir})
      return bad("the algs do not fit the key");
    const std::string id = write_cek_id(enc.id, nonce, {});
    KeyObject object;
    const Result<Outcome> outcome = run_making(*place.slot, id, [&](const Session& session) {
      return generate_aes(*place.slot, session, place.label, id, enc.cek_bytes, object);
    });
    return made(instance, place, outcome, object);
  }

  [[nodiscard]] static Result<KeyInfo> made(Instance& instance, const Instance::Place& place,
                                            const Result<Outcome>& outcome,
                                            const KeyObject& object) {
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return refused;
    KeyInfo info = instance.info_of(*place.slot, object);
    instance.forget(info.uid);
    return info;
  }

  const HsmInstance instance_;
  const InstanceSettings& settings_;
  const std::uint32_t rsa_min_bits_;
  std::map<std::uint64_t, std::shared_ptr<const SlotPool>> pools_;  ///< By their first slots.
};

using Pools = std::vector<std::shared_ptr<SlotPool>>;

[[nodiscard]] Result<Pools> make_pools(std::span<const HsmPool> options,
                                       std::span<const HsmInstance> instances,
                                       const WarningSink& warn) {
  Pools pools;
  std::set<std::string> taken;
  for (const HsmPool& pool_options : options) {
    Result<std::shared_ptr<SlotPool>> pool = SlotPool::make(pool_options, instances, warn);
    if (!pool) return pool.error();
    for (const std::unique_ptr<SlotPool::Slot>& slot : (*pool)->slots())
      if (!taken.insert(slot->uid_prefix).second) return bad("an HSM slot is in two pools");
    pools.push_back(*std::move(pool));
  }
  return pools;
}

/// Logs in everywhere. A slot of a pool may be out of reach as long as another one of it is not. A
/// PIN that is refused ends it where no pool can: another slot may be the same HSM token.
/// Errors: unavailable.
[[nodiscard]] Result<void> connect(std::span<const HsmInstance> instances, const Pools& pools,
                                   const WarningSink& warn) {
  std::map<std::string, Error> lost;  // by the slots' UID prefixes
  const auto is_pooled = [&](const std::string& uid_prefix) {
    return std::ranges::any_of(pools, [&](const auto& pool) {
      return std::ranges::any_of(pool->slots(),
                                 [&](const auto& slot) { return slot->uid_prefix == uid_prefix; });
    });
  };
  for (const HsmInstance& instance : instances)
    for (const std::shared_ptr<TokenSlot>& slot : instance.get().slots()) {
      const Result<Outcome> outcome =
          slot->run([](const Session&) -> Result<Step> { return Step{}; });
      if (outcome) continue;
      const std::string uid_prefix = instance.get().uid_of(*slot, {});
      if (slot->pin_is_refused() && !is_pooled(uid_prefix)) return outcome.error();
      lost.emplace(uid_prefix, outcome.error());
    }
  const auto find_lost = [&](const std::unique_ptr<SlotPool::Slot>& slot) {
    return lost.find(slot->uid_prefix);
  };
  for (const std::shared_ptr<SlotPool>& pool : pools) {
    const auto is_lost = [&](const auto& slot) { return find_lost(slot) != lost.end(); };
    if (std::ranges::all_of(pool->slots(), is_lost)) continue;
    for (const std::unique_ptr<SlotPool::Slot>& slot : pool->slots()) {
      const auto found = find_lost(slot);
      if (found == lost.end()) continue;
      slot->health.lost(SlotHealth::Claim::well, SlotHealth::Clock::now());
      if (warn)
        warn("a slot of an HSM pool is not there: " + found->first + " " +
             std::string(found->second.text));
      lost.erase(found);
    }
  }
  if (!lost.empty()) return lost.begin()->second;
  return {};
}

}  // namespace

Result<std::vector<std::shared_ptr<KeyProvider>>> open_hsms(
    const std::shared_ptr<const crypto::Library>& library, std::span<const HsmOptions> options,
    std::span<const HsmPool> pool_options, const std::shared_ptr<core::EncryptionCounter>& counter,
    const WarningSink& warn, const Policy& policy) {
  std::vector<HsmInstance> instances;
  std::map<std::string, InstanceSettings> first_of;  // by their modules
  const auto reserved = std::make_shared<ReservedKey>();
  const auto budgets = std::make_shared<const crypto::PerProcess<Budgets>>(
      [counter](Budgets*, std::shared_ptr<const crypto::ForkMark> mark) {
        return std::make_unique<Budgets>(counter, std::move(mark));
      });
  for (std::size_t i = 0; i < options.size(); ++i) {
    const auto before = std::ranges::count_if(
        options.first(i), [&](const HsmOptions& o) { return o.model == options[i].model; });
    Result<InstanceSettings> settings =
        read_settings(options[i], static_cast<std::uint32_t>(before));
    if (!settings) return settings.error();
    // A module is initialised once for all who use it.
    const InstanceSettings& first =
        first_of.try_emplace(Module::canonical(settings->module_path), *settings).first->second;
    if (first.init_args != settings->init_args)
      return bad("two HSMs of one module have different init arguments");
    settings->module_is_ours = first.module_is_ours;
    settings->reserved = reserved;
    instances.emplace_back(library, *std::move(settings), budgets, warn);
  }
  Result<Pools> pools = make_pools(pool_options, instances, warn);
  if (!pools) return pools.error();
  if (const Result<void> r = connect(instances, *pools, warn); !r) return r.error();
  std::vector<std::shared_ptr<KeyProvider>> providers;
  for (const HsmInstance& instance : instances) {
    auto provider = std::make_shared<HsmProvider>(instance, policy.rsa_min_bits);
    for (const std::shared_ptr<SlotPool>& pool : *pools)
      if (pool->slots().front()->uid_prefix.starts_with(provider->uid_prefix()))
        provider->serve_by(pool);
    providers.push_back(std::move(provider));
  }
  return providers;
}

Result<std::shared_ptr<core::KekWrapper>> open_kek_wrapper(
    const std::shared_ptr<const crypto::Library>& library,
    std::span<const std::shared_ptr<KeyProvider>> hsms, const std::string& uid,
    const WarningSink& warn) {
  const auto owner = std::ranges::find_if(
      hsms, [&](const auto& hsm) { return uid.starts_with(hsm->uid_prefix()); });
  if (owner == hsms.end()) return bad("key_encryption_key names no HSM of the options");
  const auto provider = std::static_pointer_cast<HsmProvider>(*owner);
  const Result<Instance::Place> place = provider->place_of(uid);
  if (!place && place.error().code == Errc::not_found)
    return bad("key_encryption_key names no slot of the HSM");
  if (!place) return place.error();
  auto kek = std::make_shared<KekObject>(library, uid,
                                         [provider, uid] { return provider->place_of(uid); });
  if (const Result<void> ready = kek->prepare(provider->reserved(), warn); !ready)
    return ready.error();
  return std::shared_ptr<core::KekWrapper>(std::move(kek));
}

}  // namespace jwekms::pkcs11

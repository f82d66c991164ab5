// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/hsm_provider.hpp"

#include <algorithm>
#include <map>

#include "core/per_process.hpp"
#include "providers/pkcs11/instance.hpp"
#include "providers/pkcs11/kek_object.hpp"
#include "providers/pkcs11/new_objects.hpp"

namespace jwekms::pkcs11 {

namespace {

[[nodiscard]] Error bad(const char* text) noexcept { return {Errc::bad_request, 0, text}; }
constexpr Error refused{Errc::unsupported_algorithm, 0, "the HSM does not make such a key"};

class HsmProvider final : public KeyProvider {
 public:
  HsmProvider(const std::shared_ptr<const crypto::Library>& library, InstanceSettings settings,
              const std::shared_ptr<core::EncryptionCounter>& counter, const WarningSink& warn,
              std::uint32_t rsa_min_bits)
      : settings_(std::move(settings)),
        rsa_min_bits_(rsa_min_bits),
        instance_(
            [this, library, counter, warn](Instance*, std::shared_ptr<const core::ForkMark> mark) {
              return std::make_unique<Instance>(library, settings_, counter, std::move(mark), warn);
            }) {}

  /// Errors: unavailable.
  [[nodiscard]] Result<void> connect() {
    for (const std::shared_ptr<TokenSlot>& slot : instance_.get().slots()) {
      const Result<Outcome> outcome =
          slot->run([](const Session&) -> Result<Step> { return Step{}; });
      if (!outcome) return outcome.error();
    }
    return {};
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
    if (key == nullptr || key->rsa() == nullptr)
      return bad("a CEK is kept in an HSM by the key in it that unwraps it");
    const Result<std::string> nonce = random_hex();
    if (!nonce) return nonce.error();
    const std::string uid =
        request.uid.empty() ? instance.uid_of(key->rsa()->slot(), "cek-" + *nonce) : request.uid;
    const Result<Instance::Place> place = instance.place_of(uid);
    if (!place) return not_here(place.error());
    if (place->slot.get() != &key->rsa()->slot())
      return bad("a CEK is kept in the HSM slot of the key that unwraps it");
    const std::string id = write_cek_id(wrapped.enc.id, *nonce, parent.info().uid);
    const std::lock_guard lock(instance.creating());
    const Result<void> kept = key->rsa()->unwrap_to_token(wrapped, place->label, id);
    if (!kept) return kept.error();
    return describe(instance, uid);
  }

  Result<KeyPage> list(const ListKeys& request) const override {
    if (request.limit < 1 || request.limit > 1000) return bad("a page has 1 to 1000 keys");
    Instance& instance = instance_.get();
    std::map<std::string, KeyInfo> all;
    for (const std::shared_ptr<TokenSlot>& slot : instance.slots()) {
      std::vector<KeyObject> objects;
      const Result<Outcome> outcome =
          slot->run([&](const Session& session) { return find_keys(*slot, session, objects); });
      if (!outcome) return outcome.error();
      if (!outcome->ok()) return Error{Errc::internal_error, 0, "the HSM refused a search"};
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
    if (settings_.reserved->is(*place->slot, place->label)) return reserved_key;
    KeyObject object;
    // The search comes first, alone: a destruction that is repeated finds nothing.
    Result<Outcome> outcome = place->slot->run([&](const Session& session) {
      return find_key(*place->slot, session, place->label, object);
    });
    if (outcome && outcome->ok())
      outcome = place->slot->run(
          [&](const Session& session) { return destroy_key(*place->slot, session, object); });
    instance.forget(std::string(uid));
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return Error{Errc::forbidden, 0, "the HSM does not destroy this key"};
    KeyInfo info = instance.info_of(*place->slot, object);
    info.state = KeyState::destroyed;
    return info;
  }

 private:
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
    const std::lock_guard lock(instance.creating());
    return made(instance, request.uid, place.slot->run([&](const Session& session) {
      return generate_rsa(*place.slot, session, place.label, id, bits, settings_.boundary);
    }));
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
    const std::lock_guard lock(instance.creating());
    return made(instance, request.uid, place.slot->run([&](const Session& session) {
      return generate_aes(*place.slot, session, place.label, id, enc.cek_bytes);
    }));
  }

  [[nodiscard]] Result<KeyInfo> made(Instance& instance, const std::string& uid,
                                     const Result<Outcome>& outcome) {
    if (!outcome) return outcome.error();
    if (!outcome->ok()) return refused;
    return describe(instance, uid);
  }

  /// What the token has made. Another process may have made its like meanwhile; then both are left
  /// for the operator to choose from.
  [[nodiscard]] static Result<KeyInfo> describe(Instance& instance, const std::string& uid) {
    instance.forget(uid);
    const Result<std::shared_ptr<const HsmKey>> key = instance.resolve(uid);
    if (!key) return key.error();
    return (*key)->info();
  }

  const InstanceSettings settings_;
  const std::uint32_t rsa_min_bits_;
  const core::PerProcess<Instance> instance_;
};

}  // namespace

Result<std::vector<std::shared_ptr<KeyProvider>>> open_hsms(
    const std::shared_ptr<const crypto::Library>& library, std::span<const HsmOptions> options,
    const std::shared_ptr<core::EncryptionCounter>& counter, const WarningSink& warn,
    const Policy& policy) {
  std::vector<std::shared_ptr<KeyProvider>> providers;
  const auto reserved = std::make_shared<ReservedKey>();
  for (std::size_t i = 0; i < options.size(); ++i) {
    const auto before = std::ranges::count_if(
        options.first(i), [&](const HsmOptions& o) { return o.model == options[i].model; });
    Result<InstanceSettings> settings =
        read_settings(options[i], static_cast<std::uint32_t>(before));
    if (!settings) return settings.error();
    settings->reserved = reserved;
    auto provider = std::make_shared<HsmProvider>(library, *std::move(settings), counter, warn,
                                                  policy.rsa_min_bits);
    if (const Result<void> connected = provider->connect(); !connected) return connected.error();
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

// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/instance.hpp"

#include <algorithm>

#include "jwekms/key_uid.hpp"

namespace jwekms::pkcs11 {

namespace {

using namespace std::chrono_literals;
/// How long another process's change to an object may go unseen.
constexpr auto cache_time = 10s;
/// How much longer a key that is in use serves while somebody else searches, makes or destroys.
constexpr auto grace_time = 60s;
constexpr std::size_t cache_entries = 1024;

[[nodiscard]] Error bad(const char* text) noexcept { return {Errc::bad_request, 0, text}; }

[[nodiscard]] AlgSet rsa_algs() noexcept {
  AlgSet algs;
  for (const AlgRow& r : alg_table)
    if (r.mode == KeyManagement::rsa_oaep && r.support == Support::implemented) algs.insert(r.id);
  return algs;
}

}  // namespace

Result<InstanceSettings> read_settings(const HsmOptions& options, std::uint32_t index) {
  InstanceSettings settings;
  settings.model = find_model(options.model);
  if (settings.model == nullptr) return bad("unknown HSM model");
  if (options.slots.empty()) return bad("an HSM has no slots");
  // These become C strings, which a NUL would cut short without a word.
  const auto has_nul = [](const std::string& text) { return text.find('\0') != text.npos; };
  if (has_nul(options.module_path) || has_nul(options.init_args))
    return bad("NUL in an HSM's module path or init arguments");
  if (options.max_sessions == 0 || options.max_sessions > 4096)
    return bad("an HSM has 1 to 4096 sessions");
  if (options.session_timeout.count() < 0) return bad("an HSM's session timeout is negative");
  settings.uid_prefix = "hsm::" + options.model;
  if (index != 0) {
    settings.uid_prefix += '_';
    settings.uid_prefix += std::to_string(index);
  }
  settings.uid_prefix += "::";
  settings.module_path =
      options.module_path.empty() ? settings.model->module_path : options.module_path;
  settings.init_args = options.init_args;
  settings.boundary = options.cek_boundary;
  settings.raw_rsa_fallback = options.raw_rsa_fallback.value_or(settings.model->raw_rsa_fallback);
  settings.forbid_weak_keys = options.forbid_weak_keys;
  for (const std::string& admin : options.admins)
    if (const Result<void> checked = check_grantee(admin); !checked) return checked.error();
  settings.admins = options.admins;
  for (const HsmSlot& slot : options.slots) {
    const auto same = [&](const TokenSlot::Settings& s) { return s.slot.number == slot.number; };
    if (std::ranges::any_of(settings.slots, same)) return bad("two HSM slots with one number");
    if (has_nul(slot.pin)) return bad("NUL in an HSM's PIN");
    std::shared_ptr<const Pin> pin;
    if (slot.login == HsmLogin::user) {
      Result<std::shared_ptr<const Pin>> read = read_pin(slot.pin);
      if (!read) return read.error();
      // A token would count it as one of the few wrong ones that it takes.
      if ((*read)->size() == 0) return bad("an HSM's PIN is empty");
      pin = *std::move(read);
    }
    HsmSlot without_pin = slot;
    secure_wipe(without_pin.pin.data(), without_pin.pin.size());
    without_pin.pin.clear();
    settings.slots.push_back({std::move(without_pin), std::move(pin), options.max_sessions,
                              options.session_timeout, settings.model->find_batch,
                              settings.model->opens_files, settings.model->makes_keys_alone});
    settings.pin_tries.push_back(std::make_shared<PinTries>());
  }
  return settings;
}

Instance::Instance(std::shared_ptr<const crypto::Library> library, const InstanceSettings& settings,
                   std::shared_ptr<const crypto::PerProcess<Budgets>> budgets, WarningSink warn)
    : library_(std::move(library)),
      settings_(settings),
      budgets_(std::move(budgets)),
      warn_(std::move(warn)) {
  const std::shared_ptr<Module> module =
      Module::get(settings.module_path, settings.init_args, settings.module_is_ours);
  for (std::size_t i = 0; i < settings.slots.size(); ++i)
    slots_.push_back(std::make_shared<TokenSlot>(module, settings.slots[i], settings.pin_tries[i]));
}

Result<Instance::Place> Instance::place_of(std::string_view text) const {
  const Result<KeyUid> uid = parse_key_uid(text);
  if (!uid) return uid.error();
  if (!text.starts_with(settings_.uid_prefix)) return Error{Errc::not_found, 0, "no such key"};
  for (const std::shared_ptr<TokenSlot>& slot : slots_)
    if (slot->number() == uid->slot) return Place{slot, std::string(uid->label)};
  return Error{Errc::not_found, 0, "no such HSM slot"};
}

std::string Instance::uid_of(const TokenSlot& slot, std::string_view label) const {
  std::string uid = settings_.uid_prefix + std::to_string(slot.number()) + "::";
  uid += label;
  return uid;
}

KeyInfo Instance::info_of(TokenSlot& slot, const KeyObject& object) const {
  KeyInfo info;
  info.uid = uid_of(slot, object.label);
  if (object.is_rsa()) {
    info.type = KeyType::rsa;
    std::span<const std::uint8_t> n = object.n;
    while (!n.empty() && n[0] == 0) n = n.subspan(1);
    info.bits = static_cast<std::uint32_t>(n.size() * 8);
    for (unsigned top = n.empty() ? 0x80 : n[0]; (top & 0x80) == 0; top <<= 1) --info.bits;
    info.algs = rsa_algs();
    info.may_decrypt =
        settings_.boundary == CekBoundary::hsm ? object.may_unwrap : object.may_decrypt;
    if (settings_.forbid_weak_keys && is_weak(object)) info.may_decrypt = false;
    // What nobody could decrypt is not encrypted: a key that signs has a public half, too.
    info.may_encrypt = info.may_decrypt;
    return info;
  }
  CekId id = read_cek_id(object.id);
  info.type = KeyType::oct;
  info.enc = id.enc;
  info.parent = std::move(id.parent);
  // SoftHSM does not know the size of a key that it has unwrapped; it was checked at that time.
  const CK_ULONG bytes =
      object.value_bytes == 0 && id.enc ? row(*id.enc).cek_bytes : object.value_bytes;
  info.bits = static_cast<std::uint32_t>(bytes * 8);
  info.algs = {Alg::dir};
  const bool reserved = settings_.reserved->is(slot, info.uid, object.label);
  info.may_decrypt = object.may_decrypt && !reserved;
  info.may_encrypt = object.may_encrypt && !reserved;
  return info;
}

Result<std::shared_ptr<const HsmKey>> Instance::resolve(std::string_view uid) {
  const Clock::time_point now = Clock::now();
  std::string name(uid);
  Cached known;
  {
    const std::lock_guard lock(cache_mutex_);
    const auto found = cache_.find(name);
    if (found != cache_.end()) {
      if (now < found->second.good_until) return found->second.key;
      known = found->second;
    }
  }
  const Result<Place> place = place_of(uid);
  if (!place) return place.error();
  const bool waits = !known.key || now >= known.good_until + grace_time;
  const std::unique_lock<Gate> turn = place->slot->turn(waits);
  if (!turn) return waits ? Result<std::shared_ptr<const HsmKey>>(TokenSlot::busy) : known.key;
  KeyObject object;
  const Result<Outcome> outcome = place->slot->run([&](const Session& session) {
    return find_key(*place->slot, session, place->label, object);
  });
  if (!outcome || !outcome->ok()) {
    if (!outcome && outcome.error().code != Errc::unavailable) forget(name);
    return outcome ? refused_search : outcome.error();
  }
  known.object.handle = object.handle;
  if (!known.key || known.object != object) {
    Result<std::shared_ptr<const HsmKey>> made = make_key(place->slot, object);
    if (!made) return made;
    known = {*std::move(made), std::move(object), {}};
  }
  known.good_until = now + cache_time;
  const std::lock_guard lock(cache_mutex_);
  if (cache_.size() >= cache_entries) cache_.clear();
  return (cache_[std::move(name)] = std::move(known)).key;
}

void Instance::forget(const std::string& uid) {
  const std::lock_guard lock(cache_mutex_);
  cache_.erase(uid);
}

Result<std::shared_ptr<const HsmKey>> Instance::make_key(const std::shared_ptr<TokenSlot>& slot,
                                                         const KeyObject& object) {
  KeyInfo info = info_of(*slot, object);
  if (object.is_rsa()) {
    if (const Result<void> weak = check_weak(object); !weak) return weak.error();
    Result<std::shared_ptr<const crypto::RsaPublicKey>> public_key =
        crypto::RsaPublicKey::from_numbers(library_, object.n, object.e);
    if (!public_key) return public_key.error();
    auto rsa = std::make_shared<const RsaObject>(library_, slot, object, *std::move(public_key),
                                                 settings_.raw_rsa_fallback, settings_.boundary);
    return make_rsa_key(library_, std::move(info), std::move(rsa), settings_.boundary);
  }
  if (settings_.reserved->is(*slot, info.uid, object.label)) return reserved_key;
  if (!object.is_aes()) return Error{Errc::crypto_failure, 0, "the HSM key is neither RSA nor AES"};
  std::shared_ptr<crypto::EncryptionBudget> budget =
      budgets_->get().of(info.uid, slot->token(), object.label);
  return make_aes_key(library_, std::move(info), slot, object, std::move(budget));
}

/// A boundary key that may decrypt gives CEKs away; so does one that may sign, with the bare RSA
/// operation, and one that may itself leave the token.
bool Instance::is_weak(const KeyObject& object) const noexcept {
  return settings_.boundary == CekBoundary::hsm &&
         (object.may_decrypt || object.may_sign || object.may_leave);
}

Result<void> Instance::check_weak(const KeyObject& object) const {
  if (!is_weak(object)) return {};
  if (settings_.forbid_weak_keys)
    return Error{Errc::forbidden, 0, "the key may bring a CEK out of the HSM"};
  if (warn_)
    warn_(
        "a key of the HSM boundary has CKA_DECRYPT, CKA_SIGN or CKA_EXTRACTABLE, or is not "
        "CKA_SENSITIVE: it could bring a CEK out");
  return {};
}

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#include "core/gate.hpp"

#include <algorithm>
#include <span>

#include "core/call.hpp"
#include "jwekms/key_uid.hpp"

namespace jwekms::core {

namespace {

constexpr Error no_such_key{Errc::not_found, 0, "no such key"};
constexpr Error may_not{Errc::forbidden, 0, "the caller may not do this with the key"};

[[nodiscard]] bool is_among(std::span<const std::string> names, std::string_view principal) {
  return std::ranges::any_of(
      names, [&](const std::string& n) { return n == principal || n == every_principal; });
}

}  // namespace

Gate::Gate(std::vector<std::shared_ptr<KeyProvider>> providers, std::vector<std::string> admins)
    : providers_(std::move(providers)),
      admins_(std::move(admins)),
      no_own_keys_(std::make_unique<AbsentNames>()) {
  for (const std::shared_ptr<KeyProvider>& provider : providers_)
    if (grants_ == nullptr) grants_ = provider->grants();
  std::ranges::stable_sort(providers_, [](const auto& a, const auto& b) {
    return a->uid_prefix().size() > b->uid_prefix().size();
  });
}

// ---- Who may do what ----------------------------------------------------------------------------

bool Gate::Rights::allow(Operation operation) const noexcept {
  if (all) return true;
  switch (operation) {
    case Operation::decrypt: return granted.contains(Permission::decrypt);
    case Operation::encrypt: return granted.contains(Permission::encrypt);
    case Operation::unwrap: return granted.contains(Permission::unwrap);
    case Operation::describe: return !granted.empty();
    case Operation::publish: return true;  // senders need it, and they own nothing
    case Operation::manage: return granted.contains(Permission::manage);
    case Operation::destroy: return false;
    case Operation::grant: return granted.contains(Permission::grant);
  }
  return false;
}

bool Gate::administers(std::string_view principal, const KeyProvider& provider) const {
  return principal.empty() || is_among(admins_, principal) ||
         is_among(provider.admins(), principal);
}

Result<Gate::Rights> Gate::rights(std::string_view principal, const KeyProvider& provider,
                                  std::string_view uid, std::string_view owner) const {
  if (administers(principal, provider)) return Rights{.all = true};
  if (provider.keeps_owners() && owner == principal) return Rights{.all = true};
  if (grants_ == nullptr) return Rights{};
  const Result<Permissions> granted = grants_->granted(uid, principal);
  if (!granted) return granted.error();
  return Rights{.granted = *granted};
}

/// @param key  what was found under `kid`. What its provider says against it, such as its kind, is
/// for those alone who may use it.
Result<Gate::Rights> Gate::authorise(Call& call, std::string_view kid, const FoundKey& key,
                                     Operation operation) const {
  if (!key && key.error().code != Errc::crypto_failure && key.error().code != Errc::forbidden)
    return key.error();
  const std::string_view uid = key ? (*key)->info().uid : kid;
  call.note_uid(uid);
  if (!call.is_host()) {
    const Result<KeyProvider*> provider = route(kid);
    if (!provider) return provider.error();
    // Grants go by the UID: that of another provider's key would open it with that one's.
    if (const Result<KeyProvider*> own = route(uid); !own || *own != *provider)
      return Error{Errc::internal_error, 0, "a key provider named a key that is not its own"};
    const std::string_view owner = key ? (*key)->info().owner : std::string_view{};
    // That a key has no public half is for those who may know what it is.
    if (operation == Operation::publish && !(key && (*key)->info().type == KeyType::rsa))
      operation = Operation::describe;
    const Result<Rights> rights = this->rights(call.principal(), **provider, uid, owner);
    if (!rights) return rights;
    if (!rights->allow(operation)) return may_not;
    if (key) return rights;
  }
  if (!key) return key.error();
  return Rights{.all = true};
}

Result<std::shared_ptr<const Key>> Gate::key(Call& call, std::string_view kid,
                                             Operation operation) const {
  FoundKey key = find(kid);
  const Result<Rights> rights = authorise(call, kid, key, operation);
  if (!rights) return rights.error();
  return key;
}

/// An alias will not do: it may move to another key.
Result<Gate::Rights> Gate::authorise_by_uid(Call& call, std::string_view uid,
                                            Operation operation) const {
  const FoundKey key = find(uid);
  const Result<Rights> rights = authorise(call, uid, key, operation);
  if (rights && (*key)->info().uid != uid) return no_such_key;
  return rights;
}

Result<KeyProvider*> Gate::change(Call& call, std::string_view uid, Operation operation) const {
  const Result<KeyProvider*> provider = route(uid);
  if (!provider) return provider;
  call.note_uid(uid);
  if (administers(call.principal(), **provider)) return provider;
  if (const Result<Rights> r = authorise_by_uid(call, uid, operation); !r) return r.error();
  return provider;
}

Result<KeyPage> Gate::list(const Call& call, const ListKeys& request, std::string_view prefix,
                           Operation operation) const {
  const auto owner_of_prefix = std::ranges::find_if(
      providers_, [&](const auto& provider) { return provider->uid_prefix() == prefix; });
  if (owner_of_prefix == providers_.end()) return Error{Errc::not_found, 0, "no such key provider"};
  const KeyProvider& provider = **owner_of_prefix;
  if (operation == Operation::publish || administers(call.principal(), provider))
    return provider.list(request);

  if (request.limit < 1 || request.limit > 1000)
    return Error{Errc::bad_request, 0, "a page has 1 to 1000 keys"};
  KeyPage page;
  ListKeys next{.after = request.after, .limit = 1000};
  for (;;) {
    Result<KeyPage> part = provider.list(next);
    if (!part) return part;
    for (KeyInfo& info : part->keys) {
      const Result<Rights> rights = this->rights(call.principal(), provider, info.uid, info.owner);
      if (!rights) return rights.error();
      next.after = info.uid;
      if (!rights->allow(operation)) continue;
      page.more = page.keys.size() == request.limit;
      if (page.more) return page;
      page.keys.push_back(std::move(info));
    }
    if (!part->more || part->keys.empty()) return page;
  }
}

std::vector<std::string_view> Gate::prefixes() const {
  std::vector<std::string_view> all;
  for (const std::shared_ptr<KeyProvider>& provider : providers_)
    all.push_back(provider->uid_prefix());
  return all;
}

Result<std::string> Gate::only_hsm_slot() const {
  std::string slot;
  for (const std::shared_ptr<KeyProvider>& provider : providers_) {
    if (!provider->uid_prefix().starts_with("hsm::")) continue;
    const std::string place = provider->place_of_new_keys();
    if (place.empty() || !slot.empty())
      return Error{Errc::bad_request, 0, "with several HSM slots, store_in_hsm needs a whole UID"};
    slot = place;
  }
  if (slot.empty()) return Error{Errc::bad_request, 0, "there is no HSM to store the key in"};
  return slot;
}

// ---- Grants -------------------------------------------------------------------------------------

Result<GrantStore*> Gate::store() const {
  if (grants_ == nullptr) return Error{Errc::bad_request, 0, "grants need a database"};
  return grants_;
}

Result<GrantStore*> Gate::grants(Call& call, std::string_view uid) const {
  return grants_to_add(call, uid, {});
}

Result<GrantStore*> Gate::grants_to_add(Call& call, std::string_view uid,
                                        Permissions permissions) const {
  const Result<Rights> rights = authorise_by_uid(call, uid, Operation::grant);
  if (!rights) return rights.error();
  if (!rights->all && (permissions.bits() & ~rights->granted.bits()) != 0)
    return Error{Errc::forbidden, 0, "the caller would grant more than they were granted"};
  return store();
}

Result<GrantStore*> Gate::grants_to_remove(Call& call, std::string_view uid) const {
  const Result<KeyProvider*> provider = change(call, uid, Operation::grant);
  if (!provider) return provider.error();
  return store();
}

/// Nobody is told when it fails: admit() does it again before the name goes to another key.
void Gate::forget_grants(std::string_view uid) const {
  if (grants_ != nullptr) (void)grants_->remove_all(uid);
}

// ---- New keys -----------------------------------------------------------------------------------

Result<KeyProvider*> Gate::route_new(std::string_view uid) const {
  Result<KeyProvider*> provider = route(uid.empty() ? "new" : uid);
  if (!provider && provider.error().code == Errc::not_found)
    return Error{Errc::bad_request, 0, "no key provider takes this UID"};
  return provider;
}

Result<void> Gate::check_alias(const KeyProvider& provider, std::string_view alias) const {
  const Result<KeyProvider*> of_alias = route_new(alias);
  if (!of_alias) return of_alias.error();
  // A token's `kid` is routed by its own text, so an alias must lead to the same provider.
  if (*of_alias != &provider)
    return Error{Errc::bad_request, 0, "the alias belongs to another key provider"};
  return check_not_public_half(alias);
}

Result<Gate::NewPlace> Gate::admit(const Call& call, std::string_view place, NewNames names) const {
  const Result<KeyProvider*> provider = route_new(place);
  if (!provider) return provider.error();
  if (const Result<void> r = settle_owner(call, **provider, names.owner); !r) return r.error();
  for (const std::string& alias : names.aliases)
    if (const Result<void> r = check_not_public_half(alias); !r) return r.error();
  if (names.uid.empty()) return NewPlace{*provider, false};
  if (const Result<void> r = check_not_public_half(names.uid); !r) return r.error();

  // Where a name may come back, as a label in an HSM does, the new key must not inherit the grants
  // of an old one. A key that is there keeps its own: the provider will report the conflict. Unless
  // it was only remembered to be there; then add() forgets them.
  const bool is_taken = bool{(*provider)->resolve(names.uid)};
  if (!is_taken && grants_ != nullptr)
    if (const Result<void> r = grants_->remove_all(names.uid); !r) return r.error();
  return NewPlace{*provider, is_taken};
}

Result<void> Gate::settle_owner(const Call& call, const KeyProvider& provider,
                                std::string& owner) const {
  const bool administers = this->administers(call.principal(), provider);
  if (!administers && !provider.keeps_owners())
    return Error{Errc::forbidden, 0, "only an admin may make keys here"};
  if (!administers && !owner.empty() && owner != call.principal())
    return Error{Errc::forbidden, 0, "a key belongs to the caller who makes it"};
  if (owner.empty() && provider.keeps_owners()) owner = call.principal();
  if (!owner.empty()) return check_principal(owner);
  return {};
}

Result<void> Gate::check_not_public_half(std::string_view name) const {
  const std::string_view pair = pair_of_public_half(name);
  if (pair.empty()) return {};
  const Result<KeyProvider*> provider = route(name);
  if (!provider) return {};  // for the provider of the key to refuse
  const FoundKey found = find_pair(**provider, name);
  if (found) return Error{Errc::conflict, 0, "the name is that of a key pair's public half"};
  if (found.error().code == Errc::not_found) return {};
  return found.error();
}

// ---- Look-up ------------------------------------------------------------------------------------

Result<KeyProvider*> Gate::route(std::string_view text) const {
  const Result<KeyUid> uid = parse_key_uid(text);
  if (!uid) return uid.error();
  for (const std::shared_ptr<KeyProvider>& provider : providers_) {
    const std::string_view prefix = provider->uid_prefix();
    if (text.starts_with(prefix) && !(uid->in_hsm && prefix.empty())) return provider.get();
  }
  return no_such_key;
}

Result<std::shared_ptr<const Key>> Gate::find(std::string_view kid) const {
  const Result<KeyProvider*> provider = route(kid);
  if (!provider) return provider.error();
  if (pair_of_public_half(kid).empty()) return (*provider)->resolve(kid);
  if (no_own_keys_->knows(kid)) return find_pair(**provider, kid);
  const auto asked_at = std::chrono::steady_clock::now();
  FoundKey key = (*provider)->resolve(kid);
  if (key || key.error().code != Errc::not_found) return key;
  FoundKey pair = find_pair(**provider, kid);
  if (pair) no_own_keys_->remember(kid, asked_at);
  return pair;
}

/// The key pair whose public half a name is. Errors: not_found, unavailable, internal_error.
Result<std::shared_ptr<const Key>> Gate::find_pair(const KeyProvider& provider,
                                                   std::string_view kid) const {
  const std::string_view uid = pair_of_public_half(kid);
  const Result<KeyProvider*> of_pair = route(uid);
  if (!of_pair || *of_pair != &provider) return no_such_key;
  FoundKey key = provider.resolve(uid);
  if (key && ((*key)->info().uid != uid || (*key)->info().type != KeyType::rsa)) return no_such_key;
  return key;
}

}  // namespace jwekms::core

// SPDX-License-Identifier: Apache-2.0
#include "jwekms/kms.hpp"

#include <algorithm>
#include <array>

#include "core/context.hpp"
#include "jwekms/base64url.hpp"

namespace jwekms {

namespace core {

Result<KeyProvider*> Context::route(std::string_view text) const {
  const Result<KeyUid> uid = parse_key_uid(text);
  if (!uid) return uid.error();
  for (const std::shared_ptr<KeyProvider>& provider : providers) {
    const std::string_view prefix = provider->uid_prefix();
    if (text.starts_with(prefix) && !(uid->in_hsm && prefix.empty())) return provider.get();
  }
  return Error{Errc::not_found, 0, "no such key"};
}

Result<KeyProvider*> Context::route_new(std::string_view uid) const {
  Result<KeyProvider*> provider = route(uid.empty() ? "new" : uid);
  if (!provider && provider.error().code == Errc::not_found)
    return Error{Errc::bad_request, 0, "no key provider takes this UID"};
  return provider;
}

Result<std::shared_ptr<const Key>> Context::resolve(std::string_view kid) const {
  const Result<KeyProvider*> provider = route(kid);
  if (!provider) return provider.error();
  return (*provider)->resolve(kid);
}

}  // namespace core

namespace {

/// Where a new key goes that is to be made in the HSM.
/// @param label  or a whole UID; empty: a random one is made. Errors: bad_request, internal_error.
[[nodiscard]] Result<std::string> hsm_uid(const core::Context& kms, std::string_view label) {
  if (label.starts_with("hsm::")) return std::string(label);
  std::string uid;
  for (const std::shared_ptr<KeyProvider>& provider : kms.providers) {
    if (!provider->uid_prefix().starts_with("hsm::")) continue;
    const std::string place = provider->place_of_new_keys();
    if (place.empty() || !uid.empty())
      return Error{Errc::bad_request, 0, "with several HSM slots, store_in_hsm needs a whole UID"};
    uid = place;
  }
  if (uid.empty()) return Error{Errc::bad_request, 0, "there is no HSM to store the key in"};
  if (!label.empty()) return uid.append(label);
  std::array<std::uint8_t, 12> bytes;
  if (const Result<void> drawn = kms.library->random(bytes); !drawn) return drawn.error();
  std::string random(base64url::encoded_size(bytes.size()), '\0');
  base64url::encode(bytes, random.data());
  return uid.append("key-").append(random);
}

}  // namespace

Kms::Kms(std::shared_ptr<const crypto::Library> library,
         std::vector<std::shared_ptr<KeyProvider>> providers, const Policy& policy) {
  std::ranges::stable_sort(providers, [](const auto& a, const auto& b) {
    return a->uid_prefix().size() > b->uid_prefix().size();
  });
  context_.reset(new core::Context{std::move(library), std::move(providers), policy});
}
Kms::Kms(Kms&&) noexcept = default;
Kms& Kms::operator=(Kms&&) noexcept = default;
Kms::~Kms() = default;

const Policy& Kms::policy() const noexcept { return context_->policy; }

Result<KeyInfo> Kms::create_key(const CreateKey& request) const {
  const crypto::ErrorQueueGuard guard;
  CreateKey placed = request;
  if (request.store_in_hsm) {
    Result<std::string> uid = hsm_uid(*context_, request.uid);
    if (!uid) return uid.error();
    placed.uid = *std::move(uid);
  }
  const Result<KeyProvider*> provider = context_->route_new(placed.uid);
  if (!provider) return provider.error();
  return (*provider)->create(placed);
}

Result<KeyInfo> Kms::import_key(const ImportKey& request) const {
  const crypto::ErrorQueueGuard guard;
  const Result<KeyProvider*> provider = context_->route_new(request.uid);
  if (!provider) return provider.error();
  return (*provider)->import(request);
}

Result<KeyInfo> Kms::describe_key(std::string_view kid) const {
  const crypto::ErrorQueueGuard guard;
  const Result<std::shared_ptr<const Key>> key = context_->resolve(kid);
  if (!key) return key.error();
  return (*key)->info();
}

Result<KeyPage> Kms::list_keys(const ListKeys& request, std::string_view prefix) const {
  const crypto::ErrorQueueGuard guard;
  for (const std::shared_ptr<KeyProvider>& provider : context_->providers)
    if (provider->uid_prefix() == prefix) return provider->list(request);
  return Error{Errc::not_found, 0, "no such key provider"};
}

Result<std::string> Kms::public_jwk(std::string_view kid) const {
  const crypto::ErrorQueueGuard guard;
  const Result<std::shared_ptr<const Key>> key = context_->resolve(kid);
  if (!key) return key.error();
  return (*key)->public_jwk();
}

Result<std::string> Kms::public_jwks() const {
  std::string set = "{\"keys\":[";
  for (const std::shared_ptr<KeyProvider>& provider : context_->providers) {
    ListKeys request{.limit = 1000};
    for (bool more = true; more;) {
      const Result<KeyPage> page = list_keys(request, provider->uid_prefix());
      // A provider that offers no listing shows its keys one by one, by public_jwk().
      if (!page && page.error().code == Errc::bad_request) break;
      if (!page) return page.error();
      for (const KeyInfo& info : page->keys) {
        if (info.type != KeyType::rsa || info.state != KeyState::active || !info.may_encrypt)
          continue;
        const Result<std::string> jwk = public_jwk(info.uid);
        // Destroyed by somebody since the page was read: rightly left out.
        if (!jwk && jwk.error().code == Errc::not_found) continue;
        if (!jwk) return jwk;
        if (!set.ends_with('[')) set += ',';
        set += *jwk;
      }
      more = page->more && !page->keys.empty();
      if (more) request.after = page->keys.back().uid;
    }
  }
  return set += "]}";
}

Result<void> Kms::add_alias(std::string_view uid, std::string_view alias) const {
  const crypto::ErrorQueueGuard guard;
  const Result<KeyProvider*> provider = context_->route(uid);
  if (!provider) return provider.error();
  const Result<KeyProvider*> of_alias = context_->route_new(alias);
  if (!of_alias) return of_alias.error();
  // A token's `kid` is routed by its own text, so an alias must lead to the same provider.
  if (*of_alias != *provider)
    return Error{Errc::bad_request, 0, "the alias belongs to another key provider"};
  return (*provider)->add_alias(uid, alias);
}

Result<void> Kms::remove_alias(std::string_view alias) const {
  const crypto::ErrorQueueGuard guard;
  const Result<KeyProvider*> provider = context_->route(alias);
  if (!provider) return provider.error();
  return (*provider)->remove_alias(alias);
}

Result<KeyInfo> Kms::set_key_state(std::string_view uid, KeyState state) const {
  const crypto::ErrorQueueGuard guard;
  const Result<KeyProvider*> provider = context_->route(uid);
  if (!provider) return provider.error();
  return (*provider)->set_state(uid, state);
}

}  // namespace jwekms

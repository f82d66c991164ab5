// SPDX-License-Identifier: Apache-2.0
#include "jwekms/kms.hpp"

#include <algorithm>

#include "core/context.hpp"

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
  const Result<KeyProvider*> provider = context_->route_new(request.uid);
  if (!provider) return provider.error();
  return (*provider)->create(request);
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

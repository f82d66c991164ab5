// SPDX-License-Identifier: Apache-2.0
#include "jwekms/kms.hpp"

#include <array>

#include "core/call.hpp"
#include "jwekms/base64url.hpp"

namespace jwekms {

using core::Call;
using core::Operation;

namespace {

/// The UID of a key that is to be made in the HSM.
/// @param label  or a whole UID; empty: a random one is made. Errors: bad_request, internal_error.
[[nodiscard]] Result<std::string> hsm_uid(const core::Context& kms, const std::string& label) {
  if (label.starts_with("hsm::")) return label;
  Result<std::string> place = kms.gate.only_hsm_slot();
  if (!place) return place;
  if (!label.empty()) return *place + label;
  std::array<std::uint8_t, 12> bytes;
  if (const Result<void> drawn = kms.library->random(bytes); !drawn) return drawn.error();
  std::string random(base64url::encoded_size(bytes.size()), '\0');
  base64url::encode(bytes, random.data());
  return *place + "key-" + random;
}

}  // namespace

Kms::Kms(std::shared_ptr<const crypto::Library> library,
         std::vector<std::shared_ptr<KeyProvider>> providers, const Policy& policy,
         std::vector<std::string> admins, AuditSink audit)
    : context_(new core::Context{std::move(library),
                                 {std::move(providers), std::move(admins)},
                                 policy,
                                 std::move(audit)}) {}
Kms::Kms(std::shared_ptr<const core::Context> context, std::string_view principal)
    : context_(std::move(context)), principal_(principal) {}
Kms::Kms(Kms&&) noexcept = default;
Kms& Kms::operator=(Kms&&) noexcept = default;
Kms::~Kms() = default;

Result<Kms> Kms::on_behalf_of(std::string_view principal) const {
  if (!principal_.empty()) return Error{Errc::forbidden, 0, "a principal does not act for another"};
  if (const Result<void> r = check_principal(principal); !r) return r.error();
  return Kms(context_, principal);
}

const Policy& Kms::policy() const noexcept { return context_->policy; }

std::string_view Kms::principal() const noexcept { return principal_; }

namespace {

/// Makes a key with one of a provider's members, and notes it.
template <class Request>
[[nodiscard]] Result<KeyInfo> make_key(Call& call, const Request& request,
                                       Result<KeyInfo> (KeyProvider::*make)(const Request&)) {
  Result<KeyInfo> made = call.kms().gate.add(
      call, request.uid, request,
      [make](KeyProvider& provider, const Request& owned) { return (provider.*make)(owned); });
  if (made) call.note_uid(made->uid);
  return made;
}

}  // namespace

Result<KeyInfo> Kms::create_key(const CreateKey& request) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "create_key", request.uid);
  return call.run([&]() -> Result<KeyInfo> {
    CreateKey placed = request;
    if (request.store_in_hsm) {
      Result<std::string> uid = hsm_uid(*context_, request.uid);
      if (!uid) return uid.error();
      placed.uid = *std::move(uid);
    }
    return make_key(call, placed, &KeyProvider::create);
  });
}

Result<KeyInfo> Kms::import_key(const ImportKey& request) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "import_key", request.uid);
  return call.run([&] { return make_key(call, request, &KeyProvider::import); });
}

Result<KeyInfo> Kms::describe_key(std::string_view kid) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "describe_key", kid);
  return call.run([&]() -> Result<KeyInfo> {
    const auto key = context_->gate.key(call, kid, Operation::describe);
    if (!key) return key.error();
    return (*key)->info();
  });
}

Result<KeyPage> Kms::list_keys(const ListKeys& request, std::string_view prefix) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "list_keys");
  return call.run([&] { return context_->gate.list(call, request, prefix, Operation::describe); });
}

Result<std::string> Kms::public_jwk(std::string_view kid) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "public_jwk", kid);
  return call.run([&]() -> Result<std::string> {
    const auto key = context_->gate.key(call, kid, Operation::publish);
    if (!key) return key.error();
    return (*key)->public_jwk();
  });
}

namespace {

/// Whether an error tells of one key alone: it is gone, or is of no use here, as two keys under one
/// label are not.
[[nodiscard]] bool is_the_keys_own(const Error& error) noexcept {
  return error.code == Errc::not_found || error.code == Errc::forbidden ||
         error.code == Errc::crypto_failure || error.code == Errc::internal_error;
}

[[nodiscard]] Result<std::string> public_half(Call& call, std::string_view uid) {
  const Result<std::shared_ptr<const Key>> key = call.kms().gate.key(call, uid, Operation::publish);
  if (!key) return key.error();
  return (*key)->public_jwk();
}

/// Adds the public halves of one provider's active RSA keys, with commas between.
[[nodiscard]] Result<void> add_public_halves(Call& call, std::string_view prefix,
                                             std::string& set) {
  const core::Gate& gate = call.kms().gate;
  ListKeys request{.limit = 1000};
  for (bool more = true; more;) {
    const Result<KeyPage> page = gate.list(call, request, prefix, Operation::publish);
    // A provider that offers no listing shows its keys one by one, by public_jwk().
    if (!page && page.error().code == Errc::bad_request) return {};
    if (!page) return page.error();
    for (const KeyInfo& info : page->keys) {
      if (info.type != KeyType::rsa || info.state != KeyState::active || !info.may_encrypt)
        continue;
      const Result<std::string> jwk = public_half(call, info.uid);
      // Of the others senders are to know all the same. An outage is no reason to leave any out.
      if (!jwk && is_the_keys_own(jwk.error())) continue;
      if (!jwk) return jwk.error();
      if (!set.ends_with('[')) set += ',';
      set += *jwk;
    }
    more = page->more && !page->keys.empty();
    if (more) request.after = page->keys.back().uid;
  }
  return {};
}

}  // namespace

Result<std::string> Kms::public_jwks() const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "public_jwks");
  call.note_no_more();
  return call.run([&]() -> Result<std::string> {
    std::string set = "{\"keys\":[";
    for (const std::string_view prefix : context_->gate.prefixes())
      if (const Result<void> r = add_public_halves(call, prefix, set); !r) return r.error();
    return set += "]}";
  });
}

Result<void> Kms::add_alias(std::string_view uid, std::string_view alias) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "add_alias", uid);
  call.note_other(alias);
  return call.run([&]() -> Result<void> {
    const Result<KeyProvider*> provider = context_->gate.change(call, uid, Operation::manage);
    if (!provider) return provider.error();
    if (const Result<void> r = context_->gate.check_alias(**provider, alias); !r) return r;
    return (*provider)->add_alias(uid, alias);
  });
}

Result<void> Kms::remove_alias(std::string_view alias) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "remove_alias", alias);
  return call.run([&]() -> Result<void> {
    const auto key = context_->gate.key(call, alias, Operation::manage);
    if (!key) return key.error();
    // The key is named, too: since it was looked up, the alias may have become another's.
    const std::string& uid = (*key)->info().uid;
    const Result<KeyProvider*> provider = context_->gate.change(call, uid, Operation::manage);
    if (!provider) return provider.error();
    return (*provider)->remove_alias(uid, alias);
  });
}

Result<KeyInfo> Kms::set_key_state(std::string_view uid, KeyState state) const {
  const crypto::ErrorQueueGuard guard;
  const bool destroy = state == KeyState::destroyed;
  Call call(*context_, principal_, destroy ? "destroy_key" : "set_key_state", uid);
  return call.run([&]() -> Result<KeyInfo> {
    const Result<KeyProvider*> provider =
        context_->gate.change(call, uid, destroy ? Operation::destroy : Operation::manage);
    if (!provider) return provider.error();
    Result<KeyInfo> changed = (*provider)->set_state(uid, state);
    if (changed && destroy) context_->gate.forget_grants(uid);
    return changed;
  });
}

Result<void> Kms::grant(std::string_view uid, std::string_view principal,
                        Permissions permissions) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "grant", uid);
  call.note_other(principal);
  call.note_permissions(permissions);
  return call.run([&]() -> Result<void> {
    if (const Result<void> r = check_grantee(principal); !r) return r;
    if (permissions.empty() || (permissions.bits() & ~all_permissions.bits()) != 0)
      return Error{Errc::bad_request, 0, "a grant is of one permission or more"};
    const Result<GrantStore*> store = context_->gate.grants_to_add(call, uid, permissions);
    if (!store) return store.error();
    return (*store)->put(uid, principal, permissions);
  });
}

Result<void> Kms::revoke(std::string_view uid, std::string_view principal) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "revoke", uid);
  call.note_other(principal);
  return call.run([&]() -> Result<void> {
    if (const Result<void> r = check_grantee(principal); !r) return r;
    const Result<GrantStore*> store = context_->gate.grants_to_remove(call, uid);
    if (!store) return store.error();
    return (*store)->remove(uid, principal);
  });
}

Result<std::vector<Grant>> Kms::grants(std::string_view uid) const {
  const crypto::ErrorQueueGuard guard;
  Call call(*context_, principal_, "grants", uid);
  return call.run([&]() -> Result<std::vector<Grant>> {
    const Result<GrantStore*> store = context_->gate.grants(call, uid);
    if (!store) return store.error();
    return (*store)->list(uid);
  });
}

}  // namespace jwekms

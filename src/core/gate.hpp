// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/absent_names.hpp"
#include "jwekms/access.hpp"
#include "jwekms/provider.hpp"

namespace jwekms::core {

class Call;

/// What somebody wants to do with a key.
enum class Operation : std::uint8_t {
  decrypt,
  encrypt,
  unwrap,
  describe,
  publish,  ///< See the public half, which is for everybody where there is one.
  manage,
  destroy,
  grant,
};

/// The one gate: it alone holds the providers and so the keys, and it says who may do what with
/// them. Whatever a Kms does with a key of any provider, it asks for here. Immutable but for a
/// memory of names. Thread-safe.
///
/// A caller who may not use a key learns that it is there (forbidden) and nothing else about it.
class Gate {
 public:
  /// @param admins  principals who may do everything with every key.
  Gate(std::vector<std::shared_ptr<KeyProvider>> providers, std::vector<std::string> admins);

  /// The key that a UID or alias names. Errors: bad_request (malformed), not_found, forbidden,
  /// unavailable, internal_error; of an HSM's key also crypto_failure.
  [[nodiscard]] Result<std::shared_ptr<const Key>> key(Call& call, std::string_view kid,
                                                       Operation operation) const;

  /// The provider of a key that is to be changed.
  /// @param uid  no alias. Who administers the provider may name a key that is not there.
  /// Errors: those of key().
  [[nodiscard]] Result<KeyProvider*> change(Call& call, std::string_view uid,
                                            Operation operation) const;

  /// Has a provider make a key, which then belongs to the caller.
  /// @param place    a UID of the provider; empty: the database.
  /// @param request  CreateKey, ImportKey or KeepCek.
  /// @param make     Result<KeyInfo>(KeyProvider&, const Request&).
  /// Errors: forbidden, bad_request, conflict, and those of `make`.
  template <class Request, class Make>
  [[nodiscard]] Result<KeyInfo> add(const Call& call, std::string_view place, Request request,
                                    Make make) const {
    const Result<NewPlace> admitted =
        admit(call, place, {request.uid, request.aliases, request.owner});
    if (!admitted) return admitted.error();
    Result<KeyInfo> made = make(*admitted->provider, std::as_const(request));
    if (made && admitted->name_was_taken) forget_grants(made->uid);
    return made;
  }
  /// Whether a key of this provider may have an alias. Errors: bad_request, conflict.
  [[nodiscard]] Result<void> check_alias(const KeyProvider& provider, std::string_view alias) const;

  /// Those keys of the provider with this prefix with which the caller may do something; with
  /// Operation::publish, all. Errors: not_found (no such provider), bad_request, unavailable.
  [[nodiscard]] Result<KeyPage> list(const Call& call, const ListKeys& request,
                                     std::string_view prefix, Operation operation) const;
  [[nodiscard]] std::vector<std::string_view> prefixes() const;
  /// What the UIDs of keys in the HSM begin with, where there is one slot alone. Errors:
  /// bad_request.
  [[nodiscard]] Result<std::string> only_hsm_slot() const;

  /// The store of the grants of a key, for its grants to be seen.
  /// Errors: those of key(), bad_request (no store).
  [[nodiscard]] Result<GrantStore*> grants(Call& call, std::string_view uid) const;
  /// The same, for them to be added to. Errors: also forbidden, when the caller would hand on more
  /// than they have.
  [[nodiscard]] Result<GrantStore*> grants_to_add(Call& call, std::string_view uid,
                                                  Permissions permissions) const;
  /// The same, for one to be taken away. Who administers the key's provider may name a key that is
  /// not there.
  [[nodiscard]] Result<GrantStore*> grants_to_remove(Call& call, std::string_view uid) const;
  /// Of a key that is no more.
  void forget_grants(std::string_view uid) const;

 private:
  struct Rights {
    bool all = false;
    Permissions granted{};
    [[nodiscard]] bool allow(Operation operation) const noexcept;
  };
  /// What a request for a new key says of it.
  struct NewNames {
    std::string_view uid;
    const std::vector<std::string>& aliases;
    std::string& owner;
  };
  struct NewPlace {
    KeyProvider* provider;
    bool name_was_taken;
  };

  using FoundKey = Result<std::shared_ptr<const Key>>;

  [[nodiscard]] Result<KeyProvider*> route(std::string_view uid) const;
  [[nodiscard]] Result<KeyProvider*> route_new(std::string_view uid) const;
  [[nodiscard]] FoundKey find(std::string_view kid) const;
  [[nodiscard]] FoundKey find_pair(const KeyProvider& provider, std::string_view kid) const;
  [[nodiscard]] bool administers(std::string_view principal, const KeyProvider& provider) const;
  [[nodiscard]] Result<Rights> rights(std::string_view principal, const KeyProvider& provider,
                                      std::string_view uid, std::string_view owner) const;
  [[nodiscard]] Result<Rights> authorise(Call& call, std::string_view kid, const FoundKey& key,
                                         Operation operation) const;
  [[nodiscard]] Result<Rights> authorise_by_uid(Call& call, std::string_view uid,
                                                Operation operation) const;
  [[nodiscard]] Result<NewPlace> admit(const Call& call, std::string_view place,
                                       NewNames names) const;
  [[nodiscard]] Result<void> settle_owner(const Call& call, const KeyProvider& provider,
                                          std::string& owner) const;
  [[nodiscard]] Result<void> check_not_public_half(std::string_view name) const;
  [[nodiscard]] Result<GrantStore*> store() const;

  std::vector<std::shared_ptr<KeyProvider>> providers_;  ///< Longest prefix first.
  std::vector<std::string> admins_;
  GrantStore* grants_ = nullptr;              ///< Of one of the providers.
  std::unique_ptr<AbsentNames> no_own_keys_;  ///< Names of public halves that are just that.
};

}  // namespace jwekms::core

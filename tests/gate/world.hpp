// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <set>

#include "../core/fake_provider.hpp"
#include "../core/kms_support.hpp"
#include "../core/make_token.hpp"

/// Who there is in the tests of the gate, and where keys live.
namespace gate {

using namespace jwekms;
using namespace support;

/// A provider that can do everything, and refuses nobody: what it is asked to do the gate has let
/// through.
class FullProvider final : public FakeProvider {
 public:
  explicit FullProvider(std::string prefix, std::vector<std::string> admins = {})
      : FakeProvider(std::move(prefix)), admins_(std::move(admins)) {}

  /// Changes and new keys that it was asked for.
  std::atomic<int> changes = 0;
  /// What it answers to resolve() once a key was found.
  std::optional<Error> complaint{};
  /// What it answers to a request for a new key.
  std::optional<Error> refusal{};
  bool owners = false;

  /// Claims an owner whom it does not keep: the gate must not believe it.
  KeyInfo put(const std::string& uid, KeyType type, std::string owner = "olga") {
    KeyInfo info{.uid = uid, .type = type, .owner = std::move(owner)};
    info.algs = type == KeyType::rsa ? AlgSet{Alg::RSA_OAEP, Alg::RSA_OAEP_256} : AlgSet{Alg::dir};
    info.bits = type == KeyType::rsa ? rsa_key()->bits() : 256;
    gone_.erase(uid);
    std::erase_if(infos_, [&](const KeyInfo& known) { return known.uid == uid; });
    infos_.push_back(info);
    add(info, type == KeyType::rsa ? rsa_key() : nullptr,
        type == KeyType::oct ? pattern(32) : Bytes{});
    return info;
  }

  Result<std::shared_ptr<const Key>> resolve(std::string_view kid) const override {
    if (gone_.contains(kid)) return Error{Errc::not_found, 0, "no such key"};
    auto key = FakeProvider::resolve(kid);
    if (key && complaint) return *complaint;
    return key;
  }
  Result<KeyInfo> create(const CreateKey& request) override {
    ++changes;
    if (refusal) return *refusal;
    return put(request.uid, request.type, request.owner);
  }
  Result<KeyInfo> import(const ImportKey& request) override {
    ++changes;
    return put(request.uid, KeyType::oct, request.owner);
  }
  Result<KeyInfo> import_wrapped(const Key& parent, const WrappedCek& wrapped,
                                 const KeepCek& request) override {
    ++changes;
    const Result<Cek> cek = parent.unwrap_to_keep(wrapped, InsecureSecretAccess::token());
    if (!cek) return cek.error();
    const std::string uid =
        request.uid.empty() ? std::string(uid_prefix()) + "0::kept" : request.uid;
    return put(uid, KeyType::oct, request.owner);
  }
  Result<KeyPage> list(const ListKeys& request) const override {
    std::vector<KeyInfo> all = infos_;
    std::ranges::sort(all, {}, &KeyInfo::uid);
    KeyPage page;
    for (const KeyInfo& info : all) {
      if (info.uid <= request.after || gone_.contains(info.uid)) continue;
      page.more = page.keys.size() == request.limit;
      if (page.more) break;
      page.keys.push_back(info);
    }
    return page;
  }
  Result<void> add_alias(std::string_view, std::string_view) override {
    ++changes;
    return {};
  }
  Result<void> remove_alias(std::string_view, std::string_view) override {
    ++changes;
    return {};
  }
  /// Behind the back of any Kms.
  void lose(std::string_view uid) { gone_.emplace(uid); }
  Result<KeyInfo> set_state(std::string_view uid, KeyState state) override {
    ++changes;
    if (state == KeyState::destroyed) lose(uid);
    return KeyInfo{.uid = std::string(uid), .state = state};
  }
  std::span<const std::string> admins() const noexcept override { return admins_; }
  bool keeps_owners() const noexcept override { return owners; }

 private:
  std::vector<std::string> admins_;
  std::vector<KeyInfo> infos_;
  std::set<std::string, std::less<>> gone_;
};

/// Everybody in the tables, in the order of their columns. The host has no name.
struct Role {
  const char* name;       ///< Of the column.
  const char* principal;  ///< Empty: the host.
  Permissions granted{};  ///< Alone, by the host, with the key in question.
};
inline const std::vector<Role>& roles() {
  static const std::vector<Role> all{{"host", ""},
                                     {"owner", "olga"},        // of the key in the database
                                     {"admin", "ada"},         // of everything
                                     {"hsm admin", "hana"},    // of the HSM in question
                                     {"other hsm's", "henk"},  // admin of another instance
                                     {"nobody", "nora"},
                                     {"revoked", "rob"},  // had been granted everything
                                     {"decrypt", "dora", {Permission::decrypt}},
                                     {"encrypt", "emil", {Permission::encrypt}},
                                     {"unwrap", "uma", {Permission::unwrap}},
                                     {"describe", "dirk", {Permission::describe}},
                                     {"manage", "mia", {Permission::manage}},
                                     {"grant", "greta", {Permission::grant}}};
  return all;
}

/// Grants a key to those in the table.
inline void grant_to_all(const Kms& host, const std::string& uid) {
  for (const Role& role : roles())
    if (!role.granted.empty()) host.grant(uid, role.principal, role.granted).value();
  host.grant(uid, "rob", all_permissions).value();
  host.revoke(uid, "rob").value();
}

/// Acts for somebody; the host for the empty name.
class Acting {
 public:
  Acting(const Kms& host, std::string_view principal) : host_(host) {
    if (!principal.empty()) own_.emplace(host.on_behalf_of(principal).value());
  }
  [[nodiscard]] const Kms& kms() const noexcept { return own_ ? *own_ : host_; }

 private:
  const Kms& host_;
  std::optional<Kms> own_;
};

inline std::string rsa_token(std::string_view kid) {
  const std::string header =
      R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":")" + std::string(kid) + R"("})";
  return seal_for(*rsa_key(), header, Alg::RSA_OAEP, bytes("content")).compact();
}

inline Kms as(const Kms& host, std::string_view principal) {
  return host.on_behalf_of(principal).value();
}

inline Options options_in(const TempDir& folder,
                          std::vector<std::shared_ptr<KeyProvider>> more = {}) {
  Options options;
  options.database.path = folder.file("keys.sqlite");
  options.policy = Policy::permissive();
  options.providers = std::move(more);
  options.on_warning = [](std::string_view) {};
  options.admins = {"ada"};
  return options;
}

}  // namespace gate

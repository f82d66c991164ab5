// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jwekms/access.hpp"
#include "providers/db/per_process.hpp"
#include "providers/db/store.hpp"
#include "providers/db/vault.hpp"

namespace jwekms::db {

/// What principals were found to be granted, or not to be, each good for a while. Bounded.
/// Thread-safe.
class GrantCache {
 public:
  GrantCache(std::size_t capacity, std::chrono::milliseconds good_for)
      : capacity_(capacity), good_for_(good_for) {}

  [[nodiscard]] std::optional<Permissions> find(std::string_view uid,
                                                std::string_view principal) const;

  /// When the store was read. What is put in afterwards counts from then, and not at all if a grant
  /// was changed meanwhile: it may be what the change has replaced.
  struct Reading {
    std::chrono::steady_clock::time_point began;
    std::uint64_t changes;
  };
  [[nodiscard]] Reading begin_reading() const;
  void put(std::string_view uid, std::string_view principal, Permissions permissions,
           const Reading& reading);
  /// Forgets what was granted with a key: something of it has changed.
  void forget(std::string_view uid);

 private:
  using Clock = std::chrono::steady_clock;
  struct Who {
    std::string_view uid, principal;
    bool operator==(const Who&) const noexcept = default;
  };
  struct Hash {
    std::size_t operator()(const Who& who) const noexcept {
      const std::hash<std::string_view> hash;
      return hash(who.uid) * 31 + hash(who.principal);
    }
  };
  struct Slot {
    std::string uid, principal;  ///< What the slot's own key in the map views.
    Permissions permissions;
    Clock::time_point good_until;
  };

  const std::size_t capacity_;
  const std::chrono::milliseconds good_for_;
  std::atomic<std::uint64_t> changes_ = 0;
  mutable std::shared_mutex mutex_;
  std::unordered_map<Who, std::unique_ptr<Slot>, Hash> slots_;
};

/// The grants of a database: rows bound to the key-encryption key, as the keys' own are.
class Grants final : public GrantStore {
 public:
  /// @param cached_keys  keys whose grants may be remembered.
  /// @param good_for     how long another process's change may go unseen.
  Grants(std::shared_ptr<Store> store, std::shared_ptr<const Vault> vault, std::size_t cached_keys,
         std::chrono::milliseconds good_for);

  Result<Permissions> granted(std::string_view uid, std::string_view principal) const override;
  Result<std::vector<Grant>> list(std::string_view uid) const override;
  Result<void> put(std::string_view uid, std::string_view principal,
                   Permissions permissions) override;
  Result<void> remove(std::string_view uid, std::string_view principal) override;
  Result<void> remove_all(std::string_view uid) override;

 private:
  [[nodiscard]] Result<std::int64_t> version_of(std::string_view uid,
                                                std::string_view principal) const;

  const std::shared_ptr<Store> store_;
  const std::shared_ptr<const Vault> vault_;
  PerProcess<GrantCache> cache_;
};

}  // namespace jwekms::db

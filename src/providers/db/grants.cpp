// SPDX-License-Identifier: Apache-2.0
#include "providers/db/grants.hpp"

#include <mutex>

namespace jwekms::db {

namespace {

/// Principals of one key that are remembered, on average.
constexpr std::size_t principals_of_key = 16;
/// How often a change is tried anew when others change the same grant.
constexpr int max_attempts = 16;
constexpr Error contended{Errc::unavailable, 0, "the grant is being changed by others"};
constexpr Error no_such_grant{Errc::not_found, 0, "no such grant"};

/// Permissions that only a newer version of this library knows are not given.
[[nodiscard]] Permissions permissions_of(const GrantRow& row) noexcept {
  return Permissions::from_bits(static_cast<std::uint32_t>(row.permissions) &
                                all_permissions.bits());
}

}  // namespace

std::optional<Permissions> GrantCache::find(std::string_view uid,
                                            std::string_view principal) const {
  const std::shared_lock lock(mutex_);
  const auto found = slots_.find(Who{uid, principal});
  if (found == slots_.end() || Clock::now() >= found->second->good_until) return std::nullopt;
  return found->second->permissions;
}

GrantCache::Reading GrantCache::begin_reading() const {
  return {Clock::now(), changes_.load(std::memory_order_acquire)};
}

void GrantCache::put(std::string_view uid, std::string_view principal, Permissions permissions,
                     const Reading& reading) {
  if (capacity_ == 0) return;
  auto slot = std::make_unique<Slot>(
      Slot{std::string(uid), std::string(principal), permissions, reading.began + good_for_});
  const std::unique_lock lock(mutex_);
  if (changes_.load(std::memory_order_relaxed) != reading.changes) return;
  // The key of a slot that is there views that slot, which goes.
  slots_.erase(Who{uid, principal});
  if (slots_.size() >= capacity_) slots_.clear();
  const Who who{slot->uid, slot->principal};
  slots_.emplace(who, std::move(slot));
}

void GrantCache::forget(std::string_view uid) {
  const std::unique_lock lock(mutex_);
  changes_.fetch_add(1, std::memory_order_release);
  std::erase_if(slots_, [&](const auto& slot) { return slot.first.uid == uid; });
}

Grants::Grants(std::shared_ptr<Store> store, std::shared_ptr<const Vault> vault,
               std::size_t cached_keys, std::chrono::milliseconds good_for)
    : store_(std::move(store)),
      vault_(std::move(vault)),
      cache_([capacity = cached_keys * principals_of_key, good_for](GrantCache*, const auto&) {
        return std::make_unique<GrantCache>(capacity, good_for);
      }) {}

Result<Permissions> Grants::granted(std::string_view uid, std::string_view principal) const {
  GrantCache& cache = cache_.get();
  if (const std::optional<Permissions> known = cache.find(uid, principal)) return *known;
  const GrantCache::Reading reading = cache.begin_reading();
  const Result<std::vector<GrantRow>> rows = store_->grants_to(uid, principal);
  if (!rows) return rows.error();
  std::uint32_t bits = 0;
  for (const GrantRow& row : *rows) {
    if (const Result<void> r = vault_->check(row); !r) return r.error();
    bits |= permissions_of(row).bits();
  }
  const auto permissions = Permissions::from_bits(bits);
  cache.put(uid, principal, permissions, reading);
  return permissions;
}

Result<std::vector<Grant>> Grants::list(std::string_view uid) const {
  const Result<std::vector<GrantRow>> rows = store_->grants_of(uid);
  if (!rows) return rows.error();
  std::vector<Grant> grants;
  for (const GrantRow& row : *rows) {
    if (const Result<void> r = vault_->check(row); !r) return r.error();
    grants.push_back({row.principal, permissions_of(row)});
  }
  return grants;
}

Result<void> Grants::put(std::string_view uid, std::string_view principal,
                         Permissions permissions) {
  for (int attempt = 0; attempt < max_attempts; ++attempt) {
    const Result<std::int64_t> version = version_of(uid, principal);
    if (!version) return version.error();
    const Result<GrantRow> row = vault_->seal_grant({.uid = std::string(uid),
                                                     .principal = std::string(principal),
                                                     .permissions = permissions.bits(),
                                                     .version = *version + 1,
                                                     .iv = {},
                                                     .tag = {}});
    if (!row) return row.error();
    const Result<bool> stored = store_->put_grant(*row);
    // Whatever came of it: an error may have come after the change.
    cache_.get().forget(uid);
    if (!stored) return stored.error();
    if (*stored) return {};
  }
  return contended;
}

Result<void> Grants::remove(std::string_view uid, std::string_view principal) {
  const Result<bool> removed = store_->remove_grant(uid, principal);
  cache_.get().forget(uid);
  if (!removed) return removed.error();
  if (!*removed) return no_such_grant;
  return {};
}

Result<void> Grants::remove_all(std::string_view uid) {
  Result<void> removed = store_->remove_grants(uid);
  cache_.get().forget(uid);
  return removed;
}

/// Of the grant that is there; 0 when there is none.
Result<std::int64_t> Grants::version_of(std::string_view uid, std::string_view principal) const {
  const Result<std::vector<GrantRow>> rows = store_->grants_to(uid, principal);
  if (!rows) return rows.error();
  for (const GrantRow& row : *rows) {
    if (row.principal != principal) continue;
    if (const Result<void> r = vault_->check(row); !r) return r.error();
    return row.version;
  }
  return std::int64_t{0};
}

}  // namespace jwekms::db

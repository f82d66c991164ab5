// SPDX-License-Identifier: Apache-2.0
#include "providers/db/key_cache.hpp"

#include <mutex>

namespace jwekms::db {

KeyCache::Slot* KeyCache::slot_of(std::string_view name) const {
  const auto at = index_.find(name);
  return at == index_.end() ? nullptr : slots_[at->second].get();
}

KeyCache::Found KeyCache::find(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  Slot* slot = slot_of(name);
  if (slot == nullptr) return {};
  // Written only when it changes anything: readers on other cores share the line.
  if (!slot->used.load(std::memory_order_relaxed))
    slot->used.store(true, std::memory_order_relaxed);
  const Clock::rep now = Clock::now().time_since_epoch().count();
  return {slot->key, now < slot->good_until.load(std::memory_order_relaxed)};
}

KeyCache::Reading KeyCache::begin_reading() const {
  return {Clock::now(), changes_.load(std::memory_order_acquire)};
}

std::shared_ptr<const Key> KeyCache::put(std::string_view name, std::shared_ptr<const Key> key,
                                         const Reading& reading) {
  if (capacity_ == 0) return key;
  const std::unique_lock lock(mutex_);
  if (changes_.load(std::memory_order_relaxed) != reading.changes) return key;
  Slot* slot = slot_of(name);
  if (slot == nullptr) {
    if (slots_.size() >= capacity_) make_room();
    auto fresh = std::make_unique<Slot>();
    slot = fresh.get();
    slot->name = name;
    slot->key = std::move(key);
    index_.emplace(slot->name, slots_.size());
    slots_.push_back(std::move(fresh));
  } else if (slot->key->info().uid != key->info().uid ||
             slot->key->info().version != key->info().version) {
    slot->key = std::move(key);
  }
  slot->good_until.store(good_until(reading), std::memory_order_relaxed);
  return slot->key;
}

void KeyCache::confirm(std::string_view name, const Key& key, const Reading& reading) {
  const std::shared_lock lock(mutex_);
  if (changes_.load(std::memory_order_relaxed) != reading.changes) return;
  Slot* slot = slot_of(name);
  if (slot == nullptr || slot->key.get() != &key) return;
  slot->good_until.store(good_until(reading), std::memory_order_relaxed);
}

void KeyCache::forget(std::string_view uid) {
  const std::unique_lock lock(mutex_);
  changes_.fetch_add(1, std::memory_order_release);
  for (std::size_t i = slots_.size(); i-- > 0;)
    if (slots_[i]->key->info().uid == uid) remove(i);
}

void KeyCache::remove(std::size_t index) {
  index_.erase(slots_[index]->name);
  if (index + 1 != slots_.size()) {
    slots_[index] = std::move(slots_.back());
    index_[slots_[index]->name] = index;
  }
  slots_.pop_back();
}

/// Second chance: the hand passes over what was used since it last came by.
void KeyCache::make_room() {
  for (;; ++hand_) {
    if (hand_ >= slots_.size()) hand_ = 0;
    if (!slots_[hand_]->used.exchange(false, std::memory_order_relaxed)) break;
  }
  remove(hand_);
}

}  // namespace jwekms::db

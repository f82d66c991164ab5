// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/module.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>

namespace jwekms::pkcs11 {

namespace {

using namespace std::chrono_literals;
constexpr auto first_back_off = 100ms;
constexpr auto longest_back_off = 5000ms;
/// A reload that is needed again within this time has not helped.
constexpr auto quiet_time = 10s;
/// Between two reloads for the sake of one slot while others are well.
constexpr Patience::Clock::duration first_patience = 2s;
constexpr Patience::Clock::duration longest_patience = 5min;
constexpr auto least_wait = 100ms;

constexpr Error cannot_load{Errc::unavailable, 0, "the PKCS#11 module cannot be loaded"};
constexpr Error down{Errc::unavailable, 0, "the HSM is out of reach"};

}  // namespace

bool Patience::is_over(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const bool begins = wait_ == Clock::duration{0};
  if (!begins && now < until_) return false;
  wait_ = std::clamp(wait_ * 2, first_patience, longest_patience);
  until_ = now + wait_;
  return !begins;
}

void Patience::reset() noexcept {
  const std::lock_guard lock(mutex_);
  wait_ = {};
}

struct Module::Registry {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<Module>> modules;
};

/// Global because modules are. Never destroyed, so that nothing calls a module at exit; each forked
/// child has its own, so that no lock or session of its parent is touched.
Module::Registry& Module::registry() {
  static crypto::PerProcess<Registry>& all = *new crypto::PerProcess<Registry>(
      [](Registry*, const std::shared_ptr<const crypto::ForkMark>&) {
        return std::make_unique<Registry>();
      });
  return all.get();
}

Module::Module(std::string path, std::string init_args, std::shared_ptr<std::atomic<bool>> ours)
    : path_(std::move(path)),
      init_args_(std::move(init_args)),
      once_ours_(std::move(ours)),
      inherited_(once_ours_->load()) {}

std::string Module::canonical(const std::string& path) {
  std::error_code failed;
  const std::string name = std::filesystem::weakly_canonical(path, failed).string();
  return failed ? path : name;
}

std::shared_ptr<Module> Module::get(const std::string& path, const std::string& init_args,
                                    const std::shared_ptr<std::atomic<bool>>& ours) {
  const std::string name = canonical(path);
  Registry& all = registry();
  Module* module = nullptr;
  {
    const std::lock_guard lock(all.mutex);
    std::unique_ptr<Module>& place = all.modules[name];
    if (!place) place.reset(new Module(path, init_args, ours));
    module = place.get();
    if (module->users_ == 0) module->init_args_ = init_args;
    if (module->once_ours_->load()) ours->store(true);
    ++module->users_;
  }
  return {module, [](Module* m) { m->release(); }};
}

void Module::release() noexcept {
  if (mark_.forked()) return;  // the parent's
  // Held throughout: whoever wants the module next waits until it is down.
  const std::lock_guard lock(registry().mutex);
  if (--users_ != 0) return;
  const std::unique_lock gate(gate_);
  tear_down();
  not_before_ = {};
  back_off_ = {};
}

SharedToken& Module::shared(CK_SLOT_ID slot) {
  const std::lock_guard lock(shared_mutex_);
  const auto [place, is_new] = shared_.try_emplace(slot);
  if (is_new) place->second.epoch = new_epoch();
  return place->second;
}

void Module::note_use(SessionPool& pool, CK_SLOT_ID slot) {
  const std::lock_guard lock(uses_mutex_);
  uses_[&pool] = slot;
}

void Module::forget_use(SessionPool& pool) noexcept {
  const std::lock_guard lock(uses_mutex_);
  uses_.erase(&pool);
}

bool Module::others_use(const SessionPool& pool, CK_SLOT_ID slot) {
  const std::lock_guard lock(uses_mutex_);
  return std::ranges::any_of(
      uses_, [&](const auto& use) { return use.first != &pool && use.second == slot; });
}

std::vector<SessionPool::Idle> Module::take_idle(CK_SLOT_ID slot) {
  std::vector<SessionPool::Idle> all;
  const std::lock_guard lock(uses_mutex_);
  for (const auto& [pool, used] : uses_)
    if (used == slot) std::ranges::move(pool->take_all(), std::back_inserter(all));
  return all;
}

bool Module::others_are_well(CK_SLOT_ID slot) {
  std::set<CK_SLOT_ID> others;
  {
    const std::lock_guard lock(uses_mutex_);
    for (const auto& [pool, used] : uses_)
      if (used != slot) others.insert(used);
  }
  return std::ranges::any_of(others, [this](CK_SLOT_ID other) {
    CK_TOKEN_INFO info{};
    return functions_->C_GetTokenInfo(other, &info) == CKR_OK;
  });
}

Result<void> Module::reload_for(CK_SLOT_ID slot, std::uint64_t seen, Patience& patience,
                                Clock::time_point until) {
  {
    const std::shared_lock gate(gate_, until);
    if (!gate.owns_lock()) return down;
    if (generation_ == seen && seen != 0 && others_are_well(slot)) {
      if (!patience.is_over(Clock::now())) return down;
    }
  }
  return reload(seen, until);
}

Result<void> Module::reload(std::uint64_t seen, Clock::time_point until) {
  until = std::max(until, Clock::now() + least_wait);
  {
    // All threads come here at once when a token is lost: only one of them has to be alone.
    const std::shared_lock gate(gate_, until);
    if (!gate.owns_lock()) return down;
    if (const auto answer = needs_no_reload(seen)) return *answer;
  }
  const std::unique_lock gate(gate_, until);
  if (!gate.owns_lock()) return down;
  if (const auto answer = needs_no_reload(seen)) return *answer;
  const bool first = not_before_ == Clock::time_point{};
  const bool helped = Clock::now() - not_before_ > quiet_time;
  back_off_ = helped ? first_back_off
                     : std::clamp<std::chrono::milliseconds>(back_off_ * 2, first_back_off,
                                                             longest_back_off);
  tear_down();
  const Result<void> loaded = load();
  // A first start is not a failure that another would have to wait for.
  if (loaded && first) back_off_ = {};
  not_before_ = Clock::now() + back_off_;
  return loaded;
}

/// What to say at once: somebody has done it, or it has just been done and did not help.
std::optional<Result<void>> Module::needs_no_reload(std::uint64_t seen) const {
  if (generation_ != seen) return generation_ == 0 ? Result<void>(down) : Result<void>();
  if (Clock::now() < not_before_) return Result<void>(down);
  return std::nullopt;
}

Result<void> Module::load() {
  if (functions_ == nullptr) {
    void* handle = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr) return cannot_load;
    const auto get_list =
        reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
    if (get_list == nullptr || get_list(&functions_) != CKR_OK) functions_ = nullptr;
    if (functions_ == nullptr) return cannot_load;
  }
  if (!start()) {
    tear_down();
    return down;
  }
  generation_ = ++last_generation_;
  for (auto& [slot, token] : shared_) token.epoch = new_epoch();
  return {};
}

bool Module::start() {
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  args.pReserved = init_args_.empty() ? nullptr : const_cast<char*>(init_args_.c_str());
  const CK_RV rv = functions_->C_Initialize(&args);
  ours_ = rv == CKR_OK || (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED && inherited_);
  if (ours_) once_ours_->store(true);
  if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) return false;
  list_ = TokenList::read(path_, init_args_, *functions_, ours_);
  return list_ != nullptr;
}

void Module::tear_down() noexcept {
  generation_ = 0;
  sessions_.clear();
  {
    const std::lock_guard lock(uses_mutex_);
    uses_.clear();
  }
  if (ours_) {
    const bool finalises = list_ != nullptr;
    list_.reset();
    if (!finalises && functions_ != nullptr) (void)functions_->C_Finalize(nullptr);
  } else if (list_) {
    TokenList::abandon(std::move(list_));
  }
  ours_ = false;
}

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "crypto/per_process.hpp"
#include "jwekms/result.hpp"
#include "providers/pkcs11/cryptoki.hpp"
#include "providers/pkcs11/gate.hpp"
#include "providers/pkcs11/own_sessions.hpp"
#include "providers/pkcs11/pin.hpp"
#include "providers/pkcs11/session_pool.hpp"
#include "providers/pkcs11/token_list.hpp"

namespace jwekms::pkcs11 {

/// How long a lost slot waits before others are disturbed for its sake; ever longer. Thread-safe.
class Patience {
 public:
  using Clock = std::chrono::steady_clock;
  /// Whether the wait is over. The first time it begins, and each time that it is over.
  [[nodiscard]] bool is_over(Clock::time_point now);
  /// The slot is well.
  void reset() noexcept;

 private:
  std::mutex mutex_;
  Clock::duration wait_{0};
  Clock::time_point until_{};
};

/// What all who use one token in a process share.
struct SharedToken {
  /// Held during C_Login, so that a login and its new epoch are one. Every operation asks for it in
  /// the end: who waits for `objects` does not hold it.
  std::mutex login;
  /// Under `login`: the PIN that the token refused last. Of those who had it by then nobody tries
  /// it again; who comes later may.
  std::weak_ptr<const Pin> refused_pin;
  std::chrono::steady_clock::time_point refused_at;
  /// Object handles are good for as long as this stays the same, for all alike: a login is lost
  /// together. Never twice the same in a Module.
  std::atomic<std::uint64_t> epoch;
  /// Held while objects are searched for, while one is copied, during a login, and, see
  /// Model::makes_keys_alone, while one is made or destroyed. All are seldom, and one at a time
  /// spares tokens their own races. To a search SoftHSM shows a copy that is half done as a second
  /// object of the token, with its original's label. opencryptoki reads the objects of the token
  /// into the process at a login and at a search, and two at once read each of them twice: from
  /// then on all who look for a key find two.
  std::mutex objects;
};

/// A PKCS#11 module of this process. What it keeps is global to the process, so everybody who
/// names the same file shares one Module; it is finalised when the last one lets go, and its code
/// stays loaded for good (modules leave threads and exit handlers behind).
class Module {
 public:
  /// Modules are shared by this name of their files.
  [[nodiscard]] static std::string canonical(const std::string& path);

  /// Loads nothing yet: reload() does.
  /// @param init_args  count for the first who asks while nobody has the module.
  /// @param ours  becomes true when we have initialised the module. A forked child that inherits it
  /// set may finalise its own copy of a module that knows nothing of forks.
  [[nodiscard]] static std::shared_ptr<Module> get(const std::string& path,
                                                   const std::string& init_args,
                                                   const std::shared_ptr<std::atomic<bool>>& ours);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// To be held, shared, around every call to the module. Finalising and closing all sessions
  /// crash tokens that are at work, and are done under the exclusive lock.
  [[nodiscard]] Gate& gate() noexcept { return gate_; }

  // With the gate held:
  /// Rises with every initialisation; 0 while the module is down.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  /// Precondition: generation() != 0.
  [[nodiscard]] CK_FUNCTION_LIST& functions() const noexcept { return *functions_; }
  [[nodiscard]] const std::vector<Token>& tokens() const noexcept { return list_->tokens(); }
  [[nodiscard]] OwnSessions& sessions() noexcept { return sessions_; }

  /// Of the token of a slot. Stays where it is.
  [[nodiscard]] SharedToken& shared(CK_SLOT_ID slot);
  [[nodiscard]] std::uint64_t new_epoch() noexcept { return ++last_epoch_; }

  /// Notes that a slot is in use, until the module is taken down.
  /// @param pool  of whoever uses it; to be forgotten before it dies.
  void note_use(SessionPool& pool, CK_SLOT_ID slot);
  void forget_use(SessionPool& pool) noexcept;
  [[nodiscard]] bool others_use(const SessionPool& pool, CK_SLOT_ID slot);
  /// The sessions of a slot that wait for an operation, whoever uses it: the caller closes them.
  [[nodiscard]] std::vector<SessionPool::Idle> take_idle(CK_SLOT_ID slot);
  /// Whether a slot other than this one is in use and its token is well: then what ails this one
  /// is not the module's fault.
  [[nodiscard]] bool others_are_well(CK_SLOT_ID slot);

  /// reload() for the sake of one slot. As long as others are well, they are disturbed only now and
  /// then: some tokens come back by themselves, some after C_Initialize alone.
  [[nodiscard]] Result<void> reload_for(CK_SLOT_ID slot, std::uint64_t seen, Patience& patience,
                                        Gate::Clock::time_point until);

  /// Takes the module down and initialises it anew, unless somebody has done so since `seen` was
  /// its generation. Backs off when that does not help. The gate must not be held.
  /// @param until  the end of the wait for the calls under way, during which nobody begins another;
  /// it is a moment at least, so that somebody gets to it where nobody may wait for a session.
  /// Errors: unavailable.
  [[nodiscard]] Result<void> reload(std::uint64_t seen, Gate::Clock::time_point until);

 private:
  using Clock = std::chrono::steady_clock;
  struct Registry;

  Module(std::string path, std::string init_args, std::shared_ptr<std::atomic<bool>> ours);
  [[nodiscard]] static Registry& registry();
  void release() noexcept;
  [[nodiscard]] std::optional<Result<void>> needs_no_reload(std::uint64_t seen) const;
  [[nodiscard]] Result<void> load();
  [[nodiscard]] bool start();
  void tear_down() noexcept;

  const std::string path_;
  std::string init_args_;  ///< Changes under the registry's lock, while the module has no users.
  const std::shared_ptr<std::atomic<bool>> once_ours_;
  const bool inherited_;  ///< A process that forked this one has initialised it.
  const crypto::ForkMark mark_;
  std::size_t users_ = 0;  ///< Under the registry's lock.

  Gate gate_;
  CK_FUNCTION_LIST* functions_ = nullptr;
  bool ours_ = false;  ///< We have initialised it, and may finalise it.
  std::unique_ptr<TokenList> list_;
  std::uint64_t generation_ = 0;
  std::uint64_t last_generation_ = 0;
  Clock::time_point not_before_{};
  std::chrono::milliseconds back_off_{0};

  OwnSessions sessions_;

  std::atomic<std::uint64_t> last_epoch_ = 0;
  std::mutex shared_mutex_;
  std::map<CK_SLOT_ID, SharedToken> shared_;

  std::mutex uses_mutex_;
  std::map<SessionPool*, CK_SLOT_ID> uses_;
};

}  // namespace jwekms::pkcs11

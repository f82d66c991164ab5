// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "crypto/per_process.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/result.hpp"
#include "providers/pkcs11/module.hpp"
#include "providers/pkcs11/pin.hpp"
#include "providers/pkcs11/pin_tries.hpp"
#include "providers/pkcs11/scratch_pool.hpp"
#include "providers/pkcs11/session_pool.hpp"

namespace jwekms::pkcs11 {

/// What an operation works with: a session that is its own until it returns.
struct Session {
  CK_FUNCTION_LIST* f;
  CK_SESSION_HANDLE handle;
  CK_SLOT_ID slot_id;
  /// Object handles are good for as long as this stays the same.
  std::uint64_t object_epoch;
  unsigned long find_batch;
  KeyCopies* copies;    ///< The session's own.
  std::mutex* objects;  ///< SharedToken::objects.
  /// To be held while an object of the token is made or destroyed: the same, or null where
  /// Model::makes_keys_alone does not ask for it.
  std::mutex* making;
  /// Something of an operation may be left in the session: nobody is to use it again.
  mutable bool spoiled = false;
};

/// @param mutex  may be null: then nothing is held.
[[nodiscard]] inline std::unique_lock<std::mutex> hold(std::mutex* mutex) {
  return mutex != nullptr ? std::unique_lock(*mutex) : std::unique_lock<std::mutex>();
}

/// How an operation on the token ended, when nothing stood in its way.
struct Outcome {
  CK_RV rv = CKR_OK;
  bool refused = false;             ///< Not for what stood in the JWE.
  std::uint64_t session_epoch = 0;  ///< For TokenSlot::believe_failure().
  [[nodiscard]] bool ok() const noexcept { return rv == CKR_OK; }
};

/// One token of one HSM instance in this process: finds it, logs in, lends sessions, and brings
/// all that back when it is lost. Thread-safe. A forked child makes its own.
class TokenSlot {
 public:
  struct Settings {
    HsmSlot slot;  ///< Without the PIN.
    std::shared_ptr<const Pin> pin;
    std::size_t max_sessions;
    std::chrono::milliseconds session_timeout;
    unsigned long find_batch;
    bool opens_files;       ///< As in Model.
    bool makes_keys_alone;  ///< As in Model.
  };
  /// @param pin_tries  shared by a slot and its likes in forked children.
  TokenSlot(std::shared_ptr<Module> module, const Settings& settings,
            std::shared_ptr<PinTries> pin_tries);
  TokenSlot(const TokenSlot&) = delete;
  TokenSlot& operator=(const TokenSlot&) = delete;
  ~TokenSlot();

  [[nodiscard]] std::uint64_t number() const noexcept { return settings_.slot.number; }

  /// The token refused its PIN, in this process or in one that shares its tries.
  [[nodiscard]] bool pin_is_refused() const noexcept { return pin_tries_->refused(); }

  /// Model::opens_files.
  [[nodiscard]] bool opens_files() const noexcept { return settings_.opens_files; }
  [[nodiscard]] ScratchPool& scratch() noexcept { return scratch_; }

  /// What a token calls itself; empty until it was first used.
  struct Name {
    std::string label{};
    std::string serial{};
    bool operator==(const Name&) const = default;
  };
  [[nodiscard]] Name token();

  /// An Error ends run() with it, at once.
  using Operation = std::function<Result<Step>(const Session&)>;

  /// Runs an operation on a session of its own. When the session, the login, a handle or the token
  /// turns out to be lost, that is put right and the operation run once more: it must bear that.
  /// Errors: unavailable, and the operation's own.
  template <class Op>
  [[nodiscard]] Result<Outcome> run(const Op& operation) {
    return run_operation(std::cref(operation));  // a reference fits into Operation's own storage
  }

  /// For operations that hold SharedToken::objects for long, those that search, make and destroy:
  /// one at a time, so that among them those who wait hold one session. To be held around run().
  /// @param waits  as long as for a session; else not at all.
  /// @return owns nothing when it was not free in time: busy.
  [[nodiscard]] std::unique_lock<Gate> turn(bool waits = true) {
    return std::unique_lock(turn_, waits ? deadline() : SessionPool::Clock::now());
  }
  static constexpr Error busy{Errc::unavailable, 0, "no HSM session came free in time"};

  /// run() in turn.
  template <class Op>
  [[nodiscard]] Result<Outcome> run_in_turn(const Op& operation) {
    const std::unique_lock<Gate> held = turn();
    if (!held) return busy;
    return run(operation);
  }

  /// After a decryption in Phase::cek, when the JWE has proved bad, whether by its encrypted_key or
  /// by its content: whether the JWE is to blame, and not the token.
  /// @param session_epoch  of the decryption's Outcome. Errors: unavailable.
  [[nodiscard]] Result<void> believe_failure(std::uint64_t session_epoch);

  /// Closes the sessions, and so destroys the copies of keys, that no operation is using; the rest
  /// follow when their operations end.
  void drop_copies();

  /// After a search without a hit: whether that can be believed. Without a login, or without a
  /// token, private objects are just not seen.
  [[nodiscard]] Step believe_absence(const Session& session);

 private:
  class Lease;
  /// Of a wait that begins now.
  [[nodiscard]] SessionPool::Clock::time_point deadline() const noexcept {
    return SessionPool::Clock::now() + settings_.session_timeout;
  }
  [[nodiscard]] Result<Outcome> run_operation(const Operation& operation);
  [[nodiscard]] Result<Lease> acquire();
  [[nodiscard]] Fault attach(SessionPool::Clock::time_point until);
  [[nodiscard]] Fault attach_to(std::uint64_t generation);
  [[nodiscard]] std::optional<Token> find_token() const;
  [[nodiscard]] std::optional<Token> find_made_anew() const;
  template <class Fits>
  [[nodiscard]] std::optional<Token> find_only(Fits fits) const;
  [[nodiscard]] CK_RV open_session(CK_SESSION_HANDLE& session) const;
  [[nodiscard]] CK_RV log_in(CK_SESSION_HANDLE session);
  [[nodiscard]] CK_RV try_pin(CK_SESSION_HANDLE session, SharedToken& shared) const;
  [[nodiscard]] bool pin_runs_out() const;
  [[nodiscard]] bool is_logged_in(CK_SESSION_HANDLE session) const;
  void close(CK_SESSION_HANDLE session, bool is_lost = false) const noexcept;
  void close(const SessionPool::Idle& idle, bool is_lost = false) const noexcept;
  void close(const std::vector<SessionPool::Idle>& idle) const noexcept;
  [[nodiscard]] bool make_room();
  [[nodiscard]] bool wait_for_others(SessionPool::Clock::time_point until);
  void forget_sessions();
  [[nodiscard]] bool is_well() const;
  [[nodiscard]] bool login_lasted(const Session& session);
  [[nodiscard]] Result<void> recover(Fault fault, std::optional<Lease>& lease);

  const std::shared_ptr<Module> module_;
  Settings settings_;
  const std::shared_ptr<PinTries> pin_tries_;
  const crypto::ForkMark mark_;
  const SessionPool::Clock::time_point made_at_ = SessionPool::Clock::now();
  SessionPool pool_;
  Gate turn_;
  ScratchPool scratch_;

  Patience patience_;
  Gate attaching_;
  SessionPool::Clock::time_point attach_failed_{};  ///< Under attaching_.
  Name name_{};
  std::vector<Name> known_{};  ///< The tokens that were there when name_ was last attached.
  std::atomic<std::uint64_t> attached_ = 0;  ///< Generation of the module that the rest is of.
  std::atomic<CK_SLOT_ID> slot_id_ = CK_UNAVAILABLE_INFORMATION;
  std::atomic<SharedToken*> shared_ = nullptr;    ///< Of the slot; set when attached.
  CK_SESSION_HANDLE anchor_ = CK_INVALID_HANDLE;  ///< Holds the login; never used for more.
  std::atomic<bool> is_found_ = true;             ///< When it was last looked for.
  std::uint64_t opened_in_ = 0;  ///< Generation that the anchor and the pool's sessions are of.
  std::atomic<std::uint64_t> session_epoch_ = 0;
};

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/token_slot.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace jwekms::pkcs11 {

namespace {

using namespace std::chrono_literals;
using Clock = SessionPool::Clock;

constexpr auto pause_for_others = 10ms;

constexpr Error unavailable{Errc::unavailable, 0, "the HSM is out of reach"};
constexpr Error no_such_token{
    Errc::unavailable, 0, "the HSM is out of reach: no token fits the options, or more than one"};
constexpr Error full{Errc::unavailable, 0, "the HSM has no room for the operation"};
constexpr Error pin_was_refused{Errc::unavailable, 0,
                                "the HSM refused the PIN; it is not tried again"};
constexpr Error from_before_fork{Errc::unavailable, 0, "the key was looked up before a fork"};

}  // namespace

/// A session for one operation, the leave to hold it, and the module kept from being taken down.
class TokenSlot::Lease {
 public:
  Lease(TokenSlot& slot, SessionPool::Permit permit, std::shared_lock<Gate> gate,
        SessionPool::Idle idle, std::uint64_t session_epoch)
      : slot_(&slot),
        permit_(std::move(permit)),
        gate_(std::move(gate)),
        generation_(slot.module_->generation()),
        session_epoch_(session_epoch),
        copies_(std::move(idle.copies)),
        session_{&slot.module_->functions(),
                 idle.session,
                 slot.slot_id_,
                 slot.shared_.load()->epoch,
                 slot.settings_.find_batch,
                 copies_.get(),
                 &slot.shared_.load()->objects,
                 slot.settings_.makes_keys_alone ? &slot.shared_.load()->objects : nullptr} {}
  Lease(Lease&& other) noexcept = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (!gate_.owns_lock()) return;  // moved from
    SessionPool::Idle idle{session_.handle, std::move(copies_)};
    if (broken_ || lost_ || session_.spoiled || !slot_->pool_.keep(idle, session_epoch_))
      slot_->close(idle, lost_);
  }

  [[nodiscard]] const Session& session() const noexcept { return session_; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] std::uint64_t session_epoch() const noexcept { return session_epoch_; }
  void drop_session() noexcept { broken_ = true; }
  /// The token says that the session is closed.
  void lose_session() noexcept { lost_ = true; }

 private:
  TokenSlot* slot_;
  SessionPool::Permit permit_;
  std::shared_lock<Gate> gate_;
  std::uint64_t generation_;
  std::uint64_t session_epoch_;
  std::unique_ptr<KeyCopies> copies_;
  Session session_;
  bool broken_ = false;
  bool lost_ = false;
};

TokenSlot::TokenSlot(std::shared_ptr<Module> module, const Settings& settings,
                     std::shared_ptr<PinTries> pin_tries)
    : module_(std::move(module)),
      settings_(settings),
      pin_tries_(std::move(pin_tries)),
      pool_(settings.max_sessions) {
  if (settings_.pin) settings_.pin->lock();  // this may be a forked child
}

TokenSlot::~TokenSlot() {
  if (mark_.forked()) return;  // sessions and locks are the parent's
  const std::shared_lock gate(module_->gate());
  module_->forget_use(pool_);
  if (module_->generation() == 0 || opened_in_ != module_->generation()) return;
  forget_sessions();
  close(anchor_);
}

TokenSlot::Name TokenSlot::token() {
  const std::unique_lock lock(attaching_);
  return name_;
}

// ---- The table of PKCS#11 faults, and what is done about each ----
//
// A token that answers a decryption with GENERAL_ERROR, or any other code of Fault::content, is
// being fed rubbish or is broken. It is asked each time, so that no outage is called a bad JWE; an
// attacker who sends rubbish gets C_GetTokenInfo called beside the private operation, and nothing
// loaded anew as long as the token is well. What succeeded needs no asking: a key that was made is
// not made again. Where a wrong encrypted_key must not be told from wrong content (Phase::cek), the
// question waits until the JWE has proved bad by either, so that it tells nothing of which.

Result<Outcome> TokenSlot::run_operation(const Operation& operation) {
  if (mark_.forked()) return from_before_fork;
  for (int attempt = 0;; ++attempt) {
    Result<Lease> acquired = acquire();
    if (!acquired) return acquired.error();
    std::optional<Lease> lease(*std::move(acquired));
    const Result<Step> step = operation(lease->session());
    if (!step) return step.error();
    Fault fault = classify(*step);
    if (fault == Fault::suspect) fault = is_well() ? Fault::refused : Fault::device;
    if (fault == Fault::content && step->phase != Phase::cek && !is_well()) fault = Fault::device;
    const bool lasted = login_lasted(lease->session());
    if (!lasted && (fault == Fault::content || fault == Fault::refused)) fault = Fault::handle;
    const std::uint64_t epoch = lease->session_epoch();
    if (fault == Fault::none || fault == Fault::content) return Outcome{step->rv, false, epoch};
    if (fault == Fault::refused) return Outcome{step->rv, true, epoch};
    if (fault == Fault::exhausted) return full;
    const Result<void> recovered = recover(fault, lease);
    if (!recovered) return recovered.error();
    if (attempt == 1) return unavailable;
  }
}

/// Leaves things so that the next attempt, here or elsewhere, finds them in order.
Result<void> TokenSlot::recover(Fault fault, std::optional<Lease>& lease) {
  const std::uint64_t generation = lease->generation();
  switch (fault) {
    case Fault::none:
    case Fault::content:
    case Fault::refused:
    case Fault::exhausted: return {};
    case Fault::stuck:
      // Others of its kind may be as stuck: the next attempt has a session of its own.
      lease->drop_session();
      close(pool_.take_all());
      return {};
    case Fault::session:
      // Seldom one session alone: whoever closed it closed all, and the login went with the last.
      lease->lose_session();
      forget_sessions();
      attached_ = 0;
      return {};
    case Fault::handle: {
      // "Not logged in" mostly shows as a handle that is not valid.
      if (!is_well()) break;
      const CK_RV rv = log_in(lease->session().handle);
      std::uint64_t seen = lease->session().object_epoch;
      shared_.load()->epoch.compare_exchange_strong(seen, module_->new_epoch());
      if (pin_tries_->refused()) return pin_was_refused;
      if (rv == CKR_OK) return {};
      if (classify({rv}) == Fault::session) lease->lose_session();
      lease->drop_session();
      forget_sessions();
      attached_ = 0;
      return {};
    }
    case Fault::suspect:
    case Fault::device: break;
  }
  lease->drop_session();
  if (module_->others_are_well(slot_id_)) {
    forget_sessions();
    attached_ = 0;
    return {};
  }
  lease.reset();
  return module_->reload(generation, deadline());
}

/// Whether nobody has logged out since the operation began: tokens answer GENERAL_ERROR to a logout
/// half-way. Asked after success as well as after failure. (Whoever logs in anew begins an epoch,
/// for all who use the token.)
bool TokenSlot::login_lasted(const Session& session) {
  if (settings_.slot.login == HsmLogin::none) return true;
  if (!is_logged_in(session.handle)) return false;
  SharedToken& shared = *shared_.load();
  const std::lock_guard lock(shared.login);
  return shared.epoch == session.object_epoch;
}

bool TokenSlot::is_well() const {
  CK_TOKEN_INFO info{};
  return module_->functions().C_GetTokenInfo(slot_id_, &info) == CKR_OK;
}

Result<void> TokenSlot::believe_failure(std::uint64_t session_epoch) {
  if (mark_.forked()) return from_before_fork;
  {
    const std::shared_lock gate(module_->gate(), deadline());
    const bool same = gate.owns_lock() && module_->generation() != 0 &&
                      attached_ == module_->generation() && session_epoch_ == session_epoch;
    if (same && is_well()) return {};
  }
  // Put right for those who come next; whatever failed meanwhile stays in doubt.
  (void)run(
      [this](const Session&) { return Result<Step>(Step{is_well() ? CKR_OK : CKR_DEVICE_ERROR}); });
  return unavailable;
}

Step TokenSlot::believe_absence(const Session& session) {
  if (!is_well()) return {CKR_DEVICE_ERROR};
  const bool lasted = log_in(session.handle) == CKR_OK && login_lasted(session);
  return {lasted ? CKR_OK : CKR_USER_NOT_LOGGED_IN};
}

// ---- Sessions and login. The gate is held, shared, in everything but acquire() ----

Result<TokenSlot::Lease> TokenSlot::acquire() {
  const Clock::time_point until = deadline();
  bool was_full = false;
  for (int attempt = 0;;) {
    SessionPool::Permit permit = pool_.wait(until);
    if (!permit) return busy;
    std::shared_lock gate(module_->gate(), until);
    if (!gate.owns_lock()) return unavailable;
    const std::uint64_t generation = module_->generation();
    CK_RV rv = CKR_OK;
    Fault fault = generation == 0 ? Fault::device : attach(until);
    if (fault == Fault::none) {
      const std::uint64_t epoch = session_epoch_;
      while (std::optional<SessionPool::Idle> idle = pool_.take(epoch)) {
        if (idle->copies->serve(shared_.load()->epoch))
          return Lease(*this, std::move(permit), std::move(gate), *std::move(idle), epoch);
        close(*idle);
      }
      auto copies = std::make_unique<KeyCopies>();
      CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
      rv = open_session(session);
      if (rv == CKR_OK)
        return Lease(*this, std::move(permit), std::move(gate), {session, std::move(copies)},
                     epoch);
      fault = classify({rv});
    }
    if (pin_tries_->refused()) return pin_was_refused;
    if (fault == Fault::exhausted) {
      const bool may_try = !std::exchange(was_full, true) || Clock::now() < until;
      if (may_try && make_room()) continue;
      if (rv == CKR_SESSION_COUNT && pool_.token_is_full()) continue;
      if (!wait_for_others(until)) return full;
      continue;
    }
    if (generation != 0 && ++attempt == 2) return is_found_ ? unavailable : no_such_token;
    gate.unlock();
    const CK_SLOT_ID slot = slot_id_;
    if (const Result<void> r = module_->reload_for(slot, generation, patience_, until); !r)
      return generation == 0 || is_found_ ? r.error() : no_such_token;
  }
}

/// One for all threads. Whoever waits meanwhile has the same answer: where a dead HSM takes its
/// time to fail, they would wait for as long one after the other.
Fault TokenSlot::attach(Clock::time_point until) {
  const std::uint64_t generation = module_->generation();
  if (attached_.load() == generation) return Fault::none;
  const Clock::time_point began = Clock::now();
  const std::unique_lock lock(attaching_, until);
  if (!lock.owns_lock()) return Fault::device;
  if (attached_.load() == generation) return Fault::none;
  if (pin_tries_->refused()) return Fault::refused;
  if (began < attach_failed_) return Fault::device;
  const Fault fault = attach_to(generation);
  if (fault == Fault::device) attach_failed_ = Clock::now();
  return fault;
}

/// Finds the token, opens the anchor session and logs in.
Fault TokenSlot::attach_to(std::uint64_t generation) {
  const std::optional<Token> token = find_token();
  is_found_ = token.has_value();
  if (!token) return Fault::device;
  slot_id_ = token->slot_id;
  shared_ = &module_->shared(slot_id_);
  if (opened_in_ == generation) {
    forget_sessions();
    shared_.load()->epoch = module_->new_epoch();  // handles may have gone with what was lost
  } else {
    // Handles of another generation may name other people's sessions by now: nothing is closed.
    (void)pool_.begin(++session_epoch_);
    anchor_ = CK_INVALID_HANDLE;
    opened_in_ = generation;
  }
  CK_SESSION_HANDLE anchor = CK_INVALID_HANDLE;
  const CK_RV opened = open_session(anchor);
  if (opened != CKR_OK)
    return classify({opened}) == Fault::exhausted ? Fault::exhausted : Fault::device;
  close(anchor_);  // not before: the login goes with the last session
  anchor_ = anchor;
  const CK_RV rv = log_in(anchor_);
  if (rv != CKR_OK) return Fault::device;
  name_ = {token->label, token->serial};
  known_.clear();
  for (const Token& listed : module_->tokens()) known_.push_back({listed.label, listed.serial});
  attached_ = generation;
  module_->note_use(pool_, slot_id_);
  patience_.reset();
  return Fault::none;
}

template <class Fits>
std::optional<Token> TokenSlot::find_only(Fits fits) const {
  std::optional<Token> found;
  for (const Token& listed : module_->tokens()) {
    // One that did not answer when the list was made may do so now.
    const Token token = listed.label.empty() && listed.serial.empty()
                            ? read_token(module_->functions(), listed.slot_id)
                            : listed;
    if (!fits(token)) continue;
    if (found) return std::nullopt;
    found = token;
  }
  return found;
}

std::optional<Token> TokenSlot::find_token() const {
  const HsmSlot& wanted = settings_.slot;
  if (!wanted.token_label.empty() || !wanted.token_serial.empty())
    return find_only([&](const Token& token) {
      return (wanted.token_label.empty() || wanted.token_label == token.label) &&
             (wanted.token_serial.empty() || wanted.token_serial == token.serial);
    });
  // A position or a slot id may be another token's by now.
  if (name_ != Name{}) {
    const std::optional<Token> same = find_only([&](const Token& token) {
      return name_ == Name{token.label, token.serial};
    });
    return same ? same : find_made_anew();
  }
  if (wanted.slot_id)
    return find_only([&](const Token& token) { return *wanted.slot_id == token.slot_id; });
  const std::vector<Token>& tokens = module_->tokens();
  return wanted.number < tokens.size() ? std::optional(tokens[wanted.number]) : std::nullopt;
}

/// The token in place of the one that was used, where all others are still there and it alone is
/// new. When one has just gone, none is.
std::optional<Token> TokenSlot::find_made_anew() const {
  std::vector<Name> others = known_;
  std::erase(others, name_);
  std::size_t left = 0;
  const std::optional<Token> anew = find_only([&](const Token& token) {
    const bool is_known =
        std::ranges::find(others, Name{token.label, token.serial}) != others.end();
    left += is_known ? 1 : 0;
    return !is_known;
  });
  return left == others.size() && anew && !anew->label.empty() ? anew : std::nullopt;
}

CK_RV TokenSlot::open_session(CK_SESSION_HANDLE& session) const {
  return module_->sessions().open(module_->functions(), slot_id_, session);
}

void TokenSlot::close(CK_SESSION_HANDLE session, bool is_lost) const noexcept {
  module_->sessions().close(module_->functions(), slot_id_, session, is_lost);
}

bool TokenSlot::is_logged_in(CK_SESSION_HANDLE session) const {
  CK_SESSION_INFO info{};
  return module_->functions().C_GetSessionInfo(session, &info) == CKR_OK &&
         (info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS);
}

/// Only the token's answer to C_Login is the truth: in the midst of a logout, NSS hides the private
/// objects and still shows a session that is logged in.
CK_RV TokenSlot::log_in(CK_SESSION_HANDLE session) {
  if (settings_.slot.login == HsmLogin::none) return CKR_OK;
  SharedToken& shared = *shared_.load();
  const std::scoped_lock lock(shared.objects, shared.login);
  const CK_RV rv = pin_tries_->run([&] { return try_pin(session, shared); });
  if (rv == CKR_OK) shared.epoch = module_->new_epoch();
  return rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv;
}

/// With SharedToken::login held.
CK_RV TokenSlot::try_pin(CK_SESSION_HANDLE session, SharedToken& shared) const {
  const auto access = InsecureSecretAccess::token();
  const auto pin = settings_.pin->bytes(access);
  const std::shared_ptr<const Pin> refused = shared.refused_pin.lock();
  if (refused && made_at_ < shared.refused_at && std::ranges::equal(pin, refused->bytes(access)))
    return CKR_PIN_INCORRECT;
  CK_RV rv = module_->functions().C_Login(session, CKU_USER, const_cast<std::uint8_t*>(pin.data()),
                                          pin.size());
  if (may_refuse_pin(rv) && pin_runs_out()) rv = CKR_PIN_INCORRECT;
  if (refuses_pin(rv)) {
    shared.refused_pin = settings_.pin;
    shared.refused_at = Clock::now();
  }
  return rv;
}

/// Whether the token says that there have been wrong tries.
bool TokenSlot::pin_runs_out() const {
  constexpr CK_FLAGS signs = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
  CK_TOKEN_INFO info{};
  return module_->functions().C_GetTokenInfo(slot_id_, &info) == CKR_OK &&
         (info.flags & signs) != 0;
}

/// Alone where copies of keys end with it: opencryptoki crashes when somebody searches meanwhile.
void TokenSlot::close(const SessionPool::Idle& idle, bool is_lost) const noexcept {
  const auto alone = hold(idle.copies->made_any() ? &shared_.load()->objects : nullptr);
  close(idle.session, is_lost);
}

/// Where the token is full of sessions that wait for an operation of somebody else in this process.
bool TokenSlot::make_room() {
  const std::vector<SessionPool::Idle> idle = module_->take_idle(slot_id_);
  close(idle);
  return !idle.empty();
}

/// A moment, as long as somebody else in this process may give a session back.
bool TokenSlot::wait_for_others(Clock::time_point until) {
  if (Clock::now() >= until || !module_->others_use(pool_, slot_id_)) return false;
  std::this_thread::sleep_for(pause_for_others);
  return true;
}

void TokenSlot::close(const std::vector<SessionPool::Idle>& idle) const noexcept {
  for (const SessionPool::Idle& one : idle) close(one);
}

void TokenSlot::forget_sessions() { close(pool_.begin(++session_epoch_)); }

void TokenSlot::drop_copies() {
  const std::shared_lock gate(module_->gate());
  if (module_->generation() != 0 && attached_ == module_->generation()) forget_sessions();
}

}  // namespace jwekms::pkcs11

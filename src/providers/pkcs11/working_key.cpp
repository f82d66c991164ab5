// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/working_key.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace jwekms::pkcs11 {

namespace {

using Clock = std::chrono::steady_clock;

/// Whether a sixth of the time or more is saved. Nothing, when session, login or token got lost.
[[nodiscard]] std::optional<bool> is_faster(const Session& session, CK_OBJECT_HANDLE copy,
                                            CK_OBJECT_HANDLE key, const WorkingKey::Trial& trial) {
  Clock::duration of_key = Clock::duration::max();
  Clock::duration of_copy = of_key;
  const auto time = [&](CK_OBJECT_HANDLE handle, Clock::duration& least) {
    const Clock::time_point start = Clock::now();
    const Step step = trial(session, handle);
    least = std::min(least, Clock::now() - start);
    return !is_lost(step);
  };
  // Chance disturbs long uses less.
  const Clock::time_point enough = Clock::now() + std::chrono::milliseconds(5);
  for (int round = 0; round < 3 && (round == 0 || Clock::now() < enough); ++round)
    if (!time(key, of_key) || !time(copy, of_copy)) return std::nullopt;
  return of_copy * 6 < of_key * 5;
}

}  // namespace

Step WorkingKey::look(const Session& session, CK_OBJECT_HANDLE key) {
  AttributeReader attributes(session, key);
  (void)attributes.number(CKA_KEY_TYPE);
  return {attributes.rv()};
}

Result<Step> WorkingKey::locate(TokenSlot& slot, const Session& session,
                                CK_OBJECT_HANDLE& handle) const {
  const Result<Step> located = locator_.locate(slot, session, handle);
  if (!located || located->rv != CKR_OK) return located;
  if (verdict_ == Verdict::none) decide(session, handle);
  if (verdict_ != Verdict::copy) return Step{};
  return session.copies->replace(session, handle);
}

/// One thread tries, and the others go on with the token's object. What is lost meanwhile shows
/// again in the operation itself and is put right there; a token that loses things all the time is
/// not tried for ever.
void WorkingKey::decide(const Session& session, CK_OBJECT_HANDLE key) const {
  Verdict expected = Verdict::none;
  if (!verdict_.compare_exchange_strong(expected, Verdict::being_tried)) return;
  Verdict verdict = try_out(session, key);
  if (verdict == Verdict::none && ++interrupted_ == 3) verdict = Verdict::token;
  verdict_ = verdict;
}

WorkingKey::Verdict WorkingKey::try_out(const Session& session, CK_OBJECT_HANDLE key) const {
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  CK_RV copied = CKR_OK;
  {
    const std::lock_guard alone(*session.objects);
    copied = KeyCopies::copy(session, key, copy);
  }
  if (is_lost({copied})) return Verdict::none;
  if (copied != CKR_OK) return Verdict::token;
  const ObjectGuard guard(session, copy, session.objects);
  const std::optional<bool> faster = is_faster(session, copy, key, trial_);
  if (!faster) return Verdict::none;
  return *faster ? Verdict::copy : Verdict::token;
}

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/key_copies.hpp"

#include <algorithm>
#include <mutex>

#include "providers/pkcs11/cek_object.hpp"

namespace jwekms::pkcs11 {

namespace {

using namespace std::chrono_literals;
/// For so long it may go unseen that somebody else destroys a key, or takes its rights away.
constexpr auto good_for = 1s;
constexpr std::size_t most_copies = 64;

/// What a key may be used for, as bits. @return false when the key is not there.
[[nodiscard]] CK_RV read_usage(const Session& session, CK_OBJECT_HANDLE key, unsigned& usage) {
  CK_BBOOL flags[] = {CK_FALSE, CK_FALSE, CK_FALSE};
  CK_ATTRIBUTE attributes[] = {{CKA_DECRYPT, &flags[0], sizeof(CK_BBOOL)},
                               {CKA_UNWRAP, &flags[1], sizeof(CK_BBOOL)},
                               {CKA_SENSITIVE, &flags[2], sizeof(CK_BBOOL)}};
  const CK_RV rv = session.f->C_GetAttributeValue(session.handle, key, attributes, 3);
  usage = 0;
  for (const CK_BBOOL flag : flags) usage = usage << 1 | (flag != CK_FALSE ? 1U : 0U);
  return rv;
}

}  // namespace

/// Without a label, so that nobody who looks for the key finds two.
CK_RV KeyCopies::copy(const Session& session, CK_OBJECT_HANDLE key,
                      CK_OBJECT_HANDLE& copy) noexcept {
  Template attributes;
  attributes.flag(CKA_TOKEN, false);
  attributes.text(CKA_LABEL, {});
  const CK_RV rv =
      session.f->C_CopyObject(session.handle, key, attributes.data(), attributes.size(), &copy);
  if (rv != CKR_OK) return rv;
  ObjectGuard guard(session, copy);
  bool guarded = false;
  if (const Step checked = check_guarded(session, copy, guarded); checked.rv != CKR_OK)
    return checked.rv;
  if (!guarded) return CKR_ATTRIBUTE_VALUE_INVALID;
  guard.keep();
  return CKR_OK;
}

/// Handles of another epoch may name other objects by now: nothing is destroyed by them. What they
/// named, if it is still there, goes with the session.
void KeyCopies::forget_other_epoch(const Session& session) {
  if (object_epoch_ == session.object_epoch) return;
  if (!copies_.empty() || !stand_ins_.empty()) session.spoiled = true;
  copies_.clear();
  stand_ins_.clear();
  object_epoch_ = session.object_epoch;
}

Step KeyCopies::stand_in(const Session& session, std::size_t size_in_bytes, CK_OBJECT_HANDLE& key) {
  forget_other_epoch(session);
  for (const StandIn& known : stand_ins_)
    if (known.size == size_in_bytes) {
      key = known.key;
      return {};
    }
  stand_ins_.reserve(stand_ins_.size() + 1);
  made_any_ = true;
  const CK_RV rv = generate_stand_in(session, size_in_bytes, key);
  if (rv == CKR_OK) stand_ins_.push_back({size_in_bytes, key});
  return {rv};
}

Step KeyCopies::replace(const Session& session, CK_OBJECT_HANDLE& key) {
  forget_other_epoch(session);
  const Clock::time_point now = Clock::now();
  const auto known = std::ranges::find(copies_, key, &Copy::key);
  if (known != copies_.end() && now < known->good_until) {
    key = known->copy;
    return {};
  }
  unsigned usage = 0;
  const CK_RV read = read_usage(session, key, usage);
  if (is_lost({read})) return {read};
  if (known != copies_.end() && read == CKR_OK && known->usage == usage) {
    known->good_until = now + good_for;
    key = known->copy;
    return {};
  }
  // A key in use does not wait for a search, or for another that is being made: it goes without.
  const std::unique_lock free(*session.objects, std::try_to_lock);
  if (!free) return {};
  if (known != copies_.end()) {
    { const ObjectGuard old(session, known->copy); }
    copies_.erase(known);
  }
  if (read != CKR_OK || copies_.size() == most_copies) return {};
  copies_.reserve(copies_.size() + 1);
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  made_any_ = true;
  const CK_RV copied = copy(session, key, made);
  if (is_lost({copied})) return {copied};
  if (copied != CKR_OK) return {};
  copies_.push_back({key, made, usage, now + good_for});
  key = made;
  return {};
}

}  // namespace jwekms::pkcs11

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "crypto/library.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/open.hpp"
#include "providers/pkcs11/budgets.hpp"
#include "providers/pkcs11/hsm_keys.hpp"
#include "providers/pkcs11/models.hpp"
#include "providers/pkcs11/reserved_key.hpp"
#include "providers/pkcs11/token_slot.hpp"

namespace jwekms::pkcs11 {

/// A token that does not search is out of order, and not without keys.
inline constexpr Error refused_search{Errc::unavailable, 0, "the HSM refused a search"};

/// What an HSM instance was configured to be; the same in a forked child.
struct InstanceSettings {
  const Model* model = nullptr;
  std::string uid_prefix;  ///< `hsm::<model>[_n]::`
  std::string module_path;
  std::string init_args;
  std::vector<TokenSlot::Settings> slots;
  /// Whether we have initialised the module, here or in a process that forked this one.
  std::shared_ptr<std::atomic<bool>> module_is_ours = std::make_shared<std::atomic<bool>>(false);
  std::vector<std::shared_ptr<PinTries>> pin_tries;  ///< One a slot.
  CekBoundary boundary = CekBoundary::process;
  bool raw_rsa_fallback = false;
  bool forbid_weak_keys = false;
  std::shared_ptr<ReservedKey> reserved = std::make_shared<ReservedKey>();
  std::vector<std::string> admins;
};

/// Checks the options, reads the PINs. @param index  0 for the first instance of its model.
/// Errors: bad_request, unavailable.
[[nodiscard]] Result<InstanceSettings> read_settings(const HsmOptions& options,
                                                     std::uint32_t index);

/// One HSM instance in this process: its slots, and the keys that were looked up. Thread-safe.
class Instance {
 public:
  /// @param budgets  null: there will be no AES keys.
  Instance(std::shared_ptr<const crypto::Library> library, const InstanceSettings& settings,
           std::shared_ptr<const crypto::PerProcess<Budgets>> budgets, WarningSink warn);

  struct Place {
    std::shared_ptr<TokenSlot> slot;
    std::string label;
  };
  /// Where a UID leads. Errors: bad_request, not_found (no such slot).
  [[nodiscard]] Result<Place> place_of(std::string_view uid) const;
  [[nodiscard]] std::string uid_of(const TokenSlot& slot, std::string_view label) const;
  [[nodiscard]] const std::vector<std::shared_ptr<TokenSlot>>& slots() const noexcept {
    return slots_;
  }

  /// The key that a UID names; asked of the token anew after a while.
  /// Errors: not_found, crypto_failure (of no use here), forbidden (weak, or reserved),
  /// unavailable, internal_error (several carry the label).
  [[nodiscard]] Result<std::shared_ptr<const HsmKey>> resolve(std::string_view uid);
  void forget(const std::string& uid);

  [[nodiscard]] KeyInfo info_of(TokenSlot& slot, const KeyObject& object) const;
  [[nodiscard]] const InstanceSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] const std::shared_ptr<const crypto::Library>& library() const noexcept {
    return library_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Cached {
    std::shared_ptr<const HsmKey> key;
    KeyObject object;  ///< What the key was made from.
    Clock::time_point good_until;
  };
  [[nodiscard]] Result<std::shared_ptr<const HsmKey>> make_key(
      const std::shared_ptr<TokenSlot>& slot, const KeyObject& object);
  [[nodiscard]] bool is_weak(const KeyObject& object) const noexcept;
  [[nodiscard]] Result<void> check_weak(const KeyObject& object) const;

  const std::shared_ptr<const crypto::Library> library_;
  const InstanceSettings& settings_;
  const std::shared_ptr<const crypto::PerProcess<Budgets>> budgets_;
  const WarningSink warn_;
  std::vector<std::shared_ptr<TokenSlot>> slots_;
  std::mutex cache_mutex_;
  std::unordered_map<std::string, Cached> cache_;
};

}  // namespace jwekms::pkcs11

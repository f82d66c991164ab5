// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "crypto/per_process.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/open.hpp"
#include "providers/pkcs11/hsm_instance.hpp"

namespace jwekms::pkcs11 {

/// Whether one slot of a pool is to be asked. One that was lost is left alone for a while, then
/// asked by a single operation, and by all again when that was served. Thread-safe.
class SlotHealth {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Claim : std::uint8_t {
    none,       ///< Leave it alone.
    well,       ///< Nothing is known against it.
    trial,      ///< It was lost; this caller is the one that finds out.
    necessity,  ///< It was lost, but nobody else has an answer.
  };

  /// @return none, well or trial.
  [[nodiscard]] Claim claim(Clock::time_point now) noexcept;
  // What came of it:
  void lost(Claim claim, Clock::time_point now) noexcept;
  void served(Claim claim) noexcept;

 private:
  std::atomic<Clock::rep> silent_until_ = 0;  ///< 0: well.
  std::atomic<Clock::rep> silence_ = 0;       ///< Doubles each time.
};

/// Slots that hold the same RSA keys. Serves each key by the slots at hand, in turn; passes over
/// those that are `unavailable`. Thread-safe, and usable in a forked child.
class SlotPool : public std::enable_shared_from_this<SlotPool> {
 public:
  struct Slot {
    HsmInstance instance;
    std::uint64_t number;
    std::string uid_prefix;  ///< `hsm::<model>[_n]::<number>::`
    SlotHealth health{};
  };

  /// Errors: bad_request.
  [[nodiscard]] static Result<std::shared_ptr<SlotPool>> make(
      const HsmPool& options, std::span<const HsmInstance> instances, const WarningSink& warn);
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  [[nodiscard]] std::span<const std::unique_ptr<Slot>> slots() const noexcept { return slots_; }
  [[nodiscard]] CekBoundary boundary() const noexcept {
    return slots_.front()->instance.settings().boundary;
  }

  /// The key that carries a label: of the first slot that has one and is at hand. An RSA key is
  /// served by all slots where the label names the same one.
  /// Errors: those of Instance::resolve; unavailable when a slot that could have it is.
  [[nodiscard]] Result<std::shared_ptr<const Key>> resolve(const std::string& label) const;

  /// The key of one slot, if it is the one that `modulus` tells. Errors: not_found, unavailable and
  /// the like.
  [[nodiscard]] Result<std::shared_ptr<const HsmKey>> key_in(
      const Slot& slot, const std::string& label, std::span<const std::uint8_t> modulus) const;

  /// Calls use(slot), which returns a Result, on the slots in turn until one has an answer. A slot
  /// that is unavailable, does not have the key or cannot do this with it has none; whatever comes
  /// of a JWE is one.
  template <class Use>
  [[nodiscard]] auto serve(Use use) const -> decltype(use(std::declval<const Slot&>()));

 private:
  /// One operation's way through the slots: those at hand, and the lost ones in the end.
  class Turn {
   public:
    Turn(const SlotPool& pool, std::size_t first)
        : pool_(pool), first_(first), asked_(pool.slots_.size()) {}
    /// Null when nobody is left. @param lost_too  those that were passed over lately, in the end.
    [[nodiscard]] Slot* next(bool lost_too = true);
    /// Takes note of how the last one failed; false where the failure is an answer.
    [[nodiscard]] bool passes_over(const Error& error);
    /// The last one has answered.
    void end();
    /// What to say when nobody has: that one is unavailable, if any is.
    [[nodiscard]] Error failure() const { return lost_ ? *lost_ : *other_; }

   private:
    const SlotPool& pool_;
    const std::size_t first_;
    std::vector<bool> asked_;
    Slot* slot_ = nullptr;
    SlotHealth::Claim claim_{};
    std::optional<Error> lost_, other_;
  };
  explicit SlotPool(WarningSink warn);
  [[nodiscard]] Result<std::shared_ptr<const Key>> look_up(const std::string& label) const;
  void warn_once(const std::string& uid, const char* text) const;

  /// What one process has.
  struct Known {
    struct Entry {
      std::shared_ptr<const Key> key;
      SlotHealth::Clock::time_point good_until;
    };
    std::mutex mutex;
    std::unordered_map<std::string, Entry> keys;  ///< By label.
    std::set<std::string> warned;                 ///< UIDs.
  };
  const WarningSink warn_;
  std::vector<std::unique_ptr<Slot>> slots_;
  mutable std::atomic<std::size_t> next_ = 0;
  const crypto::PerProcess<Known> known_;
};

template <class Use>
auto SlotPool::serve(Use use) const -> decltype(use(std::declval<const Slot&>())) {
  Turn turn(*this, next_.fetch_add(1, std::memory_order_relaxed));
  while (Slot* slot = turn.next()) {
    auto result = use(std::as_const(*slot));
    if (result || !turn.passes_over(result.error())) {
      turn.end();
      return result;
    }
  }
  return turn.failure();
}

}  // namespace jwekms::pkcs11

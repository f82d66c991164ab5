// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "crypto/per_process.hpp"
#include "providers/pkcs11/instance.hpp"

namespace jwekms::pkcs11 {

/// One HSM instance, whichever process asks: a forked child gets an Instance of its own. Copies are
/// the same one.
class HsmInstance {
 public:
  HsmInstance(const std::shared_ptr<const crypto::Library>& library, InstanceSettings settings,
              const std::shared_ptr<const crypto::PerProcess<Budgets>>& budgets,
              const WarningSink& warn)
      : state_(std::make_shared<const State>(library, std::move(settings), budgets, warn)) {}

  [[nodiscard]] Instance& get() const { return state_->in_process.get(); }
  [[nodiscard]] const InstanceSettings& settings() const noexcept { return state_->settings; }

 private:
  struct State {
    State(const std::shared_ptr<const crypto::Library>& library, InstanceSettings given,
          const std::shared_ptr<const crypto::PerProcess<Budgets>>& budgets,
          const WarningSink& warn)
        : settings(std::move(given)),
          in_process([this, library, budgets, warn](
                         Instance*, const std::shared_ptr<const crypto::ForkMark>&) {
            return std::make_unique<Instance>(library, settings, budgets, warn);
          }) {}
    const InstanceSettings settings;
    const crypto::PerProcess<Instance> in_process;
  };
  std::shared_ptr<const State> state_;
};

}  // namespace jwekms::pkcs11

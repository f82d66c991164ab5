// SPDX-License-Identifier: Apache-2.0
#include "core/call.hpp"

namespace jwekms::core {

void Call::report() const noexcept {
  kms_.audit({.principal = principal_,
              .operation = operation_,
              .kid = notes_->kid,
              .uid = notes_->uid,
              .other = notes_->other,
              .permissions = notes_->permissions,
              .error = notes_->error,
              .time = Clock::now() - notes_->began});
}

}  // namespace jwekms::core

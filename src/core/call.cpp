// SPDX-License-Identifier: Apache-2.0
#include "core/call.hpp"

namespace jwekms::core {

void Call::report() const noexcept {
  kms_.audit({.principal = principal_,
              .operation = operation_,
              .kid = kid_,
              .uid = uid_,
              .other = other_,
              .permissions = permissions_,
              .error = error_,
              .time = Clock::now() - began_});
}

}  // namespace jwekms::core

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "core/gate.hpp"
#include "crypto/library.hpp"
#include "jwekms/audit.hpp"
#include "jwekms/policy.hpp"

namespace jwekms::core {

/// What a Kms, and all that act for somebody over it, have in common. Immutable.
struct Context {
  std::shared_ptr<const crypto::Library> library;
  Gate gate;
  Policy policy;
  AuditSink audit;
};

}  // namespace jwekms::core

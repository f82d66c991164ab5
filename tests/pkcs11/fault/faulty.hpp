// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "../token.hpp"
#include "campaign.hpp"

/// The token under test behind the forwarding module: run.sh puts it there.
namespace faulty {

inline fault::Module& module() {
  static fault::Module one(token::variable("MODULE").c_str());
  return one;
}

/// No rules, counts and log from before.
struct Clean {
  Clean() { module().reset(); }
  Clean(const Clean&) = delete;
  Clean& operator=(const Clean&) = delete;
  ~Clean() {
    module().reset();
    module().effects(JWEKMS_FAULT_SESSION | JWEKMS_FAULT_LOGIN | JWEKMS_FAULT_LIBRARY);
  }
};

/// Keeps the most that was seen.
template <class Number>
void raise(std::atomic<Number>& most, Number now) {
  for (Number seen = most; now > seen && !most.compare_exchange_weak(seen, now);) continue;
}

/// The boundaries that the token under test has.
inline std::vector<jwekms::CekBoundary> boundaries() {
  std::vector<jwekms::CekBoundary> all{jwekms::CekBoundary::process};
  if (token::expected().boundary_sha1) all.push_back(jwekms::CekBoundary::hsm);
  return all;
}

}  // namespace faulty

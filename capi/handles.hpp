// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "convert.hpp"
#include "entry.hpp"
#include "jwekms.h"
#include "jwekms/kms.hpp"
#include "jwekms/service.hpp"

/// What stands behind the handles. None refers to another, so they may die in any order.

struct jwekms_ctx {
  jwekms::Kms kms;
};

struct jwekms_key_info {
  jwekms::KeyInfo info;
  jwekms::capi::AlgNames algs;  ///< Of `info.algs`: made ahead, so that asking cannot fail.
};

struct jwekms_key_list {
  jwekms::KeyPage page;
};

struct jwekms_grant_list {
  std::vector<jwekms::Grant> grants;
};

struct jwekms_response {
  jwekms::ServiceResponse response;
};

namespace jwekms::capi {

[[nodiscard]] inline const Kms& kms_of(const jwekms_ctx* ctx) {
  if (ctx == nullptr) bad_argument("the context is NULL");
  return ctx->kms;
}

/// A handle that is on its way out through a caller's `Handle**`, which is NULL until give().
template <class Handle>
class NewHandle {
 public:
  /// @param out  null: the handle is not wanted.
  explicit NewHandle(Handle** out) : out_(out) {
    if (out_ != nullptr) *out_ = nullptr;
  }
  [[nodiscard]] bool is_wanted() const noexcept { return out_ != nullptr; }
  void give(std::unique_ptr<Handle> handle) const noexcept {
    if (out_ != nullptr) *out_ = handle.release();
  }

 private:
  Handle** out_;
};

/// Gives out what a call, `Result<KeyInfo>()`, tells of a key.
template <class Call>
[[nodiscard]] Result<void> give_info(const NewHandle<jwekms_key_info>& out, Call call) {
  // Made first: for want of memory, a key that was made must not be reported as a failure.
  auto handle = std::make_unique<jwekms_key_info>();
  Result<KeyInfo> info = call();
  if (!info) return info.error();
  handle->info = *std::move(info);
  handle->algs = alg_names(handle->info.algs);
  out.give(std::move(handle));
  return {};
}

}  // namespace jwekms::capi

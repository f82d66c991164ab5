// SPDX-License-Identifier: Apache-2.0
#include "jwekms/access.hpp"

#include "convert.hpp"
#include "handles.hpp"
#include "jwekms.h"

using namespace jwekms;
using namespace jwekms::capi;

// The flags are the set's bits, on both sides of the border, for ever.
static_assert(JWEKMS_MAY_DECRYPT == Permissions{Permission::decrypt}.bits() &&
              JWEKMS_MAY_ENCRYPT == Permissions{Permission::encrypt}.bits() &&
              JWEKMS_MAY_UNWRAP == Permissions{Permission::unwrap}.bits() &&
              JWEKMS_MAY_DESCRIBE == Permissions{Permission::describe}.bits() &&
              JWEKMS_MAY_MANAGE == Permissions{Permission::manage}.bits() &&
              JWEKMS_MAY_GRANT == Permissions{Permission::grant}.bits());

jwekms_status jwekms_on_behalf_of(const jwekms_ctx* ctx, const char* principal,
                                  size_t principal_len, jwekms_ctx** acting, jwekms_error* error) {
  return guarded(error, [&]() -> Result<void> {
    const NewHandle out{acting};
    if (!out.is_wanted()) bad_argument("acting is NULL");
    Result<Kms> kms = kms_of(ctx).on_behalf_of(text(principal, principal_len));
    if (!kms) return kms.error();
    out.give(std::make_unique<jwekms_ctx>(jwekms_ctx{*std::move(kms)}));
    return {};
  });
}

jwekms_status jwekms_grant(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                           const char* principal, size_t principal_len, uint32_t permissions,
                           jwekms_error* error) {
  return guarded(error, [&] {
    return kms_of(ctx).grant(text(uid, uid_len), text(principal, principal_len),
                             Permissions::from_bits(permissions));
  });
}

jwekms_status jwekms_revoke(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                            const char* principal, size_t principal_len, jwekms_error* error) {
  return guarded(error, [&] {
    return kms_of(ctx).revoke(text(uid, uid_len), text(principal, principal_len));
  });
}

jwekms_status jwekms_list_grants(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                                 jwekms_grant_list** list, jwekms_error* error) {
  return guarded(error, [&]() -> Result<void> {
    const NewHandle out{list};
    if (!out.is_wanted()) bad_argument("list is NULL");
    Result<std::vector<Grant>> grants = kms_of(ctx).grants(text(uid, uid_len));
    if (!grants) return grants.error();
    out.give(std::make_unique<jwekms_grant_list>(jwekms_grant_list{*std::move(grants)}));
    return {};
  });
}

size_t jwekms_grant_list_count(const jwekms_grant_list* list) {
  return list != nullptr ? list->grants.size() : 0;
}

const char* jwekms_grant_list_principal(const jwekms_grant_list* list, size_t index, size_t* len) {
  const bool there = index < jwekms_grant_list_count(list);
  if (len != nullptr) *len = there ? list->grants[index].principal.size() : 0;
  return there ? list->grants[index].principal.c_str() : nullptr;
}

uint32_t jwekms_grant_list_permissions(const jwekms_grant_list* list, size_t index) {
  return index < jwekms_grant_list_count(list) ? list->grants[index].permissions.bits() : 0;
}

void jwekms_grant_list_free(jwekms_grant_list* list) { delete list; }

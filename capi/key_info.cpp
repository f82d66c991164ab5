// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "handles.hpp"
#include "jwekms.h"

using namespace jwekms;
using namespace jwekms::capi;

namespace {

/// @param terminated  NUL-terminated, and lives as long as the handle.
const char* give(std::string_view terminated, size_t* len) noexcept {
  if (len != nullptr) *len = terminated.size();
  return terminated.data();
}

const char* give_null(size_t* len) noexcept {
  if (len != nullptr) *len = 0;
  return nullptr;
}

}  // namespace

const char* jwekms_key_info_uid(const jwekms_key_info* info, size_t* len) {
  return info != nullptr ? give(info->info.uid, len) : give_null(len);
}

int32_t jwekms_key_info_type(const jwekms_key_info* info) {
  return info != nullptr ? static_cast<int32_t>(info->info.type) : 0;
}

uint32_t jwekms_key_info_bits(const jwekms_key_info* info) {
  return info != nullptr ? info->info.bits : 0;
}

const char* jwekms_key_info_algs(const jwekms_key_info* info, size_t* len) {
  return info != nullptr ? give({info->algs.text.data(), info->algs.size}, len) : give_null(len);
}

const char* jwekms_key_info_enc(const jwekms_key_info* info, size_t* len) {
  if (info == nullptr) return give_null(len);
  return info->info.enc ? give(row(*info->info.enc).name, len) : give("", len);
}

int32_t jwekms_key_info_state(const jwekms_key_info* info) {
  return info != nullptr ? static_cast<int32_t>(info->info.state) : 0;
}

int32_t jwekms_key_info_may_decrypt(const jwekms_key_info* info) {
  return info != nullptr && info->info.may_decrypt ? 1 : 0;
}

int32_t jwekms_key_info_may_encrypt(const jwekms_key_info* info) {
  return info != nullptr && info->info.may_encrypt ? 1 : 0;
}

const char* jwekms_key_info_parent(const jwekms_key_info* info, size_t* len) {
  return info != nullptr ? give(info->info.parent, len) : give_null(len);
}

const char* jwekms_key_info_owner(const jwekms_key_info* info, size_t* len) {
  return info != nullptr ? give(info->info.owner, len) : give_null(len);
}

int64_t jwekms_key_info_created_at(const jwekms_key_info* info) {
  return info != nullptr ? info->info.created_at_s : 0;
}

uint64_t jwekms_key_info_version(const jwekms_key_info* info) {
  return info != nullptr ? info->info.version : 0;
}

size_t jwekms_key_info_alias_count(const jwekms_key_info* info) {
  return info != nullptr ? info->info.aliases.size() : 0;
}

const char* jwekms_key_info_alias(const jwekms_key_info* info, size_t index, size_t* len) {
  if (index >= jwekms_key_info_alias_count(info)) return give_null(len);
  return give(info->info.aliases[index], len);
}

void jwekms_key_info_free(jwekms_key_info* info) { delete info; }

size_t jwekms_key_list_count(const jwekms_key_list* list) {
  return list != nullptr ? list->page.keys.size() : 0;
}

int32_t jwekms_key_list_more(const jwekms_key_list* list) {
  return list != nullptr && list->page.more ? 1 : 0;
}

jwekms_status jwekms_key_list_get(const jwekms_key_list* list, size_t index, jwekms_key_info** info,
                                  jwekms_error* error) {
  return guarded(error, [&]() -> Result<void> {
    const NewHandle out{info};
    if (index >= jwekms_key_list_count(list)) bad_argument("no such key on the page");
    return give_info(out, [&] { return Result{KeyInfo{list->page.keys[index]}}; });
  });
}

void jwekms_key_list_free(jwekms_key_list* list) { delete list; }

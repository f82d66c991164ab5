// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "convert.hpp"
#include "entry.hpp"
#include "struct_size.hpp"

namespace jwekms::capi {
namespace {

void read_slot(const jwekms_hsm_slot& in, HsmSlot& to) {
  const auto o = read_struct(&in).value();
  require_known(o.flags, JWEKMS_HSM_SLOT_BY_ID);
  const bool by_id = (o.flags & JWEKMS_HSM_SLOT_BY_ID) != 0;
  if (!by_id && o.slot_id != 0) bad_argument("slot_id without JWEKMS_HSM_SLOT_BY_ID");
  if (o.login < 0 || o.login > JWEKMS_HSM_LOGIN_NONE) bad_argument("an unknown login");
  if (o.reserved != 0) bad_argument("a reserved member is not 0");
  to.number = o.number;
  to.token_label = text(o.token_label, o.token_label_len);
  to.token_serial = text(o.token_serial, o.token_serial_len);
  if (by_id) to.slot_id = o.slot_id;
  if (o.login != 0) to.login = static_cast<HsmLogin>(o.login);
  to.pin = text(o.pin, o.pin_len);
}

void read_hsm(const jwekms_hsm_options& in, HsmOptions& to) {
  const auto o = read_struct(&in).value();
  require_known(o.flags, JWEKMS_HSM_FORBID_WEAK_KEYS);
  if (o.cek_boundary < 0 || o.cek_boundary > JWEKMS_CEK_IN_HSM)
    bad_argument("an unknown cek_boundary");
  if (o.raw_rsa_fallback < 0 || o.raw_rsa_fallback > JWEKMS_OFF)
    bad_argument("raw_rsa_fallback is as usual, on or off");
  check_list(o.slots, o.slot_count);
  to.model = text(o.model, o.model_len);
  to.module_path = text(o.module_path, o.module_path_len);
  to.init_args = text(o.init_args, o.init_args_len);
  to.forbid_weak_keys = (o.flags & JWEKMS_HSM_FORBID_WEAK_KEYS) != 0;
  if (o.cek_boundary != 0) to.cek_boundary = static_cast<CekBoundary>(o.cek_boundary);
  if (o.raw_rsa_fallback != JWEKMS_AS_USUAL) to.raw_rsa_fallback = o.raw_rsa_fallback == JWEKMS_ON;
  set(to.max_sessions, o.max_sessions);
  set(to.session_timeout, o.session_timeout_ms);
  to.admins = texts(o.admins, o.admin_lens, o.admin_count);
  // Never grown: a vector that grows leaves short PINs behind.
  to.slots = std::vector<HsmSlot>(o.slot_count);
  for (std::size_t i = 0; i < o.slot_count; ++i) read_slot(*o.slots[i], to.slots[i]);
}

}  // namespace

void read_hsms(const jwekms_hsm_options* const* in, std::size_t count,
               std::vector<HsmOptions>& to) {
  check_list(in, count);
  to = std::vector<HsmOptions>(count);
  for (std::size_t i = 0; i < count; ++i) read_hsm(*in[i], to[i]);
}

HsmPool hsm_pool(std::string_view slots) {
  HsmPool pool;
  for (std::size_t begin = 0; begin < slots.size();) {
    const std::size_t end = std::min(slots.find(' ', begin), slots.size());
    if (end > begin) pool.slots.emplace_back(slots.substr(begin, end - begin));
    begin = end + 1;
  }
  return pool;
}

}  // namespace jwekms::capi

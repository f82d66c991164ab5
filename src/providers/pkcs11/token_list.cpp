// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/token_list.hpp"

#include <libp11.h>

#include <new>
#include <span>

namespace jwekms::pkcs11 {

struct TokenList::Libp11 {
  PKCS11_CTX* ctx = nullptr;
  bool loaded = false;
  PKCS11_SLOT* slots = nullptr;
  unsigned int slot_count = 0;

  ~Libp11() {
    if (slots != nullptr) PKCS11_release_all_slots(ctx, slots, slot_count);
    if (loaded) PKCS11_CTX_unload(ctx);
    if (ctx != nullptr) PKCS11_CTX_free(ctx);
  }
};

TokenList::~TokenList() = default;

std::unique_ptr<TokenList> TokenList::read(const std::string& path, const std::string& init_args,
                                           bool ours) {
  std::unique_ptr<TokenList> list(new TokenList);
  list->libp11_ = std::make_unique<Libp11>();
  Libp11& p11 = *list->libp11_;
  p11.ctx = PKCS11_CTX_new();
  if (p11.ctx == nullptr) throw std::bad_alloc();
  if (!init_args.empty()) PKCS11_CTX_init_args(p11.ctx, init_args.c_str());
  if (PKCS11_CTX_load(p11.ctx, path.c_str()) != 0) return nullptr;
  p11.loaded = true;
  if (PKCS11_enumerate_slots(p11.ctx, &p11.slots, &p11.slot_count) != 0) {
    if (!ours) abandon(std::move(list));
    return nullptr;
  }
  const auto text = [](const char* s) { return std::string(s == nullptr ? "" : s); };
  for (PKCS11_SLOT& slot : std::span(p11.slots, p11.slot_count))
    if (slot.token != nullptr)
      list->tokens_.push_back({PKCS11_get_slotid_from_slot(&slot), text(slot.token->label),
                               text(slot.token->serialnr)});
  return list;
}

}  // namespace jwekms::pkcs11

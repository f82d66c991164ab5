// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/token_list.hpp"

#include <libp11.h>

#include <algorithm>
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

namespace {

/// Text of a fixed size, padded with blanks.
template <std::size_t N>
[[nodiscard]] std::string trim(const unsigned char (&text)[N]) {
  std::string trimmed(reinterpret_cast<const char*>(text), N);
  trimmed.resize(trimmed.find_last_not_of(' ') + 1);
  return trimmed;
}

constexpr CK_ULONG most_slots = 65536;

/// libp11 gives up when a single slot does not answer. Such a slot keeps its place here, without a
/// name.
[[nodiscard]] std::vector<Token> read_tokens(CK_FUNCTION_LIST& functions) {
  CK_ULONG count = 0;
  if (functions.C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK) return {};
  if (count > most_slots) return {};
  std::vector<CK_SLOT_ID> ids(count);
  if (functions.C_GetSlotList(CK_TRUE, ids.data(), &count) != CKR_OK) return {};
  ids.resize(std::min<std::size_t>(count, ids.size()));
  std::vector<Token> tokens;
  for (const CK_SLOT_ID id : ids) tokens.push_back(read_token(functions, id));
  return tokens;
}

}  // namespace

Token read_token(CK_FUNCTION_LIST& functions, CK_SLOT_ID slot_id) {
  CK_TOKEN_INFO info{};
  if (functions.C_GetTokenInfo(slot_id, &info) != CKR_OK) return {slot_id, {}, {}};
  return {slot_id, trim(info.label), trim(info.serialNumber)};
}

TokenList::~TokenList() = default;

std::unique_ptr<TokenList> TokenList::read(const std::string& path, const std::string& init_args,
                                           CK_FUNCTION_LIST& functions, bool ours) {
  std::unique_ptr<TokenList> list(new TokenList);
  list->libp11_ = std::make_unique<Libp11>();
  Libp11& p11 = *list->libp11_;
  p11.ctx = PKCS11_CTX_new();
  if (p11.ctx == nullptr) throw std::bad_alloc();
  if (!init_args.empty()) PKCS11_CTX_init_args(p11.ctx, init_args.c_str());
  if (PKCS11_CTX_load(p11.ctx, path.c_str()) != 0) return nullptr;
  p11.loaded = true;
  if (PKCS11_enumerate_slots(p11.ctx, &p11.slots, &p11.slot_count) != 0) {
    list->tokens_ = read_tokens(functions);
    if (!list->tokens_.empty()) return list;
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

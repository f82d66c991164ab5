// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "entry.hpp"
#include "jwekms.h"
#include "jwekms/kms.hpp"
#include "jwekms/open.hpp"

/// What C hands in, as C++ takes it. All throw BadResult for what cannot be taken. What is a view
/// on the left is a view of the caller's memory on the right.
namespace jwekms::capi {

[[nodiscard]] std::string_view text(const char* data, std::size_t size);
[[nodiscard]] std::span<const std::uint8_t> bytes(const std::uint8_t* data, std::size_t size);

/// No configuration has more than 4096 of anything; a count above that was never set by anybody.
inline void check_count(std::size_t count) {
  if (count > 4096) bad_argument("a list is too long");
}

/// A list of texts, copied.
[[nodiscard]] std::vector<std::string> texts(const char* const* data, const std::size_t* sizes,
                                             std::size_t count);

/// A list of pointers to structs.
template <class T>
void check_list(const T* const* all, std::size_t count) {
  if (count != 0 && all == nullptr) bad_argument("a list of pointers is NULL");
  check_count(count);
  for (std::size_t i = 0; i < count; ++i)
    if (all[i] == nullptr) bad_argument("a pointer in a list is NULL");
}

/// Names separated by spaces; empty for none.
[[nodiscard]] AlgSet alg_set(const char* names, std::size_t size);
[[nodiscard]] EncSet enc_set(const char* names, std::size_t size);

/// The way back: NUL-terminated, and in the order of `alg_table`.
struct AlgNames {
  std::array<char, 512> text{};
  std::size_t size = 0;
};
[[nodiscard]] AlgNames alg_names(AlgSet algs) noexcept;

[[nodiscard]] KeyState key_state(std::int32_t state);

void read_open_options(const jwekms_open_options* options, Options& to);
/// As many HSMs as there are pointers. PINs are copied: see WipedPins.
void read_hsms(const jwekms_hsm_options* const* in, std::size_t count, std::vector<HsmOptions>& to);
/// Slots separated by spaces.
[[nodiscard]] HsmPool hsm_pool(std::string_view slots);

/// Wipes the PINs of some HSMs when it goes. What it watches must neither move nor grow then.
class WipedPins {
 public:
  explicit WipedPins(std::vector<HsmOptions>& hsms) noexcept : hsms_(hsms) {}
  WipedPins(const WipedPins&) = delete;
  WipedPins& operator=(const WipedPins&) = delete;
  ~WipedPins() {
    for (HsmOptions& hsm : hsms_)
      for (HsmSlot& slot : hsm.slots) secure_wipe(slot.pin.data(), slot.pin.size());
  }

 private:
  std::vector<HsmOptions>& hsms_;
};

[[nodiscard]] DecryptOptions decrypt_options(const jwekms_decrypt_options* options);
[[nodiscard]] EncryptOptions encrypt_options(const jwekms_encrypt_options* options);
[[nodiscard]] CreateKey create_key(const jwekms_create_key_options* options);
/// All but the key itself.
[[nodiscard]] ImportKey import_key(const jwekms_import_key_options* options);

struct UnwrapKey {
  DecryptOptions from;
  KeepCek keep;
};
[[nodiscard]] UnwrapKey unwrap_key(const jwekms_unwrap_key_options* options);

struct ListKeysOf {
  ListKeys page;
  std::string_view prefix;
};
[[nodiscard]] ListKeysOf list_keys(const jwekms_list_keys_options* options);

}  // namespace jwekms::capi

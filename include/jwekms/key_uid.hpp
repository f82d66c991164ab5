// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Names of keys, and where they lead; header-only.

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "jwekms/result.hpp"

namespace jwekms {

/// A UID, an alias or a `kid` is opaque bytes: 1 to this many, no NUL.
inline constexpr std::size_t max_uid_bytes = 256;

/// The HSM models of the configuration, as they stand in a UID.
inline constexpr std::array<std::string_view, 6> hsm_models{
    "softhsm2", "utimaco", "proteccio", "crypt2pay", "smartcardhsm", "other"};

/// Where a key lives, read from its UID. Views into the UID's text.
struct KeyUid {
  std::string_view text{};  ///< All of it.
  bool in_hsm = false;      ///< It begins with `hsm::`.
  // For `hsm::<model>[_n]::<slot>::<label>` alone:
  std::string_view model{};    ///< One of hsm_models.
  std::uint32_t instance = 0;  ///< n; 0 for the first instance of a model.
  std::uint64_t slot = 0;      ///< HsmSlot::number.
  std::string_view label{};    ///< May contain "::" itself.
};

/// What the public half of a key pair is called: the pair's UID and this. Such a name leads to the
/// pair unless it is itself a key's UID or alias.
inline constexpr std::string_view public_half_suffix = "_pk";

/// The UID of the key pair whose public half a name would be; empty if it cannot be one.
[[nodiscard]] constexpr std::string_view pair_of_public_half(std::string_view name) noexcept {
  if (!name.ends_with(public_half_suffix)) return {};
  return name.substr(0, name.size() - public_half_suffix.size());
}

/// Reads a UID. One that begins with `hsm::` must be a whole HSM UID: a malformed one is an error
/// and never a name in the database.
/// Errors: bad_request. Thread-safe.
[[nodiscard]] inline Result<KeyUid> parse_key_uid(std::string_view text) noexcept {
  constexpr std::string_view prefix = "hsm::";
  constexpr Error malformed{Errc::bad_request, 0, "malformed HSM key UID"};
  if (text.empty() || text.size() > max_uid_bytes)
    return Error{Errc::bad_request, 0, "a key UID is 1 to 256 bytes"};
  if (text.find('\0') != std::string_view::npos)
    return Error{Errc::bad_request, 0, "NUL in a key UID"};
  KeyUid uid{.text = text, .in_hsm = text.starts_with(prefix)};
  if (!uid.in_hsm) return uid;

  const auto number = [](std::string_view digits, auto& out) noexcept {
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    const bool canonical = digits.size() == 1 || (!digits.empty() && digits[0] != '0');
    return ec == std::errc{} && end == digits.data() + digits.size() && canonical;
  };
  std::string_view rest = text.substr(prefix.size());
  const std::size_t model_end = rest.find("::");
  if (model_end == std::string_view::npos) return malformed;
  uid.model = rest.substr(0, model_end);
  rest.remove_prefix(model_end + 2);
  const std::size_t slot_end = rest.find("::");
  if (slot_end == std::string_view::npos) return malformed;
  if (!number(rest.substr(0, slot_end), uid.slot)) return malformed;
  uid.label = rest.substr(slot_end + 2);
  if (uid.label.empty()) return malformed;

  if (const std::size_t mark = uid.model.rfind('_'); mark != std::string_view::npos) {
    if (!number(uid.model.substr(mark + 1), uid.instance) || uid.instance == 0) return malformed;
    uid.model = uid.model.substr(0, mark);
  }
  for (std::string_view known : hsm_models)
    if (known == uid.model) return uid;
  return malformed;
}

}  // namespace jwekms

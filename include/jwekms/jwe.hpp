// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Tokens taken apart: the three serializations of RFC 7516 §7; header-only.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "jwekms/base64url.hpp"
#include "jwekms/json.hpp"
#include "jwekms/policy.hpp"
#include "jwekms/result.hpp"

namespace jwekms {

/// How a token is written down (RFC 7516 §7).
enum class Serialization : std::uint8_t {
  compact,    ///< Five base64url segments.
  flattened,  ///< A JSON object with one recipient.
  general,    ///< A JSON object with several; read, not made.
};

/// One recipient's part of a token.
struct Recipient {
  std::optional<json::Value> header;   ///< The per-recipient unprotected header, an object.
  std::string_view encrypted_key_b64;  ///< Empty when there is none, as with `dir`.
};

/// A token taken apart, not decoded: every member is a view into the token's text, which must
/// outlive it. RFC 7516 §7. Nothing is allocated.
struct JweView {
  Serialization serialization = Serialization::compact;  ///< How it was written down.
  std::string_view protected_b64;           ///< Empty when there is no protected header.
  std::optional<json::Value> unprotected;   ///< The shared unprotected header, an object.
  Recipient recipient;                      ///< Compact and flattened: the only recipient.
  std::optional<json::Value> recipients;    ///< General: a non-empty array; see for_each_recipient.
  std::string_view iv_b64;                  ///< Still base64url, as all that ends so.
  std::string_view ciphertext_b64;          ///< The longest part.
  std::string_view tag_b64;                 ///< Of the length that the sender chose.
  std::optional<std::string_view> aad_b64;  ///< JSON only; present-but-empty is kept apart.
  bool has_content = false;                 ///< `iv`, `ciphertext` and `tag` are all there.
};

namespace detail {

[[nodiscard]] constexpr Error malformed(const char* text, std::size_t position = 0) noexcept {
  return {Errc::bad_request, static_cast<std::uint32_t>(position), text};
}

/// RFC 7516 §7.1: exactly five segments. The last dot is looked for from the end, so that a long
/// ciphertext is not scanned twice; a sixth segment's dot is then a foreign letter inside it.
[[nodiscard]] inline Result<JweView> parse_compact(std::string_view token) noexcept {
  const std::size_t d1 = token.find('.');
  const std::size_t d2 = d1 == token.npos ? d1 : token.find('.', d1 + 1);
  const std::size_t d3 = d2 == token.npos ? d2 : token.find('.', d2 + 1);
  const std::size_t d4 = token.rfind('.');
  if (d3 == token.npos || d4 == d3) return malformed("a compact token has five segments");
  JweView view;
  view.protected_b64 = token.substr(0, d1);
  view.recipient.encrypted_key_b64 = token.substr(d1 + 1, d2 - d1 - 1);
  view.iv_b64 = token.substr(d2 + 1, d3 - d2 - 1);
  view.ciphertext_b64 = token.substr(d3 + 1, d4 - d3 - 1);
  view.tag_b64 = token.substr(d4 + 1);
  view.has_content = true;
  if (view.protected_b64.empty()) return malformed("a compact token has a protected header");
  return view;
}

/// A base64url member. Its alphabet never needs a JSON escape and none is accepted, so that the
/// text can be used where it lies.
[[nodiscard]] inline Result<std::string_view> b64_member(const json::Value& value) noexcept {
  if (value.kind() != json::Kind::string) return malformed("a base64url member must be a string");
  const std::optional<std::string_view> text = value.as_string().plain();
  if (!text) return malformed("an escape in a base64url member");
  return *text;
}

[[nodiscard]] inline Result<Recipient> parse_recipient(const json::Value& value) noexcept {
  if (value.kind() != json::Kind::object) return malformed("a recipient must be an object");
  Recipient recipient;
  for (const json::Member& m : value.members()) {
    if (m.name.equals("header")) {
      if (m.value.kind() != json::Kind::object) return malformed("a header must be an object");
      recipient.header = m.value;
    } else if (m.name.equals("encrypted_key")) {
      const Result<std::string_view> text = b64_member(m.value);
      if (!text) return text.error();
      recipient.encrypted_key_b64 = *text;
    }
  }
  return recipient;
}

[[nodiscard]] inline Result<void> check_recipients(const json::Value& array,
                                                   const Limits& limits) noexcept {
  if (array.kind() != json::Kind::array) return malformed("recipients must be an array");
  std::size_t count = 0;
  for (const json::Value& element : array.elements()) {
    if (++count > limits.max_recipients) return malformed("too many recipients");
    if (const Result<Recipient> r = parse_recipient(element); !r) return r.error();
  }
  if (count == 0) return malformed("recipients must not be empty");
  return {};
}

/// RFC 7516 §7.2. Members that it does not name are ignored.
[[nodiscard]] inline Result<JweView> parse_json(std::string_view token,
                                                const Limits& limits) noexcept {
  const Result<json::Value> root = json::read(token, {.max_bytes = limits.max_token_bytes});
  if (!root) return root.error();
  if (root->kind() != json::Kind::object) return malformed("a JSON token must be an object");

  JweView view;
  view.serialization = Serialization::flattened;
  bool has_protected = false, has_iv = false, has_ciphertext = false, has_tag = false;
  bool has_flattened_part = false;
  for (const json::Member& m : root->members()) {
    const auto text_into = [&m](std::string_view& out, bool& seen) noexcept -> Result<void> {
      const Result<std::string_view> text = b64_member(m.value);
      if (!text) return text.error();
      out = *text;
      seen = true;
      return {};
    };
    Result<void> read;
    bool has_aad = false;
    if (m.name.equals("protected")) {
      read = text_into(view.protected_b64, has_protected);
      if (read && view.protected_b64.empty()) read = malformed("an empty protected header");
    } else if (m.name.equals("encrypted_key")) {
      read = text_into(view.recipient.encrypted_key_b64, has_flattened_part);
    } else if (m.name.equals("iv")) {
      read = text_into(view.iv_b64, has_iv);
    } else if (m.name.equals("ciphertext")) {
      read = text_into(view.ciphertext_b64, has_ciphertext);
    } else if (m.name.equals("tag")) {
      read = text_into(view.tag_b64, has_tag);
    } else if (m.name.equals("aad")) {
      std::string_view text;
      read = text_into(text, has_aad);
      view.aad_b64 = text;
    } else if (m.name.equals("unprotected") || m.name.equals("header")) {
      const bool shared = m.name.equals("unprotected");
      if (m.value.kind() != json::Kind::object) return malformed("a header must be an object");
      (shared ? view.unprotected : view.recipient.header) = m.value;
      has_flattened_part |= !shared;
    } else if (m.name.equals("recipients")) {
      read = check_recipients(m.value, limits);
      view.recipients = m.value;
      view.serialization = Serialization::general;
    }
    if (!read) return read.error();
  }
  // RFC 7516 §7.2.2: the flattened members and `recipients` exclude each other.
  if (view.recipients && has_flattened_part)
    return malformed("recipients beside header or encrypted_key");
  view.has_content = has_iv && has_ciphertext && has_tag;
  return view;
}

}  // namespace detail

/// Takes a token apart: compact, flattened or general. RFC 7516 §7.
/// Checks structure and JSON, not yet base64url, header contents or lengths.
/// @param token  UTF-8, any size; views into it are returned.
/// Errors: bad_request, too_large. Thread-safe, allocation-free.
[[nodiscard]] inline Result<JweView> parse_jwe(std::string_view token,
                                               const Limits& limits) noexcept {
  if (token.size() > limits.max_token_bytes)
    return Error{Errc::too_large, 0, "the token is above the configured size"};
  const std::size_t first = token.find_first_not_of(" \t\r\n");
  if (first != token.npos && token[first] == '{') return detail::parse_json(token, limits);
  return detail::parse_compact(token);
}

/// Calls `visit(const Recipient&) -> bool` for each recipient in order until it returns false.
template <class Visit>
void for_each_recipient(const JweView& view, Visit&& visit) {
  if (!view.recipients) {
    (void)visit(view.recipient);
    return;
  }
  for (const json::Value& element : view.recipients->elements()) {
    const Result<Recipient> recipient = detail::parse_recipient(element);
    if (!recipient || !visit(*recipient)) return;
  }
}

}  // namespace jwekms

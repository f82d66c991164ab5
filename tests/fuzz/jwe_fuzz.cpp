// SPDX-License-Identifier: Apache-2.0
// Takes a token apart and reads its headers, as every call that is given one begins. Nothing may be
// looked at outside the token, whatever it says, and what is let in obeys the rules that the rest
// of the library builds on.
#include <cstdlib>
#include <functional>
#include <string_view>

#include "jwekms/jose_header.hpp"

using namespace jwekms;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

/// Empty views point nowhere in particular.
bool lies_in(std::string_view part, std::string_view whole) {
  const std::less_equal<const char*> not_after;
  return part.empty() || (not_after(whole.data(), part.data()) &&
                          not_after(part.data() + part.size(), whole.data() + whole.size()));
}

bool is_object_in(const std::optional<json::Value>& value, std::string_view whole) {
  return !value || (value->kind() == json::Kind::object && lies_in(value->text(), whole));
}

void check_error(const Error& error, std::string_view token) {
  require(error.code == Errc::bad_request || error.code == Errc::too_large);
  require(error.position <= token.size() && error.text[0] != '\0');
}

void check_view(const JweView& view, std::string_view token, const Limits& limits) {
  require(token.size() <= limits.max_token_bytes);
  for (const std::string_view part :
       {view.protected_b64, view.iv_b64, view.ciphertext_b64, view.tag_b64,
        view.recipient.encrypted_key_b64, view.aad_b64.value_or("")})
    require(lies_in(part, token));
  require(is_object_in(view.unprotected, token));
  require(is_object_in(view.recipient.header, token));
  require(view.recipients.has_value() == (view.serialization == Serialization::general));
  if (view.serialization != Serialization::compact) return;
  require(view.has_content && !view.unprotected && !view.recipient.header && !view.aad_b64);
  // The five parts and four dots are the token.
  require(view.protected_b64.size() + view.recipient.encrypted_key_b64.size() + view.iv_b64.size() +
              view.ciphertext_b64.size() + view.tag_b64.size() + 4 ==
          token.size());
}

void check_parameters(const JoseHeader& header, std::string_view token,
                      std::string_view protected_text) {
  require(header.kid.size <= max_uid_bytes);
  require(header.kid.view().find('\0') == std::string_view::npos);
  for (const auto& value :
       {header.epk, header.apu, header.apv, header.iv, header.tag, header.p2s, header.p2c})
    if (value) require(lies_in(value->text(), token) || lies_in(value->text(), protected_text));
}

void check_allowed(const JoseHeader& header, const Policy& policy) {
  require(header.alg && header.alg->support == Support::implemented);
  require(header.enc && header.enc->support == Support::implemented);
  require(policy.algs.contains(header.alg->id) && policy.encs.contains(header.enc->id));
  require(!policy.require_kid || header.kid.size != 0);
  require(!header.has_zip || (policy.allow_zip && header.zip_is_deflate));
}

/// @return how many recipients the policy lets in.
std::size_t read(std::string_view token, const Policy& policy) {
  const Result<JweView> view = parse_jwe(token, policy.limits);
  if (!view) return check_error(view.error(), token), 0;
  check_view(*view, token, policy.limits);

  HeaderBuffer buffer;
  const auto protected_header = decode_protected_header(view->protected_b64, buffer, policy.limits);
  if (!protected_header) return 0;
  const std::string_view text{buffer.data(), base64url::decoded_size(view->protected_b64.size())};
  require(is_object_in(*protected_header, text));

  std::size_t recipients = 0, let_in = 0;
  for_each_recipient(*view, [&](const Recipient& recipient) {
    ++recipients;
    require(lies_in(recipient.encrypted_key_b64, token) && is_object_in(recipient.header, token));
    const Result<JoseHeader> header = read_header(*view, *protected_header, recipient, policy);
    if (!header) return check_error(header.error(), token), true;
    check_parameters(*header, token, text);
    if (!check_header(*header, policy)) return true;
    check_allowed(*header, policy);
    ++let_in;
    return true;
  });
  require(recipients >= 1 && recipients <= policy.limits.max_recipients);
  return let_in;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view token{reinterpret_cast<const char*>(data), size};
  const std::size_t by_default = read(token, Policy{});
  const std::size_t by_permissive = read(token, Policy::permissive());
  require(by_default <= by_permissive);  // what the default lets in, the permissive policy does
  Policy tight;
  tight.limits = {.max_token_bytes = 4096, .max_header_bytes = 64, .max_recipients = 2};
  require(read(token, tight) <= by_default);
  return 0;
}

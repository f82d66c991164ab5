// SPDX-License-Identifier: Apache-2.0
#include "token_text.hpp"

#include "files.hpp"
#include "jwekms/base64url.hpp"
#include "jwekms/jose_header.hpp"
#include "jwekms/jwe.hpp"

namespace cli {

using namespace jwekms;

namespace {

constexpr std::size_t max_space_bytes = 4096;  // around a token

}  // namespace

Token Token::read(const std::string& path, const Policy& policy) {
  return Token(read_input(path, policy.limits.max_token_bytes + max_space_bytes));
}

std::string_view Token::text() const noexcept { return trimmed(text_of(bytes_)); }

std::string Token::kid(const Policy& policy) const {
  const Result<JweView> view = parse_jwe(text(), policy.limits);
  if (!view) return {};
  HeaderBuffer buffer;
  const Result<std::optional<json::Value>> header =
      decode_protected_header(view->protected_b64, buffer, policy.limits);
  if (!header || !*header) return {};
  const std::optional<json::Value> kid = (*header)->find("kid");
  if (!kid || kid->kind() != json::Kind::string) return {};
  Kid copy;
  const std::optional<std::size_t> size = kid->as_string().copy_to(copy.bytes);
  return size ? std::string(copy.bytes.data(), *size) : std::string();
}

std::string base64url_of(std::span<const std::uint8_t> bytes) {
  std::string text(base64url::encoded_size(bytes.size()), '\0');
  base64url::encode(bytes, text.data());
  return text;
}

}  // namespace cli

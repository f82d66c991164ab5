// SPDX-License-Identifier: Apache-2.0
#include "vector_file.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "jwekms/base64url.hpp"
#include "jwekms/json.hpp"

namespace vectors {

namespace {

namespace json = jwekms::json;
using jwekms::Result;

// The strict reader refuses U+0000, and some tokens have it: it stands as U+E000 meanwhile.
constexpr std::string_view nul_escape = "\\u0000", stand_in_escape = "\\uE000";
constexpr std::string_view stand_in = "\xEE\x80\x80";

[[nodiscard]] std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  for (std::size_t i = text.find('\\'); i < text.size(); i = text.find('\\', i + 2))
    if (std::string_view(text).substr(i, nul_escape.size()) == nul_escape)
      text.replace(i, nul_escape.size(), stand_in_escape);
  return text;
}

/// A checked file. Its values are views of the text.
class Document {
 public:
  explicit Document(const std::string& path) : text_(read_text(path)), root_(json::read(text_)) {
    if (!root_)
      throw std::runtime_error(path + ": byte " + std::to_string(root_.error().position) + ": " +
                               root_.error().text);
  }
  [[nodiscard]] const json::Value& root() const { return *root_; }

 private:
  std::string text_;
  Result<json::Value> root_;
};

[[nodiscard]] std::string as_text(const json::Value& value) {
  const json::String string = value.as_string();
  std::string text(string.resolved_size(), '\0');
  (void)string.copy_to(text);
  for (std::size_t i = text.find(stand_in); i < text.size(); i = text.find(stand_in, i + 1))
    text.replace(i, stand_in.size(), 1, '\0');
  return text;
}

/// A member that is a string; empty if it is absent or null.
[[nodiscard]] std::string text_member(const json::Value& object, std::string_view name) {
  const std::optional<json::Value> value = object.find(name);
  return value ? as_text(*value) : std::string();
}

/// A member that is a string or a list of them.
[[nodiscard]] std::vector<std::string> text_list(const json::Value& object, std::string_view name) {
  const std::optional<json::Value> value = object.find(name);
  if (!value || value->kind() == json::Kind::null) return {};
  if (value->kind() == json::Kind::string) return {as_text(*value)};
  std::vector<std::string> texts;
  for (const json::Value& element : value->elements()) texts.push_back(as_text(element));
  return texts;
}

[[nodiscard]] std::string decode(const std::string& text) {
  std::string bytes(jwekms::base64url::decoded_size(text.size()), '\0');
  if (!jwekms::base64url::decode(text, reinterpret_cast<std::uint8_t*>(bytes.data())))
    throw std::runtime_error("a plaintext is not base64url");
  return bytes;
}

/// `jwe`, or `jwe_template`: a list of [text, how often].
[[nodiscard]] std::string token_of(const json::Value& object) {
  const std::optional<json::Value> parts = object.find("jwe_template");
  if (!parts) return text_member(object, "jwe");
  std::string token;
  for (const json::Value& part : parts->elements()) {
    std::string text;
    for (const json::Value& element : part.elements()) {
      if (element.kind() == json::Kind::string) text = as_text(element);
      for (std::uint32_t n = element.as_uint32().value_or(0); n > 0; --n) token += text;
    }
  }
  return token;
}

[[nodiscard]] std::vector<std::string> expectation(const json::Value& object, std::string_view code,
                                                   std::string_view alternatives) {
  std::vector<std::string> codes = text_list(object, code);
  for (std::string& other : text_list(object, alternatives)) codes.push_back(std::move(other));
  return codes;
}

[[nodiscard]] Case case_of(const json::Value& object) {
  Case c;
  c.id = text_member(object, "id");
  c.token = token_of(object);
  c.kid = text_member(object, "kid");
  c.unwrap = text_member(object, "op") == "unwrap";
  c.caller_names_key = text_member(object, "key_select") == "caller";
  c.default_policy_only = text_member(object, "policy") == "default";
  c.serialization = text_member(object, "serialization");
  c.algs = text_list(object, "alg");
  c.enc = text_member(object, "enc");
  c.expect = expectation(object, "expect", "expect_alt");
  c.expect_by_default = expectation(object, "expect_core", "expect_core_alt");
  if (c.expect_by_default.empty()) c.expect_by_default = c.expect;
  if (object.find("plaintext_b64u")) c.plaintext = decode(text_member(object, "plaintext_b64u"));
  if (c.id.empty() || c.expect.empty()) throw std::runtime_error("a case has no id or no expect");
  return c;
}

}  // namespace

VectorFile read_vector_file(const std::string& path) {
  const Document document(path);
  const json::Value& root = document.root();
  if (text_member(root, "schema") != "jwe-vectors/1")
    throw std::runtime_error(path + ": not of schema jwe-vectors/1");
  VectorFile file;
  file.suite = text_member(root, "suite");
  if (const auto keys = root.find("keys"))
    for (const json::Value& key : keys->elements())
      file.keys.push_back({text_member(key, "kid"), std::string(key.text())});
  if (const auto cases = root.find("cases"))
    for (const json::Value& element : cases->elements()) file.cases.push_back(case_of(element));
  return file;
}

std::vector<Exception> read_exceptions(const std::string& path) {
  const Document document(path);
  std::vector<Exception> exceptions;
  for (const json::Value& e : document.root().elements()) {
    exceptions.push_back({text_member(e, "suite"), text_member(e, "id"), text_member(e, "expect"),
                          text_member(e, "reason")});
    const Exception& read = exceptions.back();
    if (read.suite.empty() || read.id.empty() || read.expect.empty() || read.reason.empty())
      throw std::runtime_error(path + ": an exception lacks a member");
  }
  return exceptions;
}

}  // namespace vectors

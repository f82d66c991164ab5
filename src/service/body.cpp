// SPDX-License-Identifier: Apache-2.0
#include "service/body.hpp"

#include <algorithm>

namespace jwekms::service {

namespace {

[[nodiscard]] Error bad(const char* text) noexcept { return {Errc::bad_request, 0, text}; }

}  // namespace

std::string resolved(const json::String& text) {
  std::string out(text.resolved_size(), '\0');
  (void)text.copy_to(out);
  return out;
}

Body::Body(std::string_view text, const Limits& limits,
           std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) fields_.push_back({name, std::nullopt});
  const Result<json::Value> root = json::read(text, {.max_bytes = limits.max_token_bytes});
  if (!root)
    fail(root.error());
  else
    read(*root);
}

Body::Body(const json::Value& object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) fields_.push_back({name, std::nullopt});
  read(object);
}

void Body::read(const json::Value& object) {
  if (object.kind() != json::Kind::object) return fail(bad("the body must be a JSON object"));
  for (const json::Member& member : object.members()) {
    const auto field =
        std::ranges::find_if(fields_, [&](const Field& f) { return member.name.equals(f.name); });
    if (field == fields_.end()) return fail(bad("the body has an unknown member"));
    field->value = member.value;
  }
}

void Body::fail(Error error) noexcept {
  if (error_) error_ = error;
}

const json::Value* Body::find(std::string_view name) const noexcept {
  for (const Field& field : fields_)
    if (field.name == name && field.value) return &*field.value;
  return nullptr;
}

const json::Value* Body::find(std::string_view name, json::Kind kind, const char* fault) {
  const json::Value* value = find(name);
  if (value == nullptr || value->kind() == kind) return value;
  fail(bad(fault));
  return nullptr;
}

std::string Body::text(std::string_view name) {
  const json::Value* value = find(name, json::Kind::string, "a member must be a string");
  return value != nullptr ? resolved(value->as_string()) : std::string();
}

std::string Body::required_text(std::string_view name, const char* missing) {
  if (!has(name)) fail(bad(missing));
  return text(name);
}

std::optional<std::string_view> Body::plain(std::string_view name) {
  const json::Value* value = find(name, json::Kind::string, "a member must be a string");
  if (value == nullptr) return std::nullopt;
  const std::optional<std::string_view> text = value->as_string().plain();
  if (!text) fail(bad("an escape in a base64url member"));
  return text;
}

std::string_view Body::required_plain(std::string_view name, const char* missing) {
  if (!has(name)) fail(bad(missing));
  return plain(name).value_or("");
}

std::optional<bool> Body::boolean(std::string_view name) {
  const json::Value* value = find(name, json::Kind::boolean, "a member must be true or false");
  return value != nullptr ? value->as_bool() : std::nullopt;
}

std::optional<std::uint32_t> Body::number(std::string_view name) {
  const json::Value* value = find(name, json::Kind::number, "a member must be a number");
  if (value == nullptr) return std::nullopt;
  const std::optional<std::uint32_t> number = value->as_uint32();
  if (!number) fail(bad("a number must be whole, not negative and below 2^32"));
  return number;
}

std::vector<std::string> Body::texts(std::string_view name) {
  std::vector<std::string> all;
  const json::Value* value = find(name, json::Kind::array, "a member must be an array");
  if (value == nullptr) return all;
  for (const json::Value& element : value->elements()) {
    if (element.kind() != json::Kind::string) fail(bad("an array must hold strings alone"));
    all.push_back(resolved(element.as_string()));
  }
  return all;
}

std::optional<json::Value> Body::object(std::string_view name) {
  const json::Value* value = find(name, json::Kind::object, "a member must be an object");
  if (value == nullptr) return std::nullopt;
  return *value;
}

}  // namespace jwekms::service

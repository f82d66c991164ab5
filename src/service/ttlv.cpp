// SPDX-License-Identifier: Apache-2.0
#include "service/ttlv.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "service/body.hpp"

namespace jwekms::service::ttlv {

namespace {

constexpr std::size_t max_bytes = 2048;  // an RSA modulus of 16384 bits

[[nodiscard]] Error bad(const char* text) noexcept { return {Errc::bad_request, 0, text}; }

/// A number as this encoding may write it: "0x00000001".
[[nodiscard]] std::optional<std::uint32_t> hex_number(std::string_view text) noexcept {
  if (!text.starts_with("0x")) return std::nullopt;
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + 2, end, number, 16);
  if (stop != end || error != std::errc{}) return std::nullopt;
  return number;
}

[[nodiscard]] Json item(std::string_view tag, std::string_view type) {
  Json made = new_object();
  add_text(made.get(), "tag", tag);
  add_text(made.get(), "type", type);
  return made;
}

[[nodiscard]] Json item(std::string_view tag, std::string_view type, std::string_view value) {
  Json made = item(tag, type);
  add_text(made.get(), "value", value);
  return made;
}

}  // namespace

Result<Item> read_item(const json::Value& value) {
  if (value.kind() != json::Kind::object) return bad("a KMIP item must be an object");
  std::optional<std::string_view> tag, type = "Structure";
  std::optional<json::Value> content;
  for (const json::Member& member : value.members()) {
    const bool is_tag = member.name.equals("tag");
    if (member.name.equals("value")) {
      content = member.value;
    } else if (is_tag || member.name.equals("type")) {
      if (member.value.kind() != json::Kind::string) return bad("a KMIP tag or type is a string");
      (is_tag ? tag : type) = member.value.as_string().plain();
    } else {
      return bad("a KMIP item has a tag, a type and a value");
    }
  }
  if (!tag || !type || !content) return bad("a KMIP item has a tag, a type and a value");
  const bool structure = *type == "Structure";
  if (structure != (content->kind() == json::Kind::array))
    return bad("a KMIP structure's value is an array, and no other's");
  return Item{*tag, *type, *content};
}

Structure::Structure(const Item& item) { read(item); }

Structure::Structure(Structure& outer, std::string_view tag) {
  if (const Item* item = outer.find(tag, "Structure")) read(*item);
  if (!outer.error()) error_ = outer.error();
}

void Structure::read(const Item& item) {
  if (item.type != "Structure") return fail("a KMIP structure was expected");
  for (const json::Value& element : item.value.elements()) {
    const Result<Item> read = read_item(element);
    if (!read) return fail(read.error().text);
    items_.push_back(*read);
  }
}

void Structure::fail(const char* text) noexcept {
  if (error_) error_ = bad(text);
}

const Item* Structure::find(std::string_view tag) {
  const auto has_tag = [tag](const Item& item) { return item.tag == tag; };
  const auto found = std::ranges::find_if(items_, has_tag);
  if (found == items_.end()) return nullptr;
  if (std::find_if(found + 1, items_.end(), has_tag) != items_.end()) {
    fail("a KMIP item stands twice");
    return nullptr;
  }
  return &*found;
}

const Item* Structure::find(std::string_view tag, std::string_view type) {
  const Item* item = find(tag);
  if (item == nullptr || item->type == type) return item;
  fail("a KMIP item is of the wrong type");
  return nullptr;
}

std::optional<std::string> Structure::text(std::string_view tag) {
  const Item* item = find(tag, "TextString");
  if (item == nullptr) return std::nullopt;
  if (item->value.kind() == json::Kind::string) return resolved(item->value.as_string());
  fail("a TextString's value is a string");
  return std::nullopt;
}

std::optional<std::vector<std::uint8_t>> Structure::bytes(std::string_view tag) {
  const Item* item = find(tag, "ByteString");
  if (item == nullptr) return std::nullopt;
  std::optional<std::vector<std::uint8_t>> bytes;
  if (item->value.kind() == json::Kind::string) bytes = from_hex(item->value.as_string().raw());
  if (!bytes) fail("a ByteString's value is hexadecimal text of a key's size");
  return bytes;
}

std::optional<std::uint32_t> Structure::integer(std::string_view tag) {
  const Item* item = find(tag, "Integer");
  if (item == nullptr) return std::nullopt;
  const std::optional<std::uint32_t> number = item->value.kind() == json::Kind::string
                                                  ? hex_number(item->value.as_string().raw())
                                                  : item->value.as_uint32();
  if (!number) fail("an Integer's value is a number");
  return number;
}

std::optional<std::uint32_t> Structure::enumeration(std::string_view tag,
                                                    std::span<const Name> names) {
  const Item* item = find(tag, "Enumeration");
  if (item == nullptr) return std::nullopt;
  if (item->value.kind() != json::Kind::string) {
    fail("an Enumeration's value is a string");
    return std::nullopt;
  }
  const std::string_view text = item->value.as_string().raw();
  if (const std::optional<std::uint32_t> number = hex_number(text)) return number;
  for (const Name& known : names)
    if (known.name == text) return known.number;
  return 0;
}

std::optional<std::vector<std::uint8_t>> from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0 || digits.size() / 2 > max_bytes) return std::nullopt;
  std::vector<std::uint8_t> bytes(digits.size() / 2);
  for (std::uint8_t& byte : bytes) {
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + 2, byte, 16);
    if (stop != digits.data() + 2 || error != std::errc{}) return std::nullopt;
    digits.remove_prefix(2);
  }
  return bytes;
}

Json structure(std::string_view tag, std::vector<Json> items) {
  Json made = item(tag, "Structure");
  cJSON* value = need(cJSON_AddArrayToObject(made.get(), "value"));
  for (Json& one : items) add_item(value, std::move(one));
  return made;
}

Json text(std::string_view tag, std::string_view value) { return item(tag, "TextString", value); }

Json byte_string(std::string_view tag, std::string_view hex) {
  return item(tag, "ByteString", hex);
}

Json enumeration(std::string_view tag, std::string_view name) {
  return item(tag, "Enumeration", name);
}

Json integer(std::string_view tag, std::uint32_t value) {
  Json made = item(tag, "Integer");
  add_number(made.get(), "value", value);
  return made;
}

Json date_time(std::string_view tag, std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm utc{};
  (void)gmtime_r(&time, &utc);
  std::array<char, 32> text{};
  (void)std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return item(tag, "DateTime", text.data());
}

}  // namespace jwekms::service::ttlv

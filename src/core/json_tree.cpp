// SPDX-License-Identifier: Apache-2.0
#include "core/json_tree.hpp"

#include <algorithm>

#include "jwekms/json.hpp"

namespace jwekms::core {

namespace {

/// Bytes of the character that a text begins with; 0 if it begins with none.
[[nodiscard]] std::size_t character_size(std::string_view text) noexcept {
  return static_cast<unsigned char>(text[0]) < 0x80 ? 1 : json::detail::utf8_size(text);
}

[[nodiscard]] std::string to_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0)
      out += "\xEF\xBF\xBD";
    else
      out += text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

Json new_object() { return Json(need(cJSON_CreateObject())); }

Json new_text(std::string_view text) {
  return Json(need(cJSON_CreateString(to_utf8(text).c_str())));
}

void add_text(cJSON* object, const char* name, std::string_view text) {
  need(cJSON_AddStringToObject(object, name, to_utf8(text).c_str()));
}

void add_number(cJSON* object, const char* name, double number) {
  need(cJSON_AddNumberToObject(object, name, number));
}

void add_texts(cJSON* object, const char* name, std::span<const std::string> texts) {
  cJSON* array = need(cJSON_AddArrayToObject(object, name));
  for (const std::string& text : texts) add_item(array, new_text(text));
}

void add_raw(cJSON* object, const char* name, const std::string& json) {
  need(cJSON_AddRawToObject(object, name, json.c_str()));
}

void add_item(cJSON* array, Json item) { cJSON_AddItemToArray(array, item.release()); }

JsonText printed(const Json& tree) { return JsonText(need(cJSON_PrintUnformatted(tree.get()))); }

}  // namespace jwekms::core

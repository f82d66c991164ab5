// SPDX-License-Identifier: Apache-2.0
#include "service/reply.hpp"

#include <algorithm>

#include "jwekms/json.hpp"

namespace jwekms::service {

namespace {

/// A UID that only C or C++ could have made may be any bytes (RFC 8259 §8.1 allows UTF-8 alone).
[[nodiscard]] std::string to_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const bool ascii = static_cast<unsigned char>(text[0]) < 0x80;
    const std::size_t size = ascii ? 1 : json::detail::utf8_size(text);
    if (size == 0)
      out += "\xEF\xBF\xBD";
    else
      out += text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

[[nodiscard]] std::unique_ptr<char, FreeJson> printed(const Json& tree) {
  return std::unique_ptr<char, FreeJson>(need(cJSON_PrintUnformatted(tree.get())));
}

}  // namespace

ServiceBody concat(std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  ServiceBody body(size);
  auto at = body.chars().begin();
  for (const std::string_view part : parts) at = std::ranges::copy(part, at).out;
  return body;
}

std::string quoted(std::string_view text) {
  return printed(Json(need(cJSON_CreateString(to_utf8(text).c_str())))).get();
}

void add_text(cJSON* object, const char* name, std::string_view text) {
  need(cJSON_AddStringToObject(object, name, to_utf8(text).c_str()));
}

void add_number(cJSON* object, const char* name, double number) {
  need(cJSON_AddNumberToObject(object, name, number));
}

void add_texts(cJSON* object, const char* name, std::span<const std::string> texts) {
  cJSON* array = need(cJSON_AddArrayToObject(object, name));
  for (const std::string& text : texts)
    add_item(array, Json(need(cJSON_CreateString(to_utf8(text).c_str()))));
}

void add_raw(cJSON* object, const char* name, const std::string& json) {
  need(cJSON_AddRawToObject(object, name, json.c_str()));
}

void add_item(cJSON* array, Json item) { cJSON_AddItemToArray(array, item.release()); }

ServiceBody print(const Json& tree) { return concat({printed(tree).get()}); }

}  // namespace jwekms::service

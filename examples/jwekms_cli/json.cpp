// SPDX-License-Identifier: Apache-2.0
#include "json.hpp"

#include "text.hpp"

namespace cli {

JsonObject& JsonObject::text(const char* name, std::string_view value) {
  need(cJSON_AddStringToObject(tree_.get(), name, to_utf8(value).c_str()));
  return *this;
}

JsonObject& JsonObject::number(const char* name, double value) {
  need(cJSON_AddNumberToObject(tree_.get(), name, value));
  return *this;
}

JsonObject& JsonObject::boolean(const char* name, bool value) {
  need(cJSON_AddBoolToObject(tree_.get(), name, value));
  return *this;
}

JsonObject& JsonObject::texts(const char* name, std::span<const std::string> values) {
  cJSON* array = need(cJSON_AddArrayToObject(tree_.get(), name));
  for (const std::string& value : values)
    cJSON_AddItemToArray(array, need(cJSON_CreateString(to_utf8(value).c_str())));
  return *this;
}

JsonObject& JsonObject::raw(const char* name, const std::string& json) {
  need(cJSON_AddRawToObject(tree_.get(), name, json.c_str()));
  return *this;
}

std::string JsonObject::line() const {
  const std::unique_ptr<char, FreeJson> text(need(cJSON_PrintUnformatted(tree_.get())));
  return std::string(text.get()) + '\n';
}

std::string json_string(std::string_view text) {
  JsonObject object;
  object.text("", text);
  const std::string line = object.line();  // {"":"..."}
  return line.substr(4, line.size() - 6);
}

}  // namespace cli

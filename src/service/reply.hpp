// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cjson/cJSON.h>

#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>

#include "jwekms/service.hpp"

namespace jwekms::service {

/// A body made of the parts, one after the other, in one allocation.
[[nodiscard]] ServiceBody concat(std::initializer_list<std::string_view> parts);

/// Text as a JSON string, quotes included. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string quoted(std::string_view text);

struct FreeJson {
  void operator()(cJSON* tree) const noexcept { cJSON_Delete(tree); }
  void operator()(char* text) const noexcept { cJSON_free(text); }
};
using Json = std::unique_ptr<cJSON, FreeJson>;

/// cJSON fails in one way only: no memory.
template <class T>
T* need(T* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

[[nodiscard]] inline Json new_object() { return Json(need(cJSON_CreateObject())); }
/// Adds a string. Bytes that are no UTF-8 become U+FFFD.
void add_text(cJSON* object, const char* name, std::string_view text);
void add_number(cJSON* object, const char* name, double number);
/// Adds an array of strings.
void add_texts(cJSON* object, const char* name, std::span<const std::string> texts);
/// Adds JSON that is there already.
void add_raw(cJSON* object, const char* name, const std::string& json);
void add_item(cJSON* array, Json item);

/// For what holds no secret: cJSON does not wipe.
[[nodiscard]] ServiceBody print(const Json& tree);

}  // namespace jwekms::service

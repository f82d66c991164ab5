// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cjson/cJSON.h>

#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>

namespace jwekms::core {

// JSON for output, by cJSON. For what holds no secret: cJSON does not wipe.

struct FreeJson {
  void operator()(cJSON* tree) const noexcept { cJSON_Delete(tree); }
  void operator()(char* text) const noexcept { cJSON_free(text); }
};
using Json = std::unique_ptr<cJSON, FreeJson>;
using JsonText = std::unique_ptr<char, FreeJson>;

/// cJSON fails in one way only: no memory.
template <class T>
T* need(T* pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

[[nodiscard]] Json new_object();
/// A string. Bytes that are no UTF-8 become U+FFFD: a UID that only C or C++ could have made may be
/// any bytes, and RFC 8259 §8.1 allows UTF-8 alone.
[[nodiscard]] Json new_text(std::string_view text);
/// As new_text().
void add_text(cJSON* object, const char* name, std::string_view text);
void add_number(cJSON* object, const char* name, double number);
/// Adds an array of strings.
void add_texts(cJSON* object, const char* name, std::span<const std::string> texts);
/// Adds JSON that is there already.
void add_raw(cJSON* object, const char* name, const std::string& json);
void add_item(cJSON* array, Json item);

[[nodiscard]] JsonText printed(const Json& tree);

}  // namespace jwekms::core

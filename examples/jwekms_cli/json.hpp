// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cjson/cJSON.h>

#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>

namespace cli {

struct FreeJson {
  void operator()(cJSON* tree) const noexcept { cJSON_Delete(tree); }
  void operator()(char* text) const noexcept { cJSON_free(text); }
};

/// A JSON object in the making, for output. For what holds no secret: cJSON does not wipe.
class JsonObject {
 public:
  JsonObject() : tree_(need(cJSON_CreateObject())) {}

  JsonObject& text(const char* name, std::string_view value);
  JsonObject& number(const char* name, double value);
  JsonObject& boolean(const char* name, bool value);
  JsonObject& texts(const char* name, std::span<const std::string> values);
  /// JSON that is there already.
  JsonObject& raw(const char* name, const std::string& json);

  /// One line, with its newline.
  [[nodiscard]] std::string line() const;

 private:
  /// cJSON fails in one way only: no memory.
  template <class T>
  static T* need(T* pointer) {
    if (pointer == nullptr) throw std::bad_alloc();
    return pointer;
  }
  std::unique_ptr<cJSON, FreeJson> tree_;
};

/// Text as a JSON string, quotes included.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace cli

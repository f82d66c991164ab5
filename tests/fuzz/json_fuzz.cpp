// SPDX-License-Identifier: Apache-2.0
#include <cjson/cJSON.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "jwekms/json.hpp"

namespace json = jwekms::json;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::string resolved(const json::String& s) {
  std::string out(s.resolved_size(), '\0');
  require(s.copy_to(out) == out.size());
  require(s.equals(out) && !s.equals(out + 'x'));
  require(out.empty() || !s.copy_to({out.data(), out.size() - 1}));
  require(!s.plain() || *s.plain() == out);
  return out;
}

/// Our view and cJSON's tree are the same value.
void compare(const json::Value& value, const cJSON* tree) {
  switch (value.kind()) {
    case json::Kind::null: return require(cJSON_IsNull(tree));
    case json::Kind::boolean: return require(value.as_bool() == (cJSON_IsTrue(tree) != 0));
    case json::Kind::number:
      require(cJSON_IsNumber(tree));
      if (const auto number = value.as_uint32()) require(*number == tree->valuedouble);
      return;
    case json::Kind::string:
      return require(cJSON_IsString(tree) && resolved(value.as_string()) == tree->valuestring);
    case json::Kind::array:
      require(cJSON_IsArray(tree));
      tree = tree->child;
      for (const json::Value& element : value.elements()) {
        require(tree != nullptr);
        compare(element, tree);
        tree = tree->next;
      }
      return require(tree == nullptr);
    case json::Kind::object:
      require(cJSON_IsObject(tree));
      tree = tree->child;
      for (const json::Member& member : value.members()) {
        require(tree != nullptr && resolved(member.name) == tree->string);
        const auto found = value.find(tree->string);
        require(found && found->text().data() == member.value.text().data());
        compare(member.value, tree);
        tree = tree->next;
      }
      return require(tree == nullptr);
  }
}

/// cJSON reads no number of more than 63 characters.
bool has_long_number(const json::Value& value) {
  bool found = value.kind() == json::Kind::number && value.text().size() > 63;
  for (const json::Value& element : value.elements()) found |= has_long_number(element);
  for (const json::Member& member : value.members()) found |= has_long_number(member.value);
  return found;
}

}  // namespace

/// What our reader accepts, cJSON accepts and reads alike. The reverse is not so: cJSON is lax.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = json::read(text, {.max_depth = size % 2 == 0 ? 8U : 32U});
  if (!value) {
    require(value.error().position <= size);
    return 0;
  }
  if (has_long_number(*value)) return 0;
  const char* end = nullptr;
  const std::unique_ptr<cJSON, decltype(&cJSON_Delete)> tree(
      cJSON_ParseWithLengthOpts(text.data(), text.size(), &end, false), cJSON_Delete);
  require(tree != nullptr);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + size - end));
  require(rest.find_first_not_of(" \t\r\n") == rest.npos);
  compare(*value, tree.get());
  return 0;
}

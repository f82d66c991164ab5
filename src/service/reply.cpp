// SPDX-License-Identifier: Apache-2.0
#include "service/reply.hpp"

#include <algorithm>

namespace jwekms::service {

ServiceBody concat(std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  ServiceBody body(size);
  auto at = body.chars().begin();
  for (const std::string_view part : parts) at = std::ranges::copy(part, at).out;
  return body;
}

std::string quoted(std::string_view text) { return core::printed(core::new_text(text)).get(); }

ServiceBody print(const Json& tree) { return concat({core::printed(tree).get()}); }

}  // namespace jwekms::service

// SPDX-License-Identifier: Apache-2.0
#include "reply.hpp"

#include <algorithm>

namespace rest {

Reply text_reply(int status, std::string_view content_type, std::string_view text) {
  Reply reply{.status = status, .content_type = content_type};
  reply.body = jwekms::ServiceBody(text.size());
  std::ranges::copy(text, reply.body.chars().begin());
  return reply;
}

Reply error_reply(int status, std::string_view error, std::string_view description) {
  std::string text = R"({"error":")";
  text.append(error).append(R"(","description":")").append(description).append(R"("})");
  return text_reply(status, "application/json", text);
}

}  // namespace rest

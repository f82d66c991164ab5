// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "jwekms/service.hpp"

namespace rest {

/// One answer, with HTTP's framing still to be put on.
struct Reply {
  int status = 500;
  std::string_view content_type{};  ///< Static storage.
  jwekms::ServiceBody body{};
  std::string allow{};              ///< `Allow`, with 405.
  std::uint32_t retry_after_s = 0;  ///< `Retry-After`, when not 0.
  bool challenge = false;           ///< `WWW-Authenticate: Bearer`, with 401.
  bool close = false;               ///< The connection ends with this answer.
};

[[nodiscard]] Reply text_reply(int status, std::string_view content_type, std::string_view text);

/// The API's error body. `error` and `description` are fixed texts that need no escapes.
[[nodiscard]] Reply error_reply(int status, std::string_view error, std::string_view description);

}  // namespace rest

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "core/json_tree.hpp"
#include "jwekms/service.hpp"

namespace jwekms::service {

/// A body made of the parts, one after the other, in one allocation.
[[nodiscard]] ServiceBody concat(std::initializer_list<std::string_view> parts);

/// Text as a JSON string, quotes included. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string quoted(std::string_view text);

using core::add_item;
using core::add_number;
using core::add_raw;
using core::add_text;
using core::add_texts;
using core::Json;
using core::need;
using core::new_object;

/// For what holds no secret: cJSON does not wipe.
[[nodiscard]] ServiceBody print(const Json& tree);

}  // namespace jwekms::service

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/wiped.hpp"

namespace cli {

/// What may be a payload, a private key, a passphrase or a token: wiped when it dies and whenever
/// it grows.
using Bytes = std::vector<std::uint8_t, common::WipingAllocator<std::uint8_t>>;

[[nodiscard]] inline std::string_view text_of(std::span<const std::uint8_t> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline std::span<const std::uint8_t> bytes_of(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::span<char> chars_of(Bytes& bytes) noexcept {
  return {reinterpret_cast<char*>(bytes.data()), bytes.size()};
}

}  // namespace cli

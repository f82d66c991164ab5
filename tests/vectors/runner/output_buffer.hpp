// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backend.hpp"

namespace vectors {

/// Room for what a decryption writes. It begins dirty and has exactly the size that was announced,
/// so that what is not wiped shows, and what is written beyond it shows under AddressSanitizer.
class OutputBuffer {
 public:
  /// @param bound  none: there is no bound, because the token cannot be read.
  explicit OutputBuffer(std::optional<std::size_t> bound)
      : has_bound_(bound.has_value()), bytes_(bound.value_or(64), 0xA5) {}

  [[nodiscard]] std::span<std::uint8_t> bytes() noexcept { return bytes_; }

  [[nodiscard]] Answer written(std::size_t size) const {
    if (!has_bound_) return {"ok", {}, "a token without a bound was decrypted"};
    if (size > bytes_.size()) return {"ok", {}, "more was written than the bound allows"};
    return {"ok", {bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(size)}, {}};
  }

  [[nodiscard]] Answer failed(std::string_view code) const {
    const bool wiped = std::ranges::all_of(bytes_, [](std::uint8_t b) { return b == 0; });
    return {std::string(code), {}, wiped ? "" : "a failure left bytes in the output"};
  }

 private:
  bool has_bound_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace vectors

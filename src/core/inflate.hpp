// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "jwekms/result.hpp"

namespace jwekms::core {

/// Inflates a raw DEFLATE stream (RFC 7516 §4.1.3, RFC 1951), all of it and nothing after it.
/// @param out  the bound on what may come out; wiped on failure.
/// @return bytes written.
/// Errors: decryption_failed (not a DEFLATE stream), bad_request (more than `out` holds).
[[nodiscard]] Result<std::size_t> inflate_raw(std::span<const std::uint8_t> in,
                                              std::span<std::uint8_t> out);

}  // namespace jwekms::core

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "jwekms/base64url.hpp"

namespace jwekms::crypto {

/// base64url::decode() with the processor's vector instructions, where it has them: large contents
/// are bound by their decoding. The same contract, and the same answer to every text. Thread-safe.
[[nodiscard]] bool decode_base64url(std::string_view text, std::uint8_t* out) noexcept;

namespace detail {
/// A decoder of whole blocks. Decodes from the front of `text` as many as it can without writing
/// past decoded_size(text.size()).
/// @return characters taken, a multiple of 4; where a letter is foreign it stops before its block.
using DecodeBlocks = std::size_t (*)(std::string_view text, std::uint8_t* out) noexcept;

/// For the tests: null where this processor or compiler does not have it.
[[nodiscard]] DecodeBlocks avx2_decoder() noexcept;
}  // namespace detail

}  // namespace jwekms::crypto

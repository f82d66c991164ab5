// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Error codes, the same in C++, C and JSON.

#include <cstdint>
#include <string_view>

namespace jwekms {

/// Why a call failed. The values are the C ABI's status codes and the names are the REST bodies'
/// `error` members; neither ever changes its meaning.
enum class Errc : std::int32_t {
  bad_request = 1,            ///< Malformed token, header, key or argument.
  forbidden = 2,              ///< The key's state, or the caller's rights, do not allow this.
  not_found = 3,              ///< No such key, or it was destroyed.
  conflict = 4,               ///< The UID or alias exists already.
  too_large = 5,              ///< Input above a configured limit.
  unsupported_algorithm = 6,  ///< `alg`, `enc` or `zip` unknown or not allowed here.
  decryption_failed = 7,      ///< Wrong key, corrupted data or failed tag; never says which.
  crypto_failure = 8,         ///< CEK size does not fit `enc` (unwrap); key of the wrong kind.
  unavailable = 9,            ///< Database or HSM out of reach or out of capacity; may be retried.
  internal_error = 10,        ///< Anything else, damaged key records included.
  buffer_too_small = 11,      ///< The caller's output buffer is below the bound; nothing was done.
};

/// The code as it stands in a JSON error body.
[[nodiscard]] constexpr std::string_view name(Errc code) noexcept {
  switch (code) {
    case Errc::bad_request: return "bad_request";
    case Errc::forbidden: return "forbidden";
    case Errc::not_found: return "not_found";
    case Errc::conflict: return "conflict";
    case Errc::too_large: return "too_large";
    case Errc::unsupported_algorithm: return "unsupported_algorithm";
    case Errc::decryption_failed: return "decryption_failed";
    case Errc::crypto_failure: return "crypto_failure";
    case Errc::unavailable: return "unavailable";
    case Errc::internal_error: return "internal_error";
    case Errc::buffer_too_small: return "buffer_too_small";
  }
  return "internal_error";
}

/// The HTTP status that the REST API answers with.
[[nodiscard]] constexpr int http_status(Errc code) noexcept {
  switch (code) {
    case Errc::bad_request: return 400;
    case Errc::forbidden: return 403;
    case Errc::not_found: return 404;
    case Errc::conflict: return 409;
    case Errc::too_large: return 413;
    case Errc::unsupported_algorithm:
    case Errc::decryption_failed:
    case Errc::crypto_failure: return 422;
    case Errc::unavailable: return 503;
    case Errc::internal_error:
    case Errc::buffer_too_small: return 500;
  }
  return 500;
}

/// A failure: its code, where in the input it was seen, and a fixed text.
/// Holds no input bytes, key bytes, secret lengths or paths, and never allocates.
struct Error {
  Errc code = Errc::internal_error;  ///< What a program decides by.
  std::uint32_t position = 0;  ///< Byte offset in the text being read; 0 when it has no meaning.
  const char* text = "";       ///< Static storage, English, for people.
};

}  // namespace jwekms

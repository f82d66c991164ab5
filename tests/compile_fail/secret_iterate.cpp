// SPDX-License-Identifier: Apache-2.0
// A secret is no range: it does not turn into a span, and no loop runs over it.
#include <cstdint>
#include <span>

#include "jwekms/secret.hpp"

std::size_t count(std::span<const std::uint8_t> bytes) { return bytes.size(); }

std::size_t count(const jwekms::Cek& cek) {
#ifdef JWEKMS_EXPECT_OK
  return count(cek.bytes(jwekms::InsecureSecretAccess::token()));
#else
  return count(std::span<const std::uint8_t>(cek));
#endif
}

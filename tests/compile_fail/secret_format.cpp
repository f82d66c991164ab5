// SPDX-License-Identifier: Apache-2.0
// A secret cannot be formatted, not even by the headers of fmt that take ranges and streams.
#include <fmt/format.h>
#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include <string>

#include "jwekms/secret.hpp"

std::string describe(const jwekms::Cek& cek) {
#ifdef JWEKMS_EXPECT_OK
  return fmt::format("{} bytes", cek.size());
#else
  return fmt::format("{}", cek);
#endif
}

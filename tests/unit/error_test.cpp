// SPDX-License-Identifier: Apache-2.0
#include "jwekms/error.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <set>
#include <type_traits>

using namespace jwekms;

namespace {

struct Row {
  Errc code;
  std::int32_t value;
  std::string_view name;
  int http_status;
};

// The C ABI and the REST API have promised these.
constexpr std::array<Row, 11> promised{{
    {Errc::bad_request, 1, "bad_request", 400},
    {Errc::forbidden, 2, "forbidden", 403},
    {Errc::not_found, 3, "not_found", 404},
    {Errc::conflict, 4, "conflict", 409},
    {Errc::too_large, 5, "too_large", 413},
    {Errc::unsupported_algorithm, 6, "unsupported_algorithm", 422},
    {Errc::decryption_failed, 7, "decryption_failed", 422},
    {Errc::crypto_failure, 8, "crypto_failure", 422},
    {Errc::unavailable, 9, "unavailable", 503},
    {Errc::internal_error, 10, "internal_error", 500},
    {Errc::buffer_too_small, 11, "buffer_too_small", 500},
}};

}  // namespace

TEST_CASE("codes keep their values, names and HTTP statuses", "[error]") {
  for (const Row& row : promised) {
    CHECK(static_cast<std::int32_t>(row.code) == row.value);
    CHECK(name(row.code) == row.name);
    CHECK(http_status(row.code) == row.http_status);
  }
}

TEST_CASE("a value that is no code is an internal error", "[error]") {
  for (const std::int32_t value : {-1, 0, 12, 1000}) {
    CHECK(name(static_cast<Errc>(value)) == "internal_error");
    CHECK(http_status(static_cast<Errc>(value)) == 500);
  }
}

TEST_CASE("an error is small, static and says nothing by default", "[error]") {
  static_assert(std::is_trivially_copyable_v<Error>);
  static_assert(sizeof(Error) <= 16);
  const Error error;
  CHECK(error.code == Errc::internal_error);
  CHECK(error.position == 0);
  CHECK(std::string_view(error.text).empty());
}

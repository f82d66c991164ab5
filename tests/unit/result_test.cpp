// SPDX-License-Identifier: Apache-2.0
#include "jwekms/result.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <type_traits>

using namespace jwekms;

namespace {
constexpr Error some_error{Errc::not_found, 7, "no such key"};
}

TEST_CASE("a result holds a value", "[result]") {
  Result<std::string> result = std::string("value");
  REQUIRE(result.has_value());
  CHECK(static_cast<bool>(result));
  CHECK(*result == "value");
  CHECK(result->size() == 5);
  CHECK(result.value() == "value");
  *result = "other";
  CHECK(std::as_const(result).value() == "other");
}

TEST_CASE("a result holds an error", "[result]") {
  const Result<std::string> result = some_error;
  REQUIRE_FALSE(result.has_value());
  CHECK_FALSE(static_cast<bool>(result));
  CHECK(result.error().code == Errc::not_found);
  CHECK(result.error().position == 7);
  CHECK(result.error().text == std::string("no such key"));
}

TEST_CASE("a value that can only be moved is moved in and out", "[result]") {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  std::unique_ptr<int> taken = *std::move(result);
  CHECK(*taken == 3);
  CHECK(*Result<std::unique_ptr<int>>(std::move(taken)).value() == 3);
}

TEST_CASE("value() throws what error() would have said", "[result]") {
  Result<int> failed = some_error;
  CHECK_THROWS_AS(failed.value(), BadResult);
  CHECK_THROWS_WITH(std::as_const(failed).value(), "no such key");
  CHECK_THROWS_AS(std::move(failed).value(), BadResult);
  try {
    Result<void>(some_error).value();
    FAIL("did not throw");
  } catch (const BadResult& thrown) {
    CHECK(thrown.error().code == Errc::not_found);
    CHECK(thrown.error().position == 7);
  }
}

TEST_CASE("a result of nothing is success or an error", "[result]") {
  const Result<void> good, bad = some_error;
  CHECK(good.has_value());
  CHECK(static_cast<bool>(good));
  CHECK_NOTHROW(good.value());
  CHECK_FALSE(bad.has_value());
  CHECK(bad.error().code == Errc::not_found);
}

TEST_CASE("a result does not turn into bool or number by accident", "[result]") {
  static_assert(!std::is_convertible_v<Result<int>, bool>);
  static_assert(!std::is_convertible_v<Result<int>, int>);
  static_assert(!std::is_convertible_v<Result<void>, bool>);
  static_assert(std::is_nothrow_constructible_v<Result<int>, Error>);
  static_assert(std::is_same_v<Result<int>::value_type, int>);
  static_assert(std::is_void_v<Result<void>::value_type>);
}

// SPDX-License-Identifier: Apache-2.0
#include "core/inflate.hpp"

#include <catch2/catch.hpp>

#include "deflate.hpp"
#include "support.hpp"

using namespace jwekms;
using namespace support;
using core::inflate_raw;

namespace {

struct Inflated {
  Bytes out;  ///< The whole buffer, filled with ones beforehand.
  Result<std::size_t> result;
};

Inflated inflate(std::span<const std::uint8_t> in, std::size_t bound) {
  Bytes out(bound, 0xFF);
  Result<std::size_t> result = inflate_raw(in, out);
  return {std::move(out), result};
}

void check_refused(std::span<const std::uint8_t> in, std::size_t bound, std::string_view code) {
  const Inflated inflated = inflate(in, bound);
  CHECK(code_of(inflated.result) == code);
  CHECK(all_zero(inflated.out));
}

}  // namespace

TEST_CASE("what is deflated inflates into a buffer of exactly its size", "[inflate]") {
  for (const int level : {0, 1, 9})
    for (const std::size_t size : Sizes{1, 2, 257, 258, 259, 32767, 32768, 65535, 65536, 200000}) {
      const Bytes plain = size % 2 == 0 ? Bytes(size, 'a') : pattern(size);
      const Inflated inflated = inflate(deflate_raw(plain, level), size);
      INFO(size << " bytes, level " << level);
      REQUIRE(code_of(inflated.result) == "ok");
      CHECK(*inflated.result == size);
      CHECK((inflated.out == plain));
    }
}

TEST_CASE("a larger buffer is left alone behind the content", "[inflate]") {
  const Inflated inflated = inflate(deflate_raw(bytes("hello")), 1000);
  REQUIRE(code_of(inflated.result) == "ok");
  CHECK(*inflated.result == 5);
  CHECK(text(std::span(inflated.out).first(5)) == "hello");
}

TEST_CASE("an empty content inflates", "[inflate]") {
  const Inflated inflated = inflate(deflate_raw({}), 10);
  REQUIRE(code_of(inflated.result) == "ok");
  CHECK(*inflated.result == 0);
}

TEST_CASE("one byte above the bound is refused", "[inflate]") {
  for (const std::size_t size : Sizes{2, 258, 65536, 1000000})
    check_refused(deflate_raw(Bytes(size, 'a')), size - 1, "bad_request");
}

TEST_CASE("a bomb stops at the bound", "[inflate][threat]") {
  const Bytes bomb = deflate_raw(Bytes(std::size_t{64} << 20, 0));
  REQUIRE(bomb.size() < 100000);
  check_refused(bomb, 1 << 20, "bad_request");
}

TEST_CASE("what is no DEFLATE stream, whole and alone, does not inflate", "[inflate]") {
  const Bytes plain = pattern(500), good = deflate_raw(plain);
  Bytes trailing = good;
  trailing.push_back(0);
  check_refused(trailing, 1000, "decryption_failed");
  check_refused(Bytes(good.begin(), good.end() - 1), 1000, "decryption_failed");
  check_refused(Bytes(good.begin(), good.begin() + 1), 1000, "decryption_failed");
  check_refused({}, 1000, "decryption_failed");
  check_refused(bytes("no stream at all"), 1000, "decryption_failed");
  check_refused(deflate_zlib(plain), 1000, "decryption_failed");  // RFC 1950 is not RFC 1951
  check_refused(Bytes{7}, 1000, "decryption_failed");             // block type 3 does not exist
}

// SPDX-License-Identifier: Apache-2.0
#include "jwekms/secret.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <new>
#include <type_traits>
#include <utility>

using namespace jwekms;

namespace {

constexpr auto insecure = InsecureSecretAccess::token();

/// A secret in memory that can be looked at when the secret is gone.
template <class Secret>
class Grave {
 public:
  Secret& make(std::uint8_t byte, std::size_t size = Secret::capacity) {
    Secret& secret = *new (memory_.data()) Secret;
    std::ranges::fill(secret.fill(size, insecure), byte);
    return secret;
  }
  [[nodiscard]] auto count(std::uint8_t byte) const {
    // Through volatile, as the compiler may believe that a dead object's bytes are unused.
    const volatile std::uint8_t* bytes = memory_.data();
    std::size_t found = 0;
    for (std::size_t i = 0; i < memory_.size(); ++i) found += bytes[i] == byte ? 1U : 0U;
    return found;
  }

 private:
  alignas(Secret) std::array<std::uint8_t, sizeof(Secret)> memory_{};
};

}  // namespace

TEST_CASE("a secret has the size that it was filled to", "[secret]") {
  Cek cek;
  CHECK(cek.size() == 0);
  CHECK(cek.bytes(insecure).empty());
  CHECK(cek.fill(16, insecure).size() == 16);
  CHECK(cek.size() == 16);
  CHECK(cek.bytes(insecure).size() == 16);
  CHECK(cek.fill(Cek::capacity, insecure).size() == 64);
  CHECK(cek.fill(0, insecure).empty());
}

TEST_CASE("a new secret is all zero", "[secret]") {
  Cek cek;
  CHECK(std::ranges::count(cek.fill(Cek::capacity, insecure), 0) == 64);
}

TEST_CASE("a secret is wiped when it dies", "[secret]") {
  Grave<Cek> grave;
  Cek& cek = grave.make(0xA5);
  CHECK(grave.count(0xA5) == Cek::capacity);
  cek.~Cek();
  CHECK(grave.count(0xA5) == 0);
}

TEST_CASE("a secret is wiped beyond its size too", "[secret]") {
  Grave<Cek> grave;
  Cek& cek = grave.make(0xA5);
  (void)cek.fill(16, insecure);
  CHECK(grave.count(0xA5) == Cek::capacity);
  cek.~Cek();
  CHECK(grave.count(0xA5) == 0);
}

TEST_CASE("a secret is wiped when it is moved from", "[secret]") {
  Grave<Cek> grave;
  Cek& cek = grave.make(0xA5, 24);
  const Cek taken = std::move(cek);
  CHECK(grave.count(0xA5) == 0);
  CHECK(cek.size() == 0);
  CHECK(taken.size() == 24);
  CHECK(std::ranges::count(taken.bytes(insecure), 0xA5) == 24);
  cek.~Cek();
}

TEST_CASE("assignment wipes both what was there and what it came from", "[secret]") {
  Grave<Kek> from, to;
  Kek& source = from.make(0xA5, 16);
  Kek& target = to.make(0x5A);
  target = std::move(source);
  CHECK(from.count(0xA5) == 0);
  CHECK(to.count(0x5A) == 0);
  CHECK(to.count(0xA5) == 16);
  CHECK(source.size() == 0);
  CHECK(target.size() == 16);
  target.~Kek();
  source.~Kek();
  CHECK(to.count(0xA5) == 0);
}

TEST_CASE("a secret survives being moved to itself", "[secret]") {
  Grave<Kek> grave;
  Kek& kek = grave.make(0xA5);
  Kek& same = kek;
  kek = std::move(same);
  CHECK(kek.size() == 32);
  CHECK(grave.count(0xA5) == 32);
  kek.~Kek();
}

TEST_CASE("wipe() leaves an empty secret", "[secret]") {
  Grave<Cek> grave;
  Cek& cek = grave.make(0xA5);
  cek.wipe();
  CHECK(grave.count(0xA5) == 0);
  CHECK(cek.size() == 0);
  cek.~Cek();
}

TEST_CASE("secure_wipe overwrites all of a range and nothing else", "[secret]") {
  std::array<std::uint8_t, 8> bytes;
  bytes.fill(1);
  secure_wipe(bytes.data() + 1, 6);
  CHECK(bytes == std::array<std::uint8_t, 8>{1, 0, 0, 0, 0, 0, 0, 1});
  secure_wipe(nullptr, 0);
}

// What must not compile at all is in tests/compile_fail.
TEST_CASE("a secret can be moved and nothing else", "[secret]") {
  static_assert(std::is_nothrow_move_constructible_v<Cek>);
  static_assert(std::is_nothrow_move_assignable_v<Cek>);
  static_assert(!std::is_copy_constructible_v<Cek>);
  static_assert(!std::is_copy_assignable_v<Cek>);
  static_assert(!std::is_constructible_v<Cek, Kek>);
  static_assert(!std::is_assignable_v<Cek&, Kek>);
  static_assert(!std::is_default_constructible_v<InsecureSecretAccess>);
  static_assert(Cek::capacity == 64);
  static_assert(Kek::capacity == 32);
}

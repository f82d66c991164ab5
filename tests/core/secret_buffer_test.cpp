// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret_buffer.hpp"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <new>

#include "jwekms/open.hpp"
#include "support.hpp"
#include "vm_flags.hpp"

using namespace jwekms;
using namespace support;
using crypto::SecretBuffer;

namespace {

constexpr auto access_token = InsecureSecretAccess::token();

/// AddressSanitizer makes mlock do nothing and say yes.
bool mlock_shows() {
  const auto page = std::make_unique<std::uint8_t[]>(1);
  if (mlock(page.get(), 1) != 0) return true;
  const bool shows = vm_flags(page.get()).find(" lo ") != std::string::npos;
  munlock(page.get(), 1);
  return shows;
}

/// Runs `check` in a forked child and tells whether it returned true there.
template <class Check>
bool holds_in_child(Check check) {
  const pid_t child = fork();
  if (child == 0) _exit(check() ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a secret buffer starts as zeros and holds what it is given", "[secret_buffer]") {
  for (const std::size_t size : Sizes{1, 31, 4095, 4096, 4097, 100000}) {
    SecretBuffer buffer(size);
    REQUIRE(buffer.size() == size);
    CHECK(all_zero(buffer.bytes(access_token)));
    std::ranges::copy(pattern(size), buffer.bytes(access_token).begin());
    CHECK(std::ranges::equal(buffer.bytes(access_token), pattern(size)));
  }
}

TEST_CASE("an empty secret buffer has no pages", "[secret_buffer]") {
  SecretBuffer none, empty(0);
  CHECK(none.size() == 0);
  CHECK(empty.size() == 0);
  CHECK_FALSE(empty.locked());
  CHECK(empty.bytes(access_token).data() == nullptr);
}

TEST_CASE("a secret buffer is left out of core dumps and wiped in children", "[secret_buffer]") {
  SecretBuffer buffer(5000);
  for (const std::size_t at : Sizes{0, 4999}) {
    const std::string flags = vm_flags(buffer.bytes(access_token).data() + at);
    INFO(flags);
    CHECK(flags.find(" dd ") != flags.npos);
    CHECK(flags.find(" wf ") != flags.npos);
    CHECK((flags.find(" lo ") != flags.npos) == (buffer.locked() && mlock_shows()));
  }
}

TEST_CASE("the check sees memory that is not protected", "[secret_buffer]") {
  const Bytes ordinary(5000);
  const std::string flags = vm_flags(ordinary.data());
  CHECK(flags.find(" rd ") != flags.npos);
  CHECK(flags.find(" dd ") == flags.npos);
  CHECK(flags.find(" wf ") == flags.npos);
}

TEST_CASE("a forked child finds zeros, and its parent its secret", "[secret_buffer]") {
  SecretBuffer buffer(5000);
  const Bytes ordinary = pattern(5000);
  std::ranges::copy(ordinary, buffer.bytes(access_token).begin());
  CHECK(holds_in_child([&] { return all_zero(buffer.bytes(access_token)); }));
  CHECK(holds_in_child([&] { return !all_zero(ordinary); }));
  CHECK(std::ranges::equal(buffer.bytes(access_token), ordinary));
}

TEST_CASE("a forked child finds what it cannot do without, and locks it", "[secret_buffer]") {
  SecretBuffer buffer(100, crypto::InChildren::the_same);
  std::ranges::copy(pattern(100), buffer.bytes(access_token).begin());
  const void* const page = buffer.bytes(access_token).data();
  CHECK(vm_flags(page).find(" dd ") != std::string::npos);
  const bool shows = buffer.locked() && mlock_shows();
  const auto is_locked = [&] { return vm_flags(page).find(" lo ") != std::string::npos; };
  CHECK(is_locked() == shows);
  CHECK(holds_in_child([&] {
    const bool inherited = is_locked();
    buffer.lock();
    return !inherited && is_locked() == shows && vm_flags(page).find(" dd ") != std::string::npos &&
           std::ranges::equal(buffer.bytes(access_token), pattern(100));
  }));
}

TEST_CASE("a secret buffer moves and leaves nothing", "[secret_buffer]") {
  SecretBuffer from(100);
  std::ranges::copy(pattern(100), from.bytes(access_token).begin());
  const std::uint8_t* const pages = from.bytes(access_token).data();
  SecretBuffer to(std::move(from));
  CHECK(to.bytes(access_token).data() == pages);
  CHECK(from.size() == 0);
  CHECK_FALSE(from.locked());

  SecretBuffer third(7);
  third = std::move(to);
  CHECK(std::ranges::equal(third.bytes(access_token), pattern(100)));
  CHECK(to.bytes(access_token).data() == nullptr);
  SecretBuffer& itself = third;
  third = std::move(itself);
  CHECK(third.size() == 100);
}

TEST_CASE("what is cut off is wiped", "[secret_buffer]") {
  SecretBuffer buffer(100);
  std::ranges::copy(pattern(100), buffer.bytes(access_token).begin());
  const std::span<std::uint8_t> whole = buffer.bytes(access_token);
  buffer.truncate(40);
  CHECK(buffer.size() == 40);
  CHECK(std::ranges::equal(whole.first(40), pattern(40)));
  CHECK(all_zero(whole.subspan(40)));
  buffer.truncate(0);
  CHECK(all_zero(whole));
}

TEST_CASE("a secret buffer that no machine can hold is bad_alloc", "[secret_buffer]") {
  CHECK_THROWS_AS(SecretBuffer(SIZE_MAX), std::bad_alloc);
  CHECK_THROWS_AS(SecretBuffer(SIZE_MAX - 4096), std::bad_alloc);
  CHECK_THROWS_AS(SecretBuffer(SIZE_MAX / 2), std::bad_alloc);
}

namespace {

/// What opening says of memory.
std::string warning_of_memory() {
  std::string said;
  Options options;
  options.on_warning = [&](std::string_view text) { said += text; };
  return open(options) ? said : "not opened";
}

/// Takes from this process what it takes to lock memory.
bool forbid_locking() {
  const rlimit none{0, 0};
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> capabilities{};
  return setrlimit(RLIMIT_MEMLOCK, &none) == 0 &&
         syscall(SYS_capset, &header, capabilities.data()) == 0;
}

}  // namespace

TEST_CASE("opening warns where memory cannot be locked", "[secret_buffer]") {
  CHECK(warning_of_memory().empty() == SecretBuffer(1).locked());
  CHECK(holds_in_child([] {
    if (!forbid_locking()) return false;
    const std::string expected =
        "memory cannot be locked (RLIMIT_MEMLOCK): secrets may reach the swap space";
    return warning_of_memory() == (mlock_shows() ? expected : "");
  }));
}

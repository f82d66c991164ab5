// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <set>

#include "../../core/vm_flags.hpp"
#include "crypto/secret_buffer.hpp"
#include "faulty.hpp"

// A wrong PIN is tried once: by one thread of all, and by one process of all that were forked. The
// right one is kept as secrets are.

using namespace token;
using faulty::module;

namespace {

std::string good_token(const Kms& kms) {
  std::string text = make(kms, rsa_uid(kms), Alg::RSA_OAEP, Enc::A256GCM, "text");
  REQUIRE(decrypt(kms, text) == "text");
  return text;
}

/// The token forgets the login, and the PIN has become wrong.
void lose_login() {
  const Raw raw;
  Raw::check(raw.f->C_Logout(raw.session));
  module().reset();
  module().inject("C_Login", 1, CKR_PIN_INCORRECT, 0);
}

/// The pages of this process that begin with the PIN and hold no more.
std::vector<const char*> pages_with_pin() {
  const std::string pin = variable("PIN");
  const std::string zeros(4096 - pin.size(), '\0');
  std::vector<const char*> found;
  // What is read lies across two pages, so that no copy of this test's own begins one.
  alignas(4096) static std::array<char, 8192> buffer;
  const std::string_view page(buffer.data() + 64, 4096);
  const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" rw-p ") == line.npos || line.find(" 00:00 0") == line.npos) continue;
    char* dash = nullptr;
    const auto first = std::strtoull(line.c_str(), &dash, 16);
    const auto last = std::strtoull(dash + 1, nullptr, 16);
    if (last - first > 64U << 20) continue;  // what a sanitizer keeps for itself
    for (auto at = first; at < last; at += page.size()) {
      // Through the kernel: a sanitizer would see freed memory that is read.
      const ssize_t got = pread(memory, buffer.data() + 64, page.size(), static_cast<off_t>(at));
      if (got == 4096 && page.starts_with(pin) && page.ends_with(zeros))
        found.push_back(reinterpret_cast<const char*>(at));
    }
  }
  close(memory);
  return found;
}

/// Whether each of them is locked, as far as that can be, and left out of core dumps.
bool pin_is_guarded() {
  const crypto::SecretBuffer other(1);
  const auto is_locked = [](const void* page) {
    return support::vm_flags(page).find(" lo ") != std::string::npos;
  };
  const bool can_be = is_locked(other.bytes(InsecureSecretAccess::token()).data());
  const std::vector<const char*> pages = pages_with_pin();
  for (const char* page : pages)
    if (support::vm_flags(page).find(" dd ") == std::string::npos || is_locked(page) != can_be)
      return false;
  return !pages.empty();
}

}  // namespace

TEST_CASE("the PIN is locked in memory and left out of core dumps, in a child, too") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string text = good_token(kms);
  CHECK(pin_is_guarded());
  const pid_t child = fork();
  if (child == 0) _exit(decrypt(kms, text) == "text" && pin_is_guarded() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("a wrong PIN is given to the token once for each time it is opened") {
  const faulty::Clean clean;
  HsmOptions wrong = options();
  wrong.slots[0].pin = "13579135";
  CHECK(support::code_of(try_open(wrong)) == "unavailable");
  CHECK(module().calls("C_Login") == 1);
}

TEST_CASE("a wrong PIN is given to the token once, too, where two instances are that token") {
  const faulty::Clean clean;
  Options all;
  all.on_warning = [](std::string_view) {};
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    all.hsms.push_back(options(boundary));
    all.hsms.back().slots[0].pin = "13579135";
  }
  CHECK(support::code_of(jwekms::open(all)) == "unavailable");
  CHECK(module().calls("C_Login") == 1);
}

TEST_CASE("a refused PIN leaves no session open while somebody else uses the token") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string text = good_token(kms);
  const long sessions = module().sessions();
  module().inject("C_Login", 1, CKR_PIN_INCORRECT, 0);
  CHECK(support::code_of(try_open(options())) == "unavailable");
  CHECK(module().sessions() == sessions);
  module().clear_rules();
  CHECK(decrypt(kms, text) == "text");
}

TEST_CASE("32 threads that lose their login try a PIN that has become wrong once") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string text = good_token(kms);
  lose_login();
  std::mutex mutex;
  std::set<std::string> answers;
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 3; ++n) {
        const std::string answer = decrypt(kms, text);
        const std::lock_guard lock(mutex);
        answers.insert(answer);
      }
    });
  for (std::thread& thread : threads) thread.join();
  // NSS goes on with the copies of keys that sessions have made.
  for (const std::string& answer : answers)
    CHECK((answer == "error: unavailable" || answer == "text"));
  CHECK(module().calls("C_Login") == 1);
  // Not even when it would be right again: whoever changed it opens anew.
  module().reset();
  (void)decrypt(kms, text);
  CHECK(module().calls("C_Login") == 0);
  CHECK(decrypt(open(), text) == "text");
}

TEST_CASE("two contexts of one token try a PIN that has become wrong once") {
  const faulty::Clean clean;
  const Kms one = open();
  const Kms other = open();
  const std::string text = good_token(one);
  REQUIRE(decrypt(other, text) == "text");
  lose_login();
  for (int i = 0; i < 3; ++i) {
    (void)decrypt(one, text);
    (void)decrypt(other, text);
    (void)one.describe_key(prefix() + "nobody");
    (void)other.describe_key(prefix() + "nobody");
  }
  CHECK(module().calls("C_Login") == 1);
  // Who opens later may try again.
  module().reset();
  CHECK(decrypt(open(), text) == "text");
}

TEST_CASE("a PIN is not tried again and again where the token does not say what is wrong") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string text = good_token(kms);
  lose_login();
  module().reset();
  module().inject("C_Login", 1, CKR_GENERAL_ERROR, 0);
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) (void)kms.describe_key(prefix() + "nobody");
  const auto tries = module().calls("C_Login");
  // Two, and one more for each two seconds of a machine that stood still.
  const auto took = std::chrono::steady_clock::now() - began;
  CHECK(tries >= 2);
  CHECK(tries <= 2 + static_cast<unsigned long>(took / std::chrono::seconds(2)));
  module().reset();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (decrypt(kms, text) != "text" && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(decrypt(kms, text) == "text");
}

TEST_CASE("a token that counts wrong tries of the PIN is asked before another") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string text = good_token(kms);
  {
    const Raw raw;
    Raw::check(raw.f->C_Logout(raw.session));
    unsigned char wrong[] = "13579135";
    CHECK(raw.f->C_Login(raw.session, CKU_USER, wrong, 8) == CKR_PIN_INCORRECT);
    CK_TOKEN_INFO info{};
    Raw::check(raw.f->C_GetTokenInfo(raw.slot, &info));
    const bool counts = (info.flags & CKF_USER_PIN_COUNT_LOW) != 0;
    REQUIRE(counts == expects("test: it counts wrong PINs"));
    if (!counts) return;
  }
  module().reset();
  module().inject("C_Login", 1, CKR_GENERAL_ERROR, 0);
  for (int i = 0; i < 5; ++i) (void)kms.describe_key(prefix() + "nobody");
  CHECK(module().calls("C_Login") == 1);
  module().reset();
  CHECK(decrypt(open(), text) == "text");
}

TEST_CASE("eight forked children try a PIN that has become wrong once between them") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string text = good_token(kms);
  lose_login();
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      for (int n = 0; n < 2; ++n) (void)decrypt(kms, text);
      _exit(static_cast<int>(module().calls("C_Login")));
    }
    children.push_back(child);
  }
  int logins = 0;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    logins += WEXITSTATUS(status);
  }
  CHECK(logins == 1);
}

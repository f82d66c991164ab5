// SPDX-License-Identifier: Apache-2.0

// Contexts that are closed while threads that have used them live on; threads and signals of the
// host's.

#include <malloc.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <csignal>
#include <thread>

#include "fixture.hpp"

namespace {

/// Makes a key, which draws random numbers, and uses it.
void use(const jwekms_ctx* ctx) {
  jwekms_key_info* info = nullptr;
  jwekms_create_key_options options = JWEKMS_CREATE_KEY_OPTIONS_INIT;
  options.type = JWEKMS_KEY_TYPE_OCT;
  if (jwekms_create_key(ctx, &options, &info, nullptr) != JWEKMS_OK)
    throw std::runtime_error("create_key");
  jwekms_key_info_free(info);
}

}  // namespace

TEST_CASE("a thread outlives the contexts that it has used", "[capi][threads]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  for (int round = 0; round < 10; ++round) {
    Ctx ctx = open_ctx(open_options(path));
    Ctx other = open_ctx(jwekms_open_options JWEKMS_OPEN_OPTIONS_INIT);
    std::atomic<int> used{0};
    std::atomic<bool> closed{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        use(ctx.get());
        ++used;
        while (!closed) std::this_thread::yield();
        // Ends here: OpenSSL looks for the thread's random generators.
      });
    while (used < 4) std::this_thread::yield();
    ctx.reset();
    closed = true;
    for (std::thread& each : threads) each.join();
    CHECK(used == 4);
  }
}

TEST_CASE("a thread that lives on keeps one closed context at most", "[capi][threads]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  constexpr int rounds = 30, settled = 5;
  Ctx ctx;
  std::barrier<> turn(2);
  std::thread worker([&] {
    for (int round = 0; round < rounds; ++round) {
      turn.arrive_and_wait();
      use(ctx.get());
      turn.arrive_and_wait();
    }
    turn.arrive_and_wait();  // lives on until all is measured
  });
  std::size_t before = 0;
  for (int round = 0; round < rounds; ++round) {
    ctx = open_ctx(open_options(path));
    turn.arrive_and_wait();
    turn.arrive_and_wait();
    ctx.reset();
    if (round == settled) before = mallinfo2().uordblks;
  }
  const std::size_t after = mallinfo2().uordblks;
  turn.arrive_and_wait();
  worker.join();
  // What one OSSL_LIB_CTX takes, and far less than 24 of them. No figures under a sanitizer.
  CHECK(after < before + 200'000);
}

namespace {

/// How many threads this process has, what each signal does, and which are blocked.
struct Process {
  Process() {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
      (void)thread;
      ++threads;
    }
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action {};
      handlers.push_back(sigaction(signal, nullptr, &action) == 0 ? action.sa_handler : SIG_ERR);
    }
    sigset_t mask;
    sigprocmask(SIG_BLOCK, nullptr, &mask);
    for (int signal = 1; signal < NSIG; ++signal) blocked.push_back(sigismember(&mask, signal));
  }
  bool operator==(const Process&) const = default;
  int threads = 0;
  std::vector<sighandler_t> handlers;
  std::vector<int> blocked;
};

}  // namespace

TEST_CASE("a context starts no thread and leaves signals alone", "[capi][threads]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  // A thread that was joined is still listed for a moment.
  for (int calm = 0; calm < 20;) {
    const int threads = Process().threads;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    calm = Process().threads == threads ? calm + 1 : 0;
  }
  const Process before;
  Ctx ctx = open_ctx(open_options(path));
  use(ctx.get());
  CHECK((Process() == before));
  ctx.reset();
  CHECK((Process() == before));

  // The check can fail.
  std::atomic<bool> seen = false;
  std::thread other([&] {
    while (!seen) std::this_thread::yield();
  });
  CHECK_FALSE((Process() == before));
  seen = true;
  other.join();
  const auto handler = std::signal(SIGUSR1, SIG_IGN);
  CHECK_FALSE((Process() == before));
  std::signal(SIGUSR1, handler);
}

// SPDX-License-Identifier: Apache-2.0

// Contexts that are closed while threads that have used them live on.

#include <malloc.h>

#include <atomic>
#include <barrier>
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

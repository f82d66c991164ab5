// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <thread>

#include "token.hpp"

// A server that opens its keys and forks its workers: all of them decrypt at once, and the parent,
// too.

using namespace token;

namespace {

constexpr int workers = 8;

/// Forks the workers, who go on when all are there; true when `work` is true in each and in the
/// parent.
template <class Work>
bool in_all(Work work) {
  int gate[2];
  if (pipe(gate) != 0) return false;
  std::vector<pid_t> children;
  for (int i = 0; i < workers; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      close(gate[1]);
      char nothing = 0;
      (void)!read(gate[0], &nothing, 1);  // until the parent closes its end
      bool good = false;
      try {
        good = work();
      } catch (...) {
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  close(gate[0]);
  close(gate[1]);
  bool good = work();
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  return good;
}

/// opencryptoki's C_Initialize fails now and then where many processes call it at once: that is
/// `unavailable`, and gone at the next attempt.
std::string decrypt_patiently(const Kms& kms, const std::string& text) {
  std::string answer = decrypt(kms, text);
  for (int n = 0; n < 100 && !expected().starts_at_once && answer == "error: unavailable"; ++n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    answer = decrypt(kms, text);
  }
  return answer;
}

bool decrypts(const Kms& kms, const std::string& text, int times) {
  for (int i = 0; i < times; ++i) {
    const std::string answer = decrypt_patiently(kms, text);
    if (answer == "forked") continue;
    std::fprintf(stderr, "process %ld, call %d: %s\n", static_cast<long>(getpid()), i,
                 answer.c_str());
    return false;
  }
  return true;
}

}  // namespace

TEST_CASE("eight forked workers and their parent decrypt at once") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    if (boundary == CekBoundary::hsm && !expected().boundary_sha1) continue;
    const Kms kms = open(boundary);
    const std::string text =
        make(kms, rsa_uid(kms, boundary), Alg::RSA_OAEP, Enc::A256GCM, "forked");
    REQUIRE(decrypt(kms, text) == "forked");
    CHECK(in_all([&] { return decrypts(kms, text, 5); }));
    CHECK(in_all([&] { return decrypts(kms, text, 5); }));
    // A worker's own threads.
    CHECK(in_all([&] {
      std::atomic<bool> good = true;
      std::vector<std::thread> threads;
      for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
          if (!decrypts(kms, text, 2)) good = false;
        });
      for (std::thread& thread : threads) thread.join();
      return good.load();
    }));
  }
}

TEST_CASE("a parent whose threads have decrypted, and wait, forks workers that decrypt") {
  const Kms kms = open();
  const std::string text = make(kms, rsa_uid(kms), Alg::RSA_OAEP, Enc::A256GCM, "forked");
  std::mutex mutex;
  std::condition_variable changed;
  int ready = 0;
  bool stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      if (!decrypts(kms, text, 3)) ++wrong;
      std::unique_lock lock(mutex);
      ++ready;
      changed.notify_all();
      changed.wait(lock, [&] { return stop; });
      lock.unlock();
      if (!decrypts(kms, text, 3)) ++wrong;
    });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready == 4; });
  }
  CHECK(in_all([&] { return decrypts(kms, text, 3); }));
  {
    const std::lock_guard lock(mutex);
    stop = true;
  }
  changed.notify_all();
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

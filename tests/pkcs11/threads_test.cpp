// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "token.hpp"

// Many threads, forked children.

using namespace token;

namespace {

using namespace std::chrono_literals;

template <class Work>
void in_threads(int count, Work work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

/// Runs in a forked child; the child's answer.
template <class Work>
bool in_child(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    bool good = false;
    try {
      good = work();
    } catch (...) {
    }
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("32 threads use one provider") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    if (boundary == CekBoundary::hsm && !expected().boundary_sha1) continue;
    const Kms kms = open(boundary);
    const std::string uid = rsa_uid(kms, boundary);
    const std::string good = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "threads");
    std::string bad = good;
    bad[bad.size() - 2] = bad[bad.size() - 2] == 'A' ? 'B' : 'A';
    Answers wrong;
    in_threads(32, [&](int i) {
      for (int n = 0; n < 20; ++n) {
        const bool fails = (n + i) % 5 == 0;
        const std::string answer = decrypt(kms, fails ? bad : good);
        if (answer != (fails ? "error: decryption_failed" : "threads"))
          wrong.add((fails ? "bad: " : "good: ") + answer);
        if (n % 10 == 0 && !kms.describe_key(uid)) wrong.add("not described");
      }
    });
    CHECK(wrong.in_words() == "");
  }
}

TEST_CASE("keys are made, kept and destroyed while others search and decrypt") {
  const CekBoundary boundary = expected().boundary_sha1 ? CekBoundary::hsm : CekBoundary::process;
  const Kms kms = open(boundary);
  const std::string parent = rsa_uid(kms, boundary);
  const std::string text = make(kms, parent, Alg::RSA_OAEP, Enc::A256GCM, "meanwhile");
  Answers wrong;
  const auto expect = [&](const std::string& what, const auto& result, std::string_view code) {
    if (support::code_of(result) != code) wrong.add(what + std::string(support::code_of(result)));
  };
  std::atomic<bool> stop = false;
  std::vector<std::thread> others;
  for (int i = 0; i < 10; ++i)
    others.emplace_back([&, i] {
      while (!stop)
        if (i < 2) {
          if (const std::string answer = decrypt(kms, text); answer != "meanwhile")
            wrong.add("decrypt: " + answer);
        } else {
          expect("nobody: ", kms.describe_key(prefix() + "nobody"), "not_found");
        }
    });
  for (int i = 0; i < 60; ++i) {
    const std::string label = "made-meanwhile-" + std::to_string(i);
    const std::string uid = prefix() + label;
    const bool kept = i % 3 == 0 && expected().boundary_sha1;
    if (kept)
      expect("keep: ", kms.unwrap_key(text, {.uid = uid}), "ok");
    else
      expect("create: ",
             kms.create_key({.uid = uid, .type = i % 20 == 1 ? KeyType::rsa : KeyType::oct}), "ok");
    expect("describe: ", kms.describe_key(uid), "ok");
    expect("destroy: ", kms.set_key_state(uid, KeyState::destroyed), "ok");
    expect("gone: ", kms.describe_key(uid), "not_found");
  }
  stop = true;
  for (std::thread& thread : others) thread.join();
  CHECK(wrong.in_words() == "");
}

TEST_CASE("logouts under load do no harm") {
  const auto boundary = GENERATE(CekBoundary::process, CekBoundary::hsm);
  if (!expected().logout_under_load(boundary)) return;
  const Kms kms = open(boundary);
  const std::string uid = rsa_uid(kms, boundary);
  const std::string good = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "threads");
  std::atomic<int> done = 0, lost = 0, failed = 0, absent = 0, other = 0;
  std::atomic<bool> stop = false;
  // As often as two operations a thread have ended, however long they take.
  std::thread nuisance([&] {
    for (int next = 0; !stop; std::this_thread::sleep_for(1ms)) {
      if (done < next) continue;
      const Raw raw;
      (void)raw.f->C_Logout(raw.session);
      next = done + 16;
    }
  });
  in_threads(8, [&](int) {
    for (int n = 0; n < 30; ++n) {
      const std::string answer = decrypt(kms, good);
      if (answer == "error: unavailable")
        ++lost;
      else if (answer == "error: decryption_failed")
        ++failed;
      else if (answer == "error: not_found")
        ++absent;
      else if (answer != "threads")
        ++other;
      ++done;
    }
  });
  stop = true;
  nuisance.join();
  CHECK(failed == 0);
  CHECK(absent == 0);
  CHECK(other == 0);
  CHECK(lost < 60);  // a quarter: two logouts in one operation
}

TEST_CASE("a forked child decrypts, and so does its parent afterwards") {
  const Kms kms = open();
  const std::string uid = rsa_uid(kms);
  const std::string good = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "forked");
  CHECK(decrypt(kms, good) == "forked");
  for (int round = 0; round < 3; ++round) {
    CHECK(
        in_child([&] { return decrypt(kms, good) == "forked" && decrypt(kms, good) == "forked"; }));
    CHECK(decrypt(kms, good) == "forked");
  }
  CHECK(in_child([&] {
    return decrypt(kms, good) == "forked" &&
           in_child([&] { return decrypt(kms, good) == "forked"; });
  }));
  // A child that never decrypts, and takes its Kms down, leaves its parent's sessions alone.
  {
    auto inherited = std::make_unique<Kms>(open());
    CHECK(decrypt(*inherited, good) == "forked");
    CHECK(in_child([&] {
      inherited.reset();
      return true;
    }));
    CHECK(decrypt(*inherited, good) == "forked");
  }
  CHECK(decrypt(kms, good) == "forked");
}

TEST_CASE("a module is shared by all who name it") {
  const Kms first = open();
  const std::string uid = rsa_uid(first);
  const std::string good = make(first, uid, Alg::RSA_OAEP, Enc::A256GCM, "shared");
  for (int i = 0; i < 3; ++i) {
    const Kms second = open();
    CHECK(decrypt(second, good) == "shared");
    CHECK(decrypt(first, good) == "shared");
  }
  CHECK(decrypt(first, good) == "shared");
}

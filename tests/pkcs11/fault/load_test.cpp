// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <catch2/catch.hpp>

#include "faulty.hpp"

// 32 threads at work while the token fails and is brought back.

using namespace token;
using namespace std::chrono_literals;
using faulty::module;

namespace {

struct Load {
  std::atomic<int> good = 0, unavailable = 0;
  Answers wrong;
};

/// 32 threads decrypt for `time`, and until 50 answers were right, a bad token text now and then,
/// with a fault every `interval`.
void under_load(const Kms& kms, const std::string& good, std::chrono::milliseconds time,
                std::chrono::milliseconds interval, const std::vector<CK_RV>& codes,
                const std::vector<const char*>& functions, Load& answers) {
  const std::string bad = support::with_other_letter(good, good.size() - 5);
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i)
    threads.emplace_back([&, i] {
      for (int n = i; !stop; ++n) {
        const bool fails = n % 4 == 0;
        const std::string answer = decrypt(kms, fails ? bad : good);
        if (answer == (fails ? "error: decryption_failed" : "loaded"))
          ++answers.good;
        else if (answer == "error: unavailable")
          ++answers.unavailable;
        else
          answers.wrong.add((fails ? "bad: " : "good: ") + answer);
      }
    });
  std::size_t n = 0;
  const int enough = answers.good + 50;
  const auto start = std::chrono::steady_clock::now();
  const auto since = [&] { return std::chrono::steady_clock::now() - start; };
  for (; since() < time || (answers.good < enough && since() < 30s); ++n) {
    module().inject(functions[n % functions.size()], 1, codes[n / functions.size() % codes.size()],
                    1);
    std::this_thread::sleep_for(interval);
  }
  module().clear_rules();
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

/// Right answers or none, and no session to two threads.
void load_a_failing_token(CekBoundary boundary) {
  fault::Watchdog watchdog;
  watchdog.arm("load on a failing token", 120s);
  const faulty::Clean clean;
  // C_Finalize in the midst of calls crashes tokens, and C_Logout some: those of others. The
  // provider's own are what this is about.
  module().effects(JWEKMS_FAULT_SESSION |
                   (expected().logout_under_load(boundary) ? JWEKMS_FAULT_LOGIN : 0));
  const Kms kms = open(boundary);
  const std::string text = make(kms, rsa_uid(kms, boundary), Alg::RSA_OAEP, Enc::A256GCM, "loaded");
  REQUIRE(decrypt(kms, text) == "loaded");
  Load answers;
  under_load(kms, text, 2000ms, 10ms,
             {CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN, CKR_OPERATION_ACTIVE,
              CKR_KEY_HANDLE_INVALID, CKR_SESSION_HANDLE_INVALID},
             {"C_Decrypt", "C_DecryptInit", "C_GetSessionInfo", "C_UnwrapKey"}, answers);
  CHECK(answers.wrong.in_words() == "");
  CHECK(answers.good >= 50);
  const int before = answers.good;
  under_load(kms, text, 3000ms, 250ms, {CKR_DEVICE_ERROR, CKR_CRYPTOKI_NOT_INITIALIZED},
             {"C_Decrypt", "C_GetTokenInfo", "C_DecryptInit", "C_OpenSession"}, answers);
  CHECK(answers.wrong.in_words() == "");
  CHECK(answers.good >= before + 50);
  CHECK(module().overlaps() == 0);
  // And all is well afterwards.
  std::string last;
  for (int n = 0; n < 400 && last != "loaded"; ++n, std::this_thread::sleep_for(20ms))
    last = decrypt(kms, text);
  CHECK(last == "loaded");
}

}  // namespace

TEST_CASE("under load a failing token gives right answers or none") {
  for (const CekBoundary boundary : faulty::boundaries()) load_a_failing_token(boundary);
}

TEST_CASE("one failure under a load without a pause is put right at once") {
  using Clock = std::chrono::steady_clock;
  fault::Watchdog watchdog;
  watchdog.arm("one failure under load", 60s);
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string text = make(kms, rsa_uid(kms), Alg::RSA_OAEP, Enc::A256GCM, "loaded");
  REQUIRE(decrypt(kms, text) == "loaded");
  std::atomic<bool> stop = false;
  std::atomic<Clock::rep> slowest = 0;
  Answers wrong;
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i)
    threads.emplace_back([&] {
      while (!stop) {
        const Clock::time_point start = Clock::now();
        if (const std::string answer = decrypt(kms, text); answer != "loaded") wrong.add(answer);
        faulty::raise(slowest, (Clock::now() - start).count());
      }
    });
  std::this_thread::sleep_for(200ms);
  const Clock::duration usual(slowest);
  module().reset();
  module().inject("C_Decrypt", 1, CKR_DEVICE_ERROR, 1);
  for (const auto end = Clock::now() + 4s;
       Clock::now() < end && module().calls("C_Initialize") == 0;)
    std::this_thread::sleep_for(10ms);
  CHECK(module().calls("C_Initialize") > 0);
  std::this_thread::sleep_for(200ms);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.in_words() == "");
  CHECK(Clock::duration(slowest) < 2s + 10 * usual);
}

TEST_CASE("an outage is not called a bad token text, by any of many threads") {
  for (const CekBoundary boundary : faulty::boundaries()) {
    const faulty::Clean clean;
    const Kms kms = open(boundary);
    const std::string good =
        make(kms, rsa_uid(kms, boundary), Alg::RSA_OAEP, Enc::A256GCM, "loaded");
    const std::string bad = support::with_other_letter(good, good.size() - 5);
    REQUIRE(decrypt(kms, good) == "loaded");
    REQUIRE(decrypt(kms, bad) == "error: decryption_failed");
    // All at once, as far as the token goes: it answers to everything as SoftHSM does to rubbish.
    module().inject("C_GetTokenInfo", 1, CKR_GENERAL_ERROR, 0);
    module().inject("C_Decrypt", 1, CKR_GENERAL_ERROR, 0);
    module().inject("C_UnwrapKey", 1, CKR_GENERAL_ERROR, 0);
    Answers wrong;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        for (int n = i; n < i + 10; ++n)
          if (const std::string answer = decrypt(kms, n % 2 == 0 ? bad : good);
              answer != "error: unavailable")
            wrong.add(answer);
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong.in_words() == "");
  }
}

TEST_CASE("the fault module sees a session that two threads share") {
  const faulty::Clean clean;
  const Kms kms = open();
  const Raw raw;
  CHECK(module().overlaps() == 0);
  CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
  CK_ATTRIBUTE wanted{CKA_CLASS, &object_class, sizeof(object_class)};
  Raw::check(raw.f->C_FindObjectsInit(raw.session, &wanted, 1));
  std::thread([&] {
    CK_OBJECT_HANDLE found = 0;
    CK_ULONG count = 0;
    (void)raw.f->C_FindObjects(raw.session, &found, 1, &count);
  }).join();
  Raw::check(raw.f->C_FindObjectsFinal(raw.session));
  CHECK(module().overlaps() == 1);
}

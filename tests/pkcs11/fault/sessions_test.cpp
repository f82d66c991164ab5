// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <set>
#include <string_view>
#include <thread>

#include "faulty.hpp"

// How many sessions are open, and how long somebody waits for one.

using namespace token;
using namespace std::chrono_literals;
using faulty::module;
using faulty::raise;
using Clock = std::chrono::steady_clock;

namespace {

/// Watches the calls while it lives: decryptions under way, searches and what must be alone with
/// them, and sessions open, at most.
class Watch {
 public:
  explicit Watch(std::set<std::string_view> alone = {}) : alone_(std::move(alone)) {
    module().watch(see, this);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { module().watch(nullptr, nullptr); }
  std::atomic<int> decrypting = 0, most_decrypting = 0;
  std::atomic<int> searching = 0, most_searching = 0;
  std::atomic<long> most_sessions = 0;

 private:
  const std::set<std::string_view> alone_;
  static void see(const char* function, int before, void* context) {
    auto& self = *static_cast<Watch*>(context);
    if (std::strcmp(function, "C_Decrypt") == 0) {
      const int now = before != 0 ? ++self.decrypting : --self.decrypting;
      raise(self.most_decrypting, now);
    }
    const std::string_view called(function);
    const bool begins = called == "C_FindObjectsInit" && before != 0;
    const bool ends = called == "C_FindObjectsFinal" && before == 0;
    const bool whole = self.alone_.contains(called);
    if (begins || (whole && before != 0)) raise(self.most_searching, ++self.searching);
    if (ends || (whole && before == 0)) --self.searching;
    raise(self.most_sessions, module().sessions());
  }
};

struct Busy {
  Kms kms;
  std::string text;
  explicit Busy(const HsmOptions& hsm)
      : kms(try_open(hsm).value()),
        text(make(kms, rsa_uid(kms), Alg::RSA_OAEP, Enc::A256GCM, "served")) {
    REQUIRE(decrypt(kms, text) == "served");
    module().reset();
  }
};

}  // namespace

TEST_CASE("as many sessions as allowed serve many threads, and no more") {
  const faulty::Clean clean;
  HsmOptions hsm = options();
  hsm.max_sessions = 3;
  hsm.session_timeout = 60s;
  const long others = module().sessions();
  const Busy busy(hsm);
  module().delay("C_Decrypt", 1, 100, 0);
  Answers wrong;
  const Watch watch;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 4; ++n)
        if (const std::string answer = decrypt(busy.kms, busy.text); answer != "served")
          wrong.add(answer);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.in_words() == "");
  CHECK(watch.most_decrypting == 3);
  CHECK(watch.most_sessions == others + 3 + 1);  // one more holds the login
}

TEST_CASE("a token full of sessions that wait elsewhere in the process has room") {
  const faulty::Clean clean;
  const Busy one(options()), other(options());
  // Each holds a session for its login, and one that waits.
  module().most_sessions(static_cast<unsigned long>(module().sessions()));
  {
    const Result<Kms> third = try_open(options());
    REQUIRE(support::code_of(third) == "ok");
    CHECK(decrypt(*third, one.text) == "served");
    for (int round = 0; round < 3; ++round) {
      CHECK(decrypt(one.kms, one.text) == "served");
      CHECK(decrypt(other.kms, other.text) == "served");
    }
    CHECK(decrypt(*third, one.text) == "served");
  }
  CHECK(module().calls("C_Initialize") == 0);
}

TEST_CASE("contexts that share a token with little room wait for each other") {
  const faulty::Clean clean;
  HsmOptions hsm = options();
  hsm.session_timeout = 60s;
  const Busy one(hsm), other(hsm);
  // Two sessions for logins, and two to work with: the first has both when the other comes.
  module().most_sessions(static_cast<unsigned long>(module().sessions()));
  module().delay("C_Decrypt", 1, 50, 0);
  Answers wrong;
  std::vector<std::thread> threads;
  for (const Busy* each : {&one, &one, &other}) {
    std::this_thread::sleep_for(10ms);
    threads.emplace_back([&, each] {
      const Busy& busy = *each;
      for (int n = 0; n < 5; ++n)
        if (const std::string answer = decrypt(busy.kms, busy.text); answer != "served")
          wrong.add(answer);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.in_words() == "");
}

TEST_CASE("threads that wait while a token cannot be reached have one answer") {
  const faulty::Clean clean;
  HsmOptions hsm = options();
  hsm.session_timeout = 60s;
  const Busy busy(hsm);
  for (const char* function : {"C_Decrypt", "C_OpenSession"})
    module().inject(function, 1, CKR_DEVICE_ERROR, 0);
  REQUIRE(decrypt(busy.kms, busy.text) == "error: unavailable");
  const auto before = module().calls("C_OpenSession");
  module().delay("C_OpenSession", 1, 1000, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { (void)decrypt(busy.kms, busy.text); });
  for (std::thread& thread : threads) thread.join();
  CHECK(module().calls("C_OpenSession") < before + 6);
}

TEST_CASE("after a reload one searches at a time, and nobody during a login or a copy") {
  // opencryptoki shows a key twice to searches that came at once, for as long as it is initialised.
  const faulty::Clean clean;
  HsmOptions hsm = options();
  hsm.session_timeout = 60s;
  const Busy busy(hsm);
  for (const char* function : {"C_FindObjectsInit", "C_Login", "C_CopyObject"})
    module().delay(function, 1, 5, 0);
  module().inject("C_Decrypt", 1, CKR_DEVICE_ERROR, 1);
  const Watch watch({"C_Login", "C_CopyObject"});
  Answers wrong;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 4; ++n) {
        // What is not there has the login looked at.
        if (i % 4 == 0) (void)busy.kms.describe_key(prefix() + "nobody");
        if (const std::string answer = decrypt(busy.kms, busy.text); answer != "served")
          wrong.add(answer);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(module().calls("C_Initialize") > 0);
  CHECK(wrong.in_words() == "");
  CHECK(watch.searching == 0);
  CHECK(watch.most_searching == 1);
}

TEST_CASE("nobody searches while a key is made or destroyed") {
  const faulty::Clean clean;
  const Busy busy(options());
  const std::set<std::string_view> alone{"C_GenerateKey", "C_GenerateKeyPair", "C_DestroyObject"};
  for (const std::string_view function : alone) module().delay(function.data(), 1, 20, 0);
  const Watch watch(alone);
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      while (!stop) (void)busy.kms.describe_key(prefix() + "nobody");
    });
  const std::string uid = prefix() + "alone";
  for (const KeyType type : {KeyType::oct, KeyType::rsa}) {
    CHECK(support::code_of(busy.kms.create_key({.uid = uid, .type = type})) == "ok");
    CHECK(support::code_of(busy.kms.set_key_state(uid, KeyState::destroyed)) == "ok");
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(watch.searching == 0);
  CHECK(watch.most_searching == 1);
}

TEST_CASE("nobody searches while a session ends that has copies of keys") {
  if (!expects("test: a copy is faster on every machine")) return;
  const faulty::Clean clean;
  HsmOptions hsm = options();
  hsm.max_sessions = 4;
  const Busy busy(hsm);
  const std::string uid = prefix() + "ends-copies";
  (void)busy.kms.create_key({.uid = uid, .type = KeyType::oct}).value();
  const std::string with = prefix() + "copied";
  std::vector<std::thread> threads;
  // A trial of the key, and a copy a session. Where the machine stood still during the trial there
  // are none: the next key, then.
  for (int tries = 0; tries < 5 && module().calls("C_CopyObject") < 5; ++tries) {
    (void)busy.kms.set_key_state(with, KeyState::destroyed);
    (void)busy.kms.create_key({.uid = with, .type = KeyType::oct}).value();
    module().reset();
    const std::string text = encrypt(busy.kms, with, Alg::dir, Enc::A256GCM, "copied");
    // Who finds another thread copying goes without, for this time.
    module().delay("C_Decrypt", 1, 50, 0);
    for (int round = 0; round < 20 && module().calls("C_CopyObject") < 5; ++round) {
      for (int i = 0; i < 4; ++i) threads.emplace_back([&] { (void)decrypt(busy.kms, text); });
      for (std::thread& thread : threads) thread.join();
      threads.clear();
    }
  }
  REQUIRE(module().calls("C_CopyObject") >= 5);

  const Kms other = open();
  (void)other.describe_key(prefix() + "nobody");
  module().delay("C_FindObjects", 1, 5, 0);
  module().delay("C_CloseSession", 1, 5, 0);
  const auto before = module().calls("C_CloseSession");
  const Watch watch({"C_CloseSession"});
  std::atomic<bool> stop = false;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      while (!stop) (void)other.describe_key(prefix() + "nobody");
    });
  while (watch.most_searching == 0) std::this_thread::sleep_for(1ms);
  (void)busy.kms.set_key_state(uid, KeyState::destroyed).value();
  CHECK(module().calls("C_CloseSession") >= before + 4);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(watch.searching == 0);
  CHECK(watch.most_searching == 1);
  (void)busy.kms.set_key_state(with, KeyState::destroyed).value();
}

TEST_CASE("while a key is made decryptions go on, however long it takes and whoever searches") {
  const faulty::Clean clean;
  HsmOptions hsm = options();
  hsm.max_sessions = 4;
  const Busy busy(hsm);
  module().delay("C_GenerateKeyPair", 1, 11'000, 1);  // longer than a search is good for
  const std::string uid = prefix() + "made-slowly";
  std::atomic<bool> made = false;
  // It takes the one session that is there: the others open theirs meanwhile.
  std::string creation;
  std::thread maker([&] {
    creation = support::code_of(busy.kms.create_key({.uid = uid}));
    made = true;
  });
  while (module().calls("C_GenerateKeyPair") == 0) std::this_thread::sleep_for(1ms);
  std::atomic<int> served = 0;
  std::atomic<Clock::rep> slowest = 0;
  Answers wrong;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&, i] {
      while (!made) {
        // Who asks for what is not there has to wait, and keeps nobody else from anything.
        if (i >= 2) {
          const std::string nobody = prefix() + "nobody-" + std::to_string(i);
          const std::string code(support::code_of(busy.kms.describe_key(nobody)));
          if (code != "not_found" && code != "unavailable") wrong.add(code);
          continue;
        }
        const Clock::time_point start = Clock::now();
        if (const std::string answer = decrypt(busy.kms, busy.text); answer != "served")
          wrong.add(answer);
        ++served;
        raise(slowest, (Clock::now() - start).count());
      }
    });
  maker.join();
  CHECK(creation == "ok");
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.in_words() == "");
  CHECK(served > 20);
  CHECK(Clock::duration(slowest) < 4s);  // a turn and a session are waited for 5 s
  (void)busy.kms.set_key_state(uid, KeyState::destroyed).value();
}

TEST_CASE("who makes a key waits for another's making no longer than for a session") {
  const faulty::Clean clean;
  HsmOptions hsm = options();
  hsm.session_timeout = 200ms;
  const Busy busy(hsm);
  module().delay("C_GenerateKeyPair", 1, 5000, 1);
  const std::string uid = prefix() + "made-slowly";
  std::string creation;
  std::thread maker([&] { creation = support::code_of(busy.kms.create_key({.uid = uid})); });
  while (module().calls("C_GenerateKeyPair") == 0) std::this_thread::sleep_for(1ms);
  const Clock::time_point start = Clock::now();
  CHECK(support::code_of(busy.kms.create_key({.uid = uid + "-2", .type = KeyType::oct})) ==
        "unavailable");
  CHECK(Clock::now() - start < 4s);
  maker.join();
  CHECK(creation == "ok");
  (void)busy.kms.set_key_state(uid, KeyState::destroyed).value();
}

TEST_CASE("who finds all sessions at work is told so in time, and not before") {
  const faulty::Clean clean;
  for (const auto timeout : {0ms, 200ms}) {
    HsmOptions hsm = options();
    hsm.max_sessions = 1;
    hsm.session_timeout = timeout;
    const Busy busy(hsm);
    module().delay("C_Decrypt", 1, 3000, 1);
    const Watch watch;
    std::string slow;
    std::thread thread([&] { slow = decrypt(busy.kms, busy.text); });
    while (watch.decrypting == 0) std::this_thread::sleep_for(1ms);
    const Clock::time_point start = Clock::now();
    CHECK(decrypt(busy.kms, busy.text) == "error: unavailable");
    const Clock::duration took = Clock::now() - start;
    CHECK(took >= timeout);
    CHECK(took < timeout + 2s);
    CHECK(watch.decrypting == 1);
    thread.join();
    CHECK(slow == "served");
    CHECK(decrypt(busy.kms, busy.text) == "served");
  }
}

// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "token.hpp"

// opencryptoki's daemon, without which its modules have no token, dies and comes back.

using namespace token;

namespace {

using namespace std::chrono_literals;

const std::string folder() { return env("JWEKMS_TEST_TOKEN_DIR"); }

/// @param what  kill or start.
int daemon(const std::string& what) {
  // It must not inherit the lock that run.sh holds on the token.
  return std::system((JWEKMS_TEST_DATA "/pkcs11/tokens/opencryptoki_daemon.sh " + what + " '" +
                      folder() + "' >/dev/null 2>&1 9>&-")
                         .c_str());
}

}  // namespace

TEST_CASE("opencryptoki's daemon is killed and started again") {
  if (!expects("test: it has a daemon")) return;
  // It is killed, so it has to be the test's own, not one that was running before.
  REQUIRE(std::filesystem::exists(folder() + "/pkcsslotd.pid"));
  const Kms kms = open();
  const std::string text = make(kms, rsa_uid(kms), Alg::RSA_OAEP, Enc::A256GCM, "still here");
  REQUIRE(decrypt(kms, text) == "still here");
  // Who has the module up goes on without the daemon; who has to initialise it does not.
  for (const bool initialised : {true, false}) {
    INFO((initialised ? "initialised" : "finalised meanwhile"));
    REQUIRE(daemon("kill") == 0);
    if (!initialised) {
      const Raw raw;
      Raw::check(raw.f->C_Finalize(nullptr));
    }
    for (int i = 0; i < 5; ++i, std::this_thread::sleep_for(50ms))
      CHECK(decrypt(kms, text) == (initialised ? "still here" : "error: unavailable"));
    REQUIRE(daemon("start") == 0);
    std::string answer;
    for (const auto end = std::chrono::steady_clock::now() + 20s;
         answer != "still here" && std::chrono::steady_clock::now() < end;
         std::this_thread::sleep_for(50ms)) {
      answer = decrypt(kms, text);
      CHECK((answer == "still here" || answer == "error: unavailable"));
    }
    CHECK(answer == "still here");
    CHECK(decrypt(open(), text) == "still here");
  }
}

// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "../fault/faulty.hpp"

// The process in which the token lives is killed and started anew.

using namespace token;
using faulty::boundaries;
using namespace std::chrono_literals;

namespace {

pid_t server() {
  pid_t pid = 0;
  std::ifstream(variable("PID_FILE")) >> pid;
  if (pid <= 1) throw std::runtime_error("no server");
  return pid;
}

/// With the processes that serve its connections.
void kill_server() {
  const std::string pid = std::to_string(server());
  std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
  std::vector<pid_t> all{server()};
  for (pid_t child = 0; children >> child;) all.push_back(child);
  for (const pid_t each : all) (void)kill(each, SIGKILL);
  // Those that nobody reaps stay, without a command line.
  const auto alive = [](pid_t each) {
    std::string line;
    return static_cast<bool>(std::ifstream("/proc/" + std::to_string(each) + "/cmdline") >> line);
  };
  for (int i = 0; i < 1000 && std::any_of(all.begin(), all.end(), alive); ++i)
    std::this_thread::sleep_for(10ms);
}

void start_server() {
  const std::string command =
      variable("SERVE") + " </dev/null >/dev/null 2>&1 & echo $! >" + variable("PID_FILE");
  if (std::system(command.c_str()) != 0) throw std::runtime_error("no server");
}

/// As the scripts that made it do, in the same folder.
void make_token_anew() {
  const std::string kind = name() == "REMOTE_NSS" ? "nss" : "softhsm2";
  const std::string command = JWEKMS_TEST_DATA "/pkcs11/tokens/" + kind + ".sh '" +
                              env("JWEKMS_TEST_TOKEN_DIR") + "/" + kind + "' >/dev/null 2>&1";
  if (std::system(command.c_str()) != 0) throw std::runtime_error("no token");
}

std::string until(const std::string& wanted, const std::function<std::string()>& call) {
  std::string last;
  for (const auto end = std::chrono::steady_clock::now() + 20s;
       std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(50ms))
    if ((last = call()) == wanted) break;
  return last;
}

}  // namespace

TEST_CASE("a token server that is killed is unavailable, and serves again when it is back") {
  signal(SIGPIPE, SIG_IGN);  // p11-kit's client writes to a socket that nobody reads
  for (const CekBoundary boundary : boundaries()) {
    const Kms kms = open(boundary);
    const std::string uid = rsa_uid(kms, boundary);
    const std::string good = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "served");
    const std::string bad = support::with_other_letter(good, good.size() - 5);
    REQUIRE(decrypt(kms, good) == "served");
    for (int round = 0; round < 2; ++round) {
      kill_server();
      // A bad token text is not blamed on the token, nor an outage on the text.
      CHECK(decrypt(kms, good) == "error: unavailable");
      CHECK(decrypt(kms, bad) == "error: unavailable");
      CHECK(support::code_of(kms.list_keys({}, instance_prefix())) == "unavailable");
      CHECK(support::code_of(try_open(options(boundary))) == "unavailable");
      start_server();
      CHECK(until("served", [&] { return decrypt(kms, good); }) == "served");
      CHECK(decrypt(kms, bad) == "error: decryption_failed");
    }
    // Killed and back between two calls: nobody needs to know.
    std::this_thread::sleep_for(6s);  // the back-off of the rounds above
    kill_server();
    start_server();
    CHECK(until("served", [&] { return decrypt(kms, good); }) == "served");
  }
}

TEST_CASE("a token made anew, with another key of the same label, is not mistaken for the old") {
  for (const CekBoundary boundary : boundaries()) {
    const Kms kms = open(boundary);
    const std::string uid = rsa_uid(kms, boundary);
    const std::string text = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "of the first");
    REQUIRE(decrypt(kms, text) == "of the first");
    kill_server();
    make_token_anew();
    start_server();
    CHECK(until("error: not_found", [&] { return decrypt(kms, text); }) == "error: not_found");
    std::string other;
    {
      const Kms maker = open(boundary);
      REQUIRE(rsa_uid(maker, boundary) == uid);
      other = make(maker, uid, Alg::RSA_OAEP, Enc::A256GCM, "of the second");
    }
    // Once the old key is forgotten.
    CHECK(until("of the second", [&] { return decrypt(kms, other); }) == "of the second");
    CHECK(decrypt(kms, text) == "error: decryption_failed");
  }
}

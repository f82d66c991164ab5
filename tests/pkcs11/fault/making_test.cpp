// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <thread>

#include "faulty.hpp"

// Keys that are made while the token fails, and keys that somebody else's login brings to light.

using namespace token;
using namespace std::chrono_literals;
using faulty::module;

TEST_CASE("a pair that was made is made once, however the token is afterwards") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string label = "made-once", uid = prefix() + label;
  for (const unsigned failures : {1U, 0U}) {  // 0: for ever
    module().reset();
    module().delay("C_GenerateKeyPair", 1, 300, 1);
    std::string answer;
    std::thread thread([&] { answer = support::code_of(kms.create_key({.uid = uid})); });
    while (module().calls("C_GenerateKeyPair") == 0) std::this_thread::sleep_for(1ms);
    module().inject("C_GetTokenInfo", 1, CKR_DEVICE_ERROR, failures);
    thread.join();
    CHECK(answer == "ok");
    CHECK(module().calls("C_GenerateKeyPair") == 1);
    module().clear_rules();
    {
      const Raw raw;
      CHECK(raw.find(CKO_PRIVATE_KEY, label).size() == 1);
      CHECK(raw.find(CKO_PUBLIC_KEY, label).size() == 1);
    }
    CHECK(support::code_of(kms.set_key_state(uid, KeyState::destroyed)) == "ok");
  }
}

TEST_CASE("a key is there for one provider although another has logged in after a logout") {
  const faulty::Clean clean;
  const Kms first = open(), second = open();
  const std::string uid = rsa_uid(first);
  {
    const Raw raw;
    Raw::check(raw.f->C_Logout(raw.session));
  }
  // The second searches, finds nothing, and asks how the token is; meanwhile the first logs in.
  module().reset();
  module().delay("C_GetTokenInfo", 1, 400, 1);
  std::string answer;
  std::thread thread([&] { answer = support::code_of(second.describe_key(uid)); });
  while (module().calls("C_GetTokenInfo") == 0) std::this_thread::sleep_for(1ms);
  CHECK(support::code_of(first.describe_key(prefix() + "nobody")) == "not_found");
  CHECK(module().calls("C_Login") > 0);
  thread.join();
  CHECK(answer == "ok");
}

// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <thread>

#include "../core/processes.hpp"
#include "world.hpp"

using namespace gate;
using namespace std::chrono_literals;

// Grants in several processes and threads.

namespace {

const std::string hsm_key = "hsm::softhsm2::0::k";

std::shared_ptr<FullProvider> hsm() {
  auto provider = std::make_shared<FullProvider>("hsm::softhsm2::");
  provider->put(hsm_key, KeyType::rsa);
  return provider;
}

void make_key(const Kms& host) {
  const Bytes der = pkcs8(*rsa_key());
  (void)host.import_key({.format = KeyFormat::der, .data = der, .uid = "k"}).value();
}

}  // namespace

TEST_CASE("a revocation by another process is seen in time", "[gate][threat]") {
  const TempDir folder;
  Options options = options_in(folder, {hsm()});
  options.database.cache_ttl = 300ms;
  const std::string token = rsa_token("k"), hsm_token = rsa_token(hsm_key);
  const Signal granted, used, revoked;
  // Before this process opens the database: SQLite's locks do not cross a fork.
  const Child other([&] {
    granted.wait();
    const Kms host = open(options).value();
    const Kms dora = as(host, "dora");
    for (const std::string& one : {token, hsm_token})
      if (decrypt(dora, one).text() != "content") return 1;
    used.send();
    revoked.wait();
    std::this_thread::sleep_for(300ms);
    for (const std::string& one : {token, hsm_token})
      if (decrypt(dora, one).text() != "forbidden") return 2;
    return 0;
  });
  const Kms host = open(options).value();
  make_key(host);
  for (const std::string& uid : {std::string("k"), hsm_key})
    host.grant(uid, "dora", {Permission::decrypt}).value();
  granted.send();
  used.wait();
  for (const std::string& uid : {std::string("k"), hsm_key}) host.revoke(uid, "dora").value();
  revoked.send();
  CHECK(other.exit_code() == 0);
}

TEST_CASE("a forked child acts for whom its parent did", "[gate]") {
  const TempDir folder;
  const Kms host = open(options_in(folder, {hsm()})).value();
  make_key(host);
  host.grant("k", "dora", {Permission::decrypt}).value();
  const Kms dora = as(host, "dora"), nora = as(host, "nora");
  const std::string token = rsa_token("k_pk");
  CHECK(decrypt(dora, token).text() == "content");
  const Child child([&] {
    if (decrypt(dora, token).text() != "content") return 1;
    if (decrypt(nora, token).text() != "forbidden") return 2;
    if (!host.revoke("k", "dora")) return 3;
    return decrypt(dora, token).text() == "forbidden" ? 0 : 4;
  });
  CHECK(child.exit_code() == 0);
}

TEST_CASE("grants and revocations by many are seen by all", "[gate]") {
  const TempDir folder;
  const Kms host = open(options_in(folder)).value();
  make_key(host);
  host.grant("k", "steady", {Permission::encrypt}).value();
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      const Kms steady = as(host, "steady"), nora = as(host, "nora");
      while (!stop) {
        if (!steady.describe_key("k")) ++wrong;
        if (nora.describe_key("k")) ++wrong;
      }
    });
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&, name = "p" + std::to_string(t)] {
      const Kms one = as(host, name);
      for (int i = 0; i < 15; ++i) {
        if (!host.grant("k", name, {Permission::encrypt})) ++wrong;
        if (!one.describe_key("k")) ++wrong;
        if (!host.revoke("k", name)) ++wrong;
        if (one.describe_key("k")) ++wrong;
      }
    });
  threads[2].join();
  threads[3].join();
  stop = true;
  threads[0].join();
  threads[1].join();
  CHECK(wrong == 0);
}

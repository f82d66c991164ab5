// SPDX-License-Identifier: Apache-2.0
// The blocks of examples/cpp/README.md, one after the other, and whether they did what the page
// says.
#include <jwekms/jwekms.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

int main() try {
#include "blocks.inc"

  std::vector<std::uint8_t> again(kms.decrypt_bound(moved).value());
  again.resize(kms.decrypt(moved, again).value());
  const bool good =
      payload == plaintext && again == plaintext && inbox.bits == 3072 &&
      jwk.find("\"kid\":\"inbox\"") != jwk.npos && bob_may && !bob.describe_key(hers) &&
      kms.describe_key("issuer-kid-7").value().state == jwekms::KeyState::deactivated &&
      std::ranges::count(log, "decrypt done") == 2 && received == plaintext &&
      std::filesystem::exists("keys-hsm.db") && !std::filesystem::exists("keys-hsm.db.kek") &&
      reply.status == 200 && page.find(hers) != page.npos;
  return good ? 0 : 1;
} catch (const jwekms::BadResult& failure) {
  std::puts(failure.what());
  return 1;
}

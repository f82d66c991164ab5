// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include <catch2/catch.hpp>
#include <numeric>
#include <vector>

#include "crypto/sha256_block.hpp"

using namespace jwekms;

namespace {

crypto::Sha256Digest sha256(const std::vector<std::uint8_t>& message) {
  crypto::Sha256Digest digest{};
  REQUIRE(EVP_Digest(message.data(), message.size(), digest.data(), nullptr, EVP_sha256(),
                     nullptr) == 1);
  return digest;
}

}  // namespace

TEST_CASE("a digest over a secret and the padding for its size is known from the secret's digest") {
  // All that SoftHSM takes for a key; sizes above 55 have no padding of their own in one block.
  for (std::size_t size = 0; size <= 64; ++size) {
    std::vector<std::uint8_t> secret(size);
    std::iota(secret.begin(), secret.end(), std::uint8_t{7});
    const crypto::Sha256Digest foretold = crypto::sha256_with_padding(sha256(secret));
    for (std::size_t supposed = 0; supposed <= 55; ++supposed) {
      const crypto::Sha256Padding padding(supposed);
      std::vector<std::uint8_t> padded = secret;
      padded.insert(padded.end(), padding.bytes().begin(), padding.bytes().end());
      CHECK((sha256(padded) == foretold) == (supposed == size));
    }
  }
}

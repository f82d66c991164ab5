// SPDX-License-Identifier: Apache-2.0
#include "jwekms/policy.hpp"

#include <catch2/catch.hpp>

using namespace jwekms;

TEST_CASE("the default policy is the use case's table and nothing else", "[policy]") {
  const Policy policy;
  CHECK(policy.algs == AlgSet{Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::dir});
  CHECK(policy.encs == EncSet{Enc::A128GCM, Enc::A192GCM, Enc::A256GCM});
  CHECK(policy.rsa_min_bits == 2048);
  CHECK(policy.require_kid);
  CHECK(policy.require_protected);
  CHECK_FALSE(policy.allow_zip);
  CHECK_FALSE(policy.allow_compromised);
}

TEST_CASE("the default limits are those of the documentation", "[policy]") {
  const Limits limits = Policy{}.limits;
  CHECK(limits.max_token_bytes == 64 * 1024 * 1024);
  CHECK(limits.max_header_bytes == 16 * 1024);
  CHECK(limits.max_recipients == 100);
  CHECK(limits.max_inflated_bytes == 1024 * 1024);
  CHECK(limits.max_inflated_ratio == 100);
}

TEST_CASE("the permissive policy allows all that is implemented, and no more", "[policy]") {
  const Policy policy = Policy::permissive();
  for (const AlgRow& r : alg_table)
    CHECK(policy.algs.contains(r.id) == (r.support == Support::implemented));
  for (const EncRow& r : enc_table)
    CHECK(policy.encs.contains(r.id) == (r.support == Support::implemented));
  CHECK_FALSE(policy.algs.contains(Alg::RSA1_5));
  CHECK_FALSE(policy.require_kid);
  CHECK_FALSE(policy.require_protected);
  CHECK(policy.allow_zip);
}

TEST_CASE("the permissive policy keeps the limits and the rules on keys", "[policy]") {
  const Policy policy = Policy::permissive();
  CHECK(policy.rsa_min_bits == Policy{}.rsa_min_bits);
  CHECK_FALSE(policy.allow_compromised);
  CHECK(policy.limits.max_token_bytes == Limits{}.max_token_bytes);
  CHECK(policy.limits.max_inflated_bytes == Limits{}.max_inflated_bytes);
}

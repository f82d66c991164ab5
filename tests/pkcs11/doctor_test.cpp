// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "token.hpp"

using namespace token;

TEST_CASE("the doctor finds what the token is known to do") {
  const std::vector<HsmFinding> findings = doctor(options()).value();
  const auto can = [&](const std::string& what) {
    for (const HsmFinding& finding : findings)
      if (finding.what == what) return finding.verdict == HsmVerdict::can;
    throw std::runtime_error("not examined: " + what);
  };
  CHECK(can("RSA-OAEP: decrypt, CEK in the process"));
  CHECK(can("RSA-OAEP-256: decrypt, CEK in the process"));
  CHECK(can("RSA-OAEP: decrypt, CEK in the HSM") == expected().boundary_sha1);
  CHECK(can("RSA-OAEP-256: decrypt, CEK in the HSM") == expected().boundary_sha256);
  CHECK(can("dir: decrypt") == expected().gcm);
  const Kms kms = open();
  const KeyPage page = kms.list_keys({}, instance_prefix()).value();
  for (const KeyInfo& info : page.keys) CHECK(info.uid.find("doctor") == std::string::npos);
}

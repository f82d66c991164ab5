// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "providers/pkcs11/doctor.hpp"
#include "token.hpp"

using namespace token;

TEST_CASE("the doctor finds what the token is known to do") {
  const auto findings = pkcs11::examine(support::library(), options()).value();
  const auto find = [&](const std::string& what) {
    for (const pkcs11::Finding& finding : findings)
      if (finding.what == what) return finding;
    throw std::runtime_error("not examined: " + what);
  };
  CHECK(find("RSA-OAEP, process boundary").can);
  CHECK(find("RSA-OAEP-256, process boundary").can);
  CHECK((find("RSA-OAEP-256, process boundary").how == "CKM_RSA_PKCS_OAEP") ==
        expected().native_sha256);
  CHECK(find("RSA-OAEP, HSM boundary").can == expected().boundary_sha1);
  CHECK(find("RSA-OAEP-256, HSM boundary").can == expected().boundary_sha256);
  if (expected().boundary_sha1)
    CHECK((find("RSA-OAEP, HSM boundary").how == "C_UnwrapKey") == expected().reports_cek_size);
  CHECK(find("AES-GCM").can == expected().gcm);
  for (const pkcs11::Finding& finding : findings) CHECK(finding.can == finding.means.empty());
  const Kms kms = open();
  const KeyPage page = kms.list_keys({}, instance_prefix()).value();
  for (const KeyInfo& info : page.keys) CHECK(info.uid.find("doctor") == std::string::npos);
  CHECK(pkcs11::doctor(options()).value().find("slot 0: yes") != std::string::npos);
}

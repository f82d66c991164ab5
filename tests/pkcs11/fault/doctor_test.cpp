// SPDX-License-Identifier: Apache-2.0
// The doctor when its patient dies, comes back, or will not have it.
#include <catch2/catch.hpp>
#include <set>

#include "../token.hpp"
#include "campaign.hpp"

using namespace token;

namespace {

fault::Module& faults() {
  static fault::Module module(variable("MODULE").c_str());
  return module;
}

/// Keys of the doctor's on the token. @param kms  keeps the module up and is logged in.
std::vector<CK_OBJECT_HANDLE> doctors_objects(const Kms& kms) {
  faults().clear_rules();
  (void)kms.list_keys({}, instance_prefix()).value();
  const Raw raw;
  std::vector<CK_OBJECT_HANDLE> left;
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY})
    for (const CK_OBJECT_HANDLE object : raw.find(object_class, "")) {
      char label[256] = {};
      CK_ATTRIBUTE attribute{CKA_LABEL, label, sizeof(label)};
      if (raw.f->C_GetAttributeValue(raw.session, object, &attribute, 1) == CKR_OK &&
          std::string_view(label).starts_with("jwekms-doctor"))
        left.push_back(object);
    }
  return left;
}

const HsmFinding* find(const std::vector<HsmFinding>& findings, std::string_view what) {
  for (const HsmFinding& finding : findings)
    if (finding.what == what) return &finding;
  return nullptr;
}

}  // namespace

TEST_CASE("the doctor leaves nothing behind when the token is lost half-way") {
  const Kms kms = open();
  // Twice: the call, and the one that is tried again. Then the token is back.
  for (const char* function : {"C_GenerateKeyPair", "C_Decrypt", "C_UnwrapKey", "C_GenerateKey",
                               "C_GetMechanismInfo", "C_WrapKey", "C_DestroyObject"}) {
    CAPTURE(function);
    faults().reset();
    REQUIRE(faults().inject(function, 2, CKR_DEVICE_ERROR, 2) == 0);
    const auto findings = doctor(options());
    CHECK(faults().struck() > 0);
    // Whether the second attempt met the fault as well: an outage, never a finding.
    if (!findings) CHECK(findings.error().code == Errc::unavailable);
    if (findings)
      for (const HsmFinding& finding : *findings)
        CHECK(finding.how.find("CKR_DEVICE_ERROR") == std::string::npos);
    CHECK(doctors_objects(kms).empty());
  }
}

TEST_CASE("the doctor says so when the token will not destroy its keys") {
  const Kms kms = open();
  faults().reset();
  constexpr CK_RV prohibited = 0x1B;  // CKR_ACTION_PROHIBITED
  REQUIRE(faults().inject("C_DestroyObject", 1, prohibited, 0) == 0);
  const std::vector<HsmFinding> findings = doctor(options()).value();
  const HsmFinding* destroys = find(findings, "keys: destroy");
  REQUIRE(destroys != nullptr);
  CHECK(destroys->verdict == HsmVerdict::cannot);
  CHECK(destroys->how == "C_DestroyObject CKR_ 0x1B");
  const auto left = doctors_objects(kms);
  CHECK_FALSE(left.empty());
  const Raw raw;
  for (const CK_OBJECT_HANDLE object : left)
    CHECK(raw.f->C_DestroyObject(raw.session, object) == CKR_OK);
}

TEST_CASE("the doctor tells what a token without key generation cannot") {
  const Kms kms = open();
  faults().reset();
  REQUIRE(faults().inject("C_GenerateKeyPair", 1, CKR_FUNCTION_NOT_SUPPORTED, 0) == 0);
  const std::vector<HsmFinding> findings = doctor(options()).value();
  const HsmFinding* create = find(findings, "RSA-2048: create");
  REQUIRE(create != nullptr);
  CHECK(create->verdict == HsmVerdict::cannot);
  CHECK(create->how == "C_GenerateKeyPair CKR_FUNCTION_NOT_SUPPORTED");
  const HsmFinding* decrypt = find(findings, "RSA-OAEP: decrypt, CEK in the process");
  REQUIRE(decrypt != nullptr);
  CHECK(decrypt->verdict == HsmVerdict::cannot);
  CHECK(decrypt->needed);
  CHECK(decrypt->how == "not examined: " + create->how);
  CHECK(doctors_objects(kms).empty());
}

TEST_CASE("the doctor names the code of each thing that a token cannot") {
  const Kms kms = open();
  std::set<std::string> rows;
  for (const auto& [what, cell] : expected_column()) rows.insert(what);
  for (const char* function : {"C_GenerateKeyPair", "C_GenerateKey", "C_DecryptInit",
                               "C_EncryptInit", "C_UnwrapKey", "C_WrapKey", "C_CreateObject"}) {
    faults().reset();
    REQUIRE(faults().inject(function, 1, CKR_MECHANISM_INVALID, 0) == 0);
    const std::vector<HsmFinding> findings = doctor(options()).value();
    std::set<std::string> examined;
    for (const HsmFinding& finding : findings) {
      CAPTURE(function, finding.what, finding.how);
      examined.insert(finding.what);
      if (finding.verdict == HsmVerdict::cannot || finding.verdict == HsmVerdict::warning)
        CHECK(finding.how.find(" CKR_") != std::string::npos);
    }
    for (const std::string& row : rows)
      if (row.find(": ") != row.npos && !row.starts_with("test: ")) CHECK(examined.contains(row));
    CHECK(doctors_objects(kms).empty());
  }
}

TEST_CASE("the doctor tries a wrong PIN once") {
  faults().reset();
  HsmOptions wrong = options();
  wrong.slots[0].pin = "999999";
  CHECK(support::code_of(doctor(wrong)) == "unavailable");
  CHECK(faults().calls("C_Login") == 1);
}

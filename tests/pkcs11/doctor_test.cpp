// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include "token.hpp"

using namespace token;

namespace {

/// Objects on the token, whatever they are.
std::size_t objects_on_token() {
  const Raw raw;
  Raw::check(raw.f->C_FindObjectsInit(raw.session, nullptr, 0));
  std::vector<CK_OBJECT_HANDLE> found(1024);
  CK_ULONG count = 0;
  Raw::check(raw.f->C_FindObjects(raw.session, found.data(), found.size(), &count));
  Raw::check(raw.f->C_FindObjectsFinal(raw.session));
  return count;
}

const HsmFinding& find(const std::vector<HsmFinding>& findings, const std::string& what) {
  const auto found = std::ranges::find(findings, what, &HsmFinding::what);
  if (found == findings.end()) throw std::runtime_error("not examined: " + what);
  return *found;
}

bool is_good(const HsmFinding& finding) {
  return finding.verdict == HsmVerdict::can || finding.verdict == HsmVerdict::fact;
}

}  // namespace

TEST_CASE("the doctor finds what the token is known to do, row by row") {
  const Kms kms = open();  // keeps the module, so that objects can be counted
  const std::size_t before = objects_on_token();
  const std::vector<HsmFinding> findings = doctor(options()).value();
  CHECK(objects_on_token() == before);

  const std::set<std::string> not_the_doctors{
      "token", "model", "C_Logout under load is safe, process boundary",
      "C_Logout under load is safe, HSM boundary and dir", "many forked processes start at once"};
  std::set<std::string> rows;
  for (const auto& [what, cell] : expected_column()) {
    if (not_the_doctors.contains(what) || what.starts_with("test: ")) continue;
    CAPTURE(what, cell);
    const HsmFinding& finding = find(findings, what);
    CHECK(is_good(finding) == expects(what));
    CHECK((finding.how.find("CKM_RSA_X_509, padding off") != std::string::npos) ==
          (cell == "yes, by bare RSA"));
    CHECK((finding.how.find("C_DigestKey") != std::string::npos) ==
          (cell == "yes, by C_DigestKey"));
    CHECK((cell.size() <= 3 || cell == "yes, by bare RSA" || cell == "yes, by C_DigestKey"));
    rows.insert(what);
  }
  // What is not in the table says only who the token is.
  for (const HsmFinding& finding : findings) {
    CAPTURE(finding.what);
    CHECK(finding.slot == 0);
    CHECK_FALSE(finding.how.empty());
    CHECK(is_good(finding) == finding.means.empty());
    if (!is_good(finding)) CHECK(finding.how.find("CKR_") != std::string::npos);
    // What cannot be done is said in the words of this library.
    for (const auto& [row, operation] : {std::pair{"decrypt, CEK in the process", "unwrap_key"},
                                         {"decrypt, CEK in the HSM", "reencrypt"},
                                         {"keep a CEK", "store_in_hsm"},
                                         {"dir: decrypt", "decrypt"},
                                         {"dir: encrypt", "encrypt"}})
      if (!is_good(finding) && finding.what.find(row) != std::string::npos)
        CHECK(finding.means.find(operation) != std::string::npos);
    if (!rows.contains(finding.what)) CHECK(finding.verdict == HsmVerdict::fact);
  }
  CHECK(find(findings, "token label").how == variable("LABEL"));
}

TEST_CASE("the doctor marks what the boundary needs") {
  const auto needed = [](CekBoundary boundary) {
    std::set<std::string> all;
    const std::vector<HsmFinding> findings = doctor(options(boundary)).value();
    for (const HsmFinding& finding : findings)
      if (finding.needed) all.insert(finding.what);
    return all;
  };
  CHECK(needed(CekBoundary::process) ==
        std::set<std::string>{"RSA-OAEP: decrypt, CEK in the process",
                              "RSA-OAEP-256: decrypt, CEK in the process"});
  CHECK(needed(CekBoundary::hsm) == std::set<std::string>{"RSA-OAEP: decrypt, CEK in the HSM",
                                                          "RSA-OAEP-256: decrypt, CEK in the HSM"});
}

TEST_CASE("the doctor tells a token that is out of reach from one that cannot") {
  HsmOptions nowhere = options();
  SECTION("no module") { nowhere.module_path = "/nonexistent/module.so"; }
  SECTION("no such token") { nowhere.slots[0].token_label = "nobody"; }
  SECTION("the wrong PIN") { nowhere.slots[0].pin = "999999"; }
  CHECK(support::code_of(doctor(nowhere)) == "unavailable");
}

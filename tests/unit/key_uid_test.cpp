// SPDX-License-Identifier: Apache-2.0
#include "jwekms/key_uid.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

using namespace jwekms;

namespace {

bool malformed(std::string_view text) {
  const Result<KeyUid> uid = parse_key_uid(text);
  return !uid && uid.error().code == Errc::bad_request;
}

}  // namespace

TEST_CASE("a UID without the HSM prefix is a name in the database", "[key_uid]") {
  for (const std::string_view text :
       {"k", "0d1b7c9e-6e0f-4a1c-8f0b-0c8a1d3f2b11", "hsm", "hsm:", "hsm:x", "HSM::softhsm2::0::k",
        " hsm::softhsm2::0::k", "ahsm::", "a::b::c", "\xff\xfe", "\n", "sch\xC3\xBCssel"}) {
    const Result<KeyUid> uid = parse_key_uid(text);
    REQUIRE(uid);
    CHECK(uid->text == text);
    CHECK_FALSE(uid->in_hsm);
    CHECK(uid->model.empty());
    CHECK(uid->label.empty());
  }
}

TEST_CASE("a UID is 1 to 256 bytes without NUL", "[key_uid]") {
  CHECK(malformed(""));
  CHECK(parse_key_uid(std::string(256, 'k')));
  CHECK(malformed(std::string(257, 'k')));
  CHECK(malformed(std::string_view("\0", 1)));
  CHECK(malformed(std::string_view("k\0", 2)));
  CHECK(malformed(std::string_view("k\0k", 3)));
  CHECK(malformed(std::string_view("hsm::softhsm2::0::k\0", 20)));
  const std::string prefix = "hsm::softhsm2::0::";
  CHECK(parse_key_uid(prefix + std::string(256 - prefix.size(), 'k')));
  CHECK(malformed(prefix + std::string(257 - prefix.size(), 'k')));
}

TEST_CASE("an HSM UID is model, slot and label", "[key_uid]") {
  const std::string_view text = "hsm::softhsm2::0::my_rsa_key";
  const Result<KeyUid> uid = parse_key_uid(text);
  REQUIRE(uid);
  CHECK(uid->text == text);
  CHECK(uid->in_hsm);
  CHECK(uid->model == "softhsm2");
  CHECK(uid->instance == 0);
  CHECK(uid->slot == 0);
  CHECK(uid->label == "my_rsa_key");
}

TEST_CASE("every model of the configuration is known, and no other", "[key_uid]") {
  for (const std::string_view model : hsm_models) {
    const std::string text = "hsm::" + std::string(model) + "::1::k";
    REQUIRE(parse_key_uid(text));
    CHECK(parse_key_uid(text)->model == model);
  }
  for (const char* model :
       {"", "softhsm", "softhsm3", "SoftHSM2", " softhsm2", "softhsm2 ", "pkcs11"})
    CHECK(malformed("hsm::" + std::string(model) + "::1::k"));
}

TEST_CASE("a further instance of a model has its number", "[key_uid]") {
  const Result<KeyUid> uid = parse_key_uid("hsm::utimaco_12::3::k");
  REQUIRE(uid);
  CHECK(uid->model == "utimaco");
  CHECK(uid->instance == 12);
  CHECK(uid->slot == 3);
  CHECK(parse_key_uid("hsm::utimaco_4294967295::3::k")->instance == 4294967295U);
  for (const char* model :
       {"utimaco_", "utimaco_0", "utimaco_01", "utimaco_x", "utimaco_1x", "utimaco_-1",
        "utimaco_+1", "utimaco_ 1", "utimaco_4294967296", "_1", "utimaco_1_1", "uti_maco"})
    CHECK(malformed("hsm::" + std::string(model) + "::3::k"));
}

TEST_CASE("a slot is a decimal number in its shortest form", "[key_uid]") {
  const auto with_slot = [](const std::string& slot) { return "hsm::softhsm2::" + slot + "::k"; };
  CHECK(parse_key_uid(with_slot("0"))->slot == 0);
  CHECK(parse_key_uid(with_slot("1874325566"))->slot == 1874325566);
  CHECK(parse_key_uid(with_slot("18446744073709551615"))->slot == 18446744073709551615U);
  for (const char* slot :
       {"", "00", "01", "-1", "+1", " 1", "1 ", "0x1", "1.0", "a", "1a", "18446744073709551616"})
    CHECK(malformed(with_slot(slot)));
}

TEST_CASE("a label is the rest, with :: in it or not", "[key_uid]") {
  const auto label = [](const std::string& text) {
    const std::string uid = "hsm::softhsm2::0::" + text;
    const Result<KeyUid> parsed = parse_key_uid(uid);
    return parsed ? std::string(parsed->label) : "malformed";
  };
  for (const std::string text : {"a::b", "::", "::a", "a::", ":a", "a:", "hsm::softhsm2::1::k", " ",
                                 "sch\xC3\xBCssel", "a;pin-value=1", "../x"})
    CHECK(label(text) == text);
  CHECK(label("") == "malformed");
}

TEST_CASE("a malformed HSM UID is an error and never a database lookup", "[key_uid]") {
  for (const char* text : {"hsm::", "hsm:::", "hsm::::", "hsm::::::", "hsm::softhsm2",
                           "hsm::softhsm2:", "hsm::softhsm2::", "hsm::softhsm2::0",
                           "hsm::softhsm2::0:", "hsm::softhsm2::0::", "hsm::softhsm2:0:k",
                           "hsm::softhsm2::0:k", "hsm:: ::0::k", "hsm::0::softhsm2::k"})
    CHECK(malformed(text));
}

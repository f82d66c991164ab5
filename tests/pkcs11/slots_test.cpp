// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>
#include <tuple>

#include "providers/pkcs11/models.hpp"
#include "token.hpp"

// How a token is picked and searched, and what a model's name stands for.

using namespace token;

namespace {

HsmOptions by(const HsmSlot& slot) {
  HsmOptions hsm = options();
  hsm.slots[0] = slot;
  hsm.slots[0].pin = variable("PIN");
  return hsm;
}

}  // namespace

TEST_CASE("the defaults of each model stay as they are documented") {
  const std::vector<std::tuple<std::string_view, std::string, unsigned long, bool>> documented{
      {"softhsm2", "/usr/lib/softhsm/libsofthsm2.so", 64, true},
      {"utimaco", "/lib/libcs_pkcs11_R3.so", 64, false},
      {"proteccio", "/lib/libnethsm.so", 64, false},
      {"crypt2pay", "/lib/libpkcs11c2p.so", 64, false},
      {"smartcardhsm", "/usr/local/lib/libsc-hsm-pkcs11.so", 16, false},
      {"other", "/lib/libkmshsm.so", 64, false}};
  std::vector<std::tuple<std::string_view, std::string, unsigned long, bool>> found;
  for (const pkcs11::Model& model : pkcs11::models)
    found.emplace_back(model.name, model.module_path, model.find_batch, model.raw_rsa_fallback);
  CHECK(found == documented);
}

TEST_CASE("without raw_rsa_fallback a hash that the token lacks is refused") {
  const Kms usual = open();
  const std::string uid = rsa_uid(usual);
  const std::string text = make(usual, uid, Alg::RSA_OAEP_256, Enc::A256GCM, "by itself");
  HsmOptions bare = options();
  bare.raw_rsa_fallback = false;
  HsmOptions unsaid = options();
  unsaid.model = "crypt2pay";  // where it is off unless it is asked for
  unsaid.raw_rsa_fallback.reset();
  const Kms kms = try_open(bare).value();
  const bool native =
      expected_column().at("RSA-OAEP-256: decrypt, CEK in the process") != "yes, by bare RSA";
  for (int i = 0; i < 2; ++i)
    CHECK(decrypt(kms, text) == (native ? "by itself" : "error: unsupported_algorithm"));
  CHECK(decrypt(kms, make(usual, uid, Alg::RSA_OAEP, Enc::A256GCM, "SHA-1")) == "SHA-1");
  CHECK(decrypt(usual, text) == "by itself");
  const Kms other = try_open(unsaid).value();
  const std::string there = "hsm::crypt2pay" + uid.substr(uid.find("::", 5));
  CHECK(decrypt(other, text, there) == (native ? "by itself" : "error: unsupported_algorithm"));
}

TEST_CASE("a token is picked by its serial alone") {
  const Kms keep = open();
  const std::string uid = rsa_uid(keep);
  const Result<Kms> kms = try_open(by({.token_serial = place_of(variable("LABEL")).serial}));
  // Where all tokens have one serial there is no choice, and none is made.
  if (expects("test: tokens have serials of their own"))
    CHECK(support::code_of(kms.value().describe_key(uid)) == "ok");
  else
    CHECK(support::code_of(kms) == "unavailable");
  CHECK(support::code_of(try_open(by({.token_serial = "no such serial"}))) == "unavailable");
}

TEST_CASE("a token that was picked by its position is found again where it went") {
  if (!expects("test: tokens change places when others go")) return;
  const auto tool = [](const std::string& arguments) {
    return std::system(("softhsm2-util " + arguments + " >/dev/null 2>&1").c_str());
  };
  const std::string pins = " --pin " + variable("PIN") + " --so-pin 13572468";
  std::string moves = "passing-1", goes = "passing-2";
  for (const std::string& label : {moves, goes})
    REQUIRE(tool("--init-token --free --label " + label + pins) == 0);
  std::optional<Kms> keep = open();
  // They stand in the order of their serials, which chance has made.
  if (place_of(moves).position < place_of(goes).position) std::swap(moves, goes);
  const std::uint64_t before = place_of(moves).position;
  const Kms kms = try_open(by({.number = before})).value();
  keep.reset();
  const std::string own = "hsm::" + expected().model + "::" + std::to_string(before) + "::passing";
  (void)kms.create_key({.uid = own}).value();
  const std::string text = make(kms, own, Alg::RSA_OAEP, Enc::A256GCM, "moved");
  CHECK(decrypt(kms, text) == "moved");
  REQUIRE(tool("--delete-token --token " + goes) == 0);
  {
    const Raw raw;
    Raw::check(raw.f->C_Finalize(nullptr));  // so that the module looks for tokens again
  }
  std::string answer;
  for (int i = 0; i < 300 && answer != "moved"; ++i) {
    answer = decrypt(kms, text);
    if (answer != "moved") std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  REQUIRE(answer == "moved");
  CHECK(place_of(moves).position == before - 1);
  CHECK(tool("--delete-token --token " + moves) == 0);
}

TEST_CASE("a search goes on after its first batch") {
  HsmOptions hsm = options();
  hsm.model = "smartcardhsm";  // which asks for 16 at a time
  const Kms kms = try_open(hsm).value();
  const std::string start = "hsm::smartcardhsm::0::many-";
  constexpr int count = 70;
  for (int i = 0; i < count; ++i)
    (void)kms.create_key({.uid = start + std::to_string(i), .type = KeyType::oct}).value();
  const Kms usual = open();  // 64 at a time
  const auto many = [&](const Kms& of, const std::string& of_model) {
    const KeyPage page =
        of.list_keys({.after = {}, .limit = 1000}, "hsm::" + of_model + "::").value();
    return std::ranges::count_if(page.keys, [](const KeyInfo& info) {
      return info.uid.find("::many-") != std::string::npos;
    });
  };
  CHECK(many(kms, "smartcardhsm") == count);
  CHECK(many(usual, expected().model) == count);
  CHECK(support::code_of(usual.describe_key(prefix() + "many-69")) == "ok");
  for (int i = 0; i < count; ++i)
    (void)kms.set_key_state(start + std::to_string(i), KeyState::destroyed).value();
}

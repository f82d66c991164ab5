// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "token.hpp"

// What others do to a token, or the world to it, while the provider has it open.

using namespace token;

namespace {

using namespace std::chrono_literals;

/// Calls until the answer is `wanted`, for a while.
template <class Call>
std::string wait_for(const std::string& wanted, Call call) {
  std::string last;
  for (const auto end = std::chrono::steady_clock::now() + 15s;
       std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(50ms)) {
    last = call();
    if (last == wanted) break;
  }
  return last;
}

int shell(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str());
}

}  // namespace

TEST_CASE("somebody logs out, or closes all sessions") {
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    if (boundary == CekBoundary::hsm && !expected().boundary_sha1) continue;
    const Kms kms = open(boundary);
    const std::string uid = rsa_uid(kms, boundary);
    const std::string text = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "still here");
    CHECK(decrypt(kms, text) == "still here");
    for (int round = 0; round < 3; ++round) {
      {
        const Raw raw;
        Raw::check(raw.f->C_Logout(raw.session));
      }
      CHECK(decrypt(kms, text) == "still here");
      CHECK(decrypt(kms, text) == "still here");
      {
        const Raw raw;
        Raw::check(raw.f->C_CloseAllSessions(raw.slot));
      }
      CHECK(decrypt(kms, text) == "still here");
      CHECK(decrypt(kms, text) == "still here");
      {
        const Raw raw;
        Raw::check(raw.f->C_Logout(raw.session));
      }
      // What is looked up is not "not found" because nobody is logged in.
      const Kms other = open(boundary);
      {
        const Raw raw;
        Raw::check(raw.f->C_Logout(raw.session));
      }
      CHECK(support::code_of(other.describe_key(uid)) == "ok");
      CHECK(other.list_keys({}, instance_prefix()).value().keys.size() >= 1);
    }
  }
}

TEST_CASE("somebody finalises the module") {
  const Kms kms = open();
  const std::string uid = rsa_uid(kms);
  const std::string text = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "still here");
  CHECK(decrypt(kms, text) == "still here");
  {
    const Raw raw;
    Raw::check(raw.f->C_Finalize(nullptr));
  }
  CHECK(wait_for("still here", [&] { return decrypt(kms, text); }) == "still here");
}

TEST_CASE("an object is replaced by another with its label") {
  const Kms kms = open();
  const std::string uid = prefix() + "replaced";
  (void)kms.create_key({.uid = uid}).value();
  const std::string text = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "the first");
  CHECK(decrypt(kms, text) == "the first");
  {
    const Kms other = open();
    (void)other.set_key_state(uid, KeyState::destroyed).value();
    (void)other.create_key({.uid = uid}).value();
    (void)other.create_key({.uid = uid + "-2"}).value();
    const Raw raw;
    Raw::check(raw.f->C_Logout(raw.session));  // handles change
  }
  // Where the token is faster with copies of its keys, one may live on for a second.
  std::this_thread::sleep_for(1100ms);
  const std::string after = decrypt(kms, text);
  CHECK((after == "error: not_found" || after == "error: decryption_failed"));
  (void)kms.set_key_state(uid, KeyState::destroyed).value();
  (void)kms.set_key_state(uid + "-2", KeyState::destroyed).value();
}

TEST_CASE("a PIN that is refused is not tried again") {
  HsmOptions wrong = options();
  wrong.slots[0].pin = "13579135";
  for (int i = 0; i < 2; ++i) {
    const Result<Kms> kms = try_open(wrong);
    CHECK(support::code_of(kms) == "unavailable");
  }
  // The PINs that were tried have not locked the token, and another instance logs in.
  const Kms kms = open();
  CHECK(support::code_of(kms.describe_key(rsa_uid(kms))) == "ok");
}

TEST_CASE("a PIN comes from a file or the environment") {
  const support::TempDir dir;
  std::ofstream(dir.file("pin")) << variable("PIN") << '\n';
  HsmOptions hsm = options();
  hsm.slots[0].pin = "file:" + dir.file("pin");
  CHECK(support::code_of(try_open(hsm)) == "ok");
  hsm.slots[0].pin = "env:JWEKMS_TEST_" + name() + "_PIN";
  CHECK(support::code_of(try_open(hsm)) == "ok");
  hsm.slots[0].pin = "file:" + dir.file("none");
  CHECK(support::code_of(try_open(hsm)) == "unavailable");
  hsm.slots[0].pin = "env:JWEKMS_TEST_NO_SUCH_VARIABLE";
  CHECK(support::code_of(try_open(hsm)) == "bad_request");
}

TEST_CASE("options that lead nowhere are refused") {
  const auto code = [](const HsmOptions& hsm) { return support::code_of(try_open(hsm)); };
  HsmOptions hsm = options();
  hsm.model = "none";
  CHECK(code(hsm) == "bad_request");
  hsm = options();
  hsm.slots.clear();
  CHECK(code(hsm) == "bad_request");
  hsm = options();
  hsm.slots.push_back(hsm.slots[0]);
  CHECK(code(hsm) == "bad_request");
  hsm = options();
  hsm.max_sessions = 0;
  CHECK(code(hsm) == "bad_request");
  hsm = options();
  hsm.module_path = "/nowhere/libnone.so";
  CHECK(code(hsm) == "unavailable");
  hsm = options();
  hsm.slots[0].token_label = "no such token";
  CHECK(code(hsm) == "unavailable");
}

TEST_CASE("init arguments are one for a module, and anew when nobody has it") {
  HsmOptions wrong = options();
  wrong.init_args = "configdir='/nowhere'";
  Options both;
  both.hsms = {options(), wrong};
  CHECK(support::code_of(jwekms::open(both)) == "bad_request");
  const support::TempDir dir;
  std::filesystem::create_symlink(std::filesystem::canonical(wrong.module_path), dir.file("link"));
  both.hsms[1].module_path = dir.file("link");
  CHECK(support::code_of(jwekms::open(both)) == "bad_request");
  CHECK(support::code_of(try_open(wrong)) == "unavailable");  // no token of the tests takes these
  CHECK(support::code_of(try_open(options())) == "ok");
}

TEST_CASE("tokens are picked by slot id, by serial and by position") {
  CK_SLOT_ID slot_id = 0;
  std::string serial;
  std::uint64_t position = 0;
  const Kms keep = open();
  {
    const Raw raw;
    slot_id = raw.slot;
    CK_TOKEN_INFO info{};
    Raw::check(raw.f->C_GetTokenInfo(slot_id, &info));
    serial.assign(reinterpret_cast<const char*>(info.serialNumber), sizeof(info.serialNumber));
    serial.resize(serial.find_last_not_of(' ') + 1);
    CK_SLOT_ID slots[32];
    CK_ULONG count = 32;
    Raw::check(raw.f->C_GetSlotList(CK_TRUE, slots, &count));
    while (slots[position] != slot_id) ++position;
  }
  const std::string label = rsa_uid(keep).substr(prefix().size());
  const auto picks = [&](const HsmSlot& slot) {
    HsmOptions hsm = options();
    hsm.slots[0] = slot;
    hsm.slots[0].pin = variable("PIN");
    const Result<Kms> kms = try_open(hsm);
    if (!kms) return std::string(support::code_of(kms));
    return std::string(
        support::code_of(kms->describe_key(std::string("hsm::") + expected().model +
                                           "::" + std::to_string(slot.number) + "::" + label)));
  };
  CHECK(picks({.number = 5, .slot_id = slot_id}) == "ok");
  // NSS gives all its tokens one serial.
  CHECK(picks({.number = 0, .token_label = variable("LABEL"), .token_serial = serial}) == "ok");
  CHECK(picks({.number = position}) == "ok");
  CHECK(picks({.number = 99}) == "unavailable");
  CHECK(picks({.number = 0, .token_label = variable("LABEL"), .token_serial = "other"}) ==
        "unavailable");
}

TEST_CASE("two instances of a model have UIDs of their own") {
  Options all;
  all.hsms = {options(), options(CekBoundary::hsm)};
  all.on_warning = [](std::string_view) {};
  const Kms kms = jwekms::open(all).value();
  const std::string uid = rsa_uid(kms);
  const std::string second =
      std::string("hsm::") + expected().model + "_1::0::" + uid.substr(prefix().size());
  CHECK(kms.describe_key(second).value().uid == second);
}

TEST_CASE("the token goes away and comes back") {
  if (!expects("test: the device can be taken away")) return;
  namespace fs = std::filesystem;
  const fs::path tokens = fs::path(env("JWEKMS_TEST_TOKEN_DIR")) / "tokens";
  const fs::path away = fs::path(env("JWEKMS_TEST_TOKEN_DIR")) / "away";
  const Kms kms = open();
  const std::string uid = rsa_uid(kms);
  const std::string text = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "back again");
  CHECK(decrypt(kms, text) == "back again");
  for (int round = 0; round < 2; ++round) {
    fs::rename(tokens, away);
    // At once, and whatever is wrong with a text. Until then a copy of the key may have served.
    const std::size_t at = round == 0 ? text.size() - 5 : text.find('.') + 9;
    CHECK(decrypt(kms, support::with_other_letter(text, at)) == "error: unavailable");
    CHECK(decrypt(kms, text) == "error: unavailable");
    CHECK(support::code_of(kms.describe_key(prefix() + "nobody")) == "unavailable");
    fs::rename(away, tokens);
    CHECK(wait_for("back again", [&] { return decrypt(kms, text); }) == "back again");
  }
}

TEST_CASE("a token made anew, with another key of the same label, serves and is not mistaken") {
  if (!expects("test: the token can be made anew while it is in use")) return;
  const std::string label = "remade";
  HsmOptions hsm = options();
  hsm.slots[0].token_label = "spare";  // the other tests' token stays as it is
  const std::string uid = prefix() + label;
  std::string text;
  {
    const Kms kms = try_open(hsm).value();
    (void)kms.create_key({.uid = uid}).value();
    text = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "of the first");
    REQUIRE(decrypt(kms, text) == "of the first");
    const std::string pins = " --pin " + variable("PIN") + " --so-pin 13572468";
    REQUIRE(shell("softhsm2-util --delete-token --token spare") == 0);
    REQUIRE(shell("softhsm2-util --init-token --free --label spare" + pins) == 0);
    REQUIRE(shell("pkcs11-tool --module " + variable("MODULE") + " --token-label spare --login" +
                  " --pin " + variable("PIN") + " --keypairgen --key-type rsa:2048 --label " +
                  label + " --usage-decrypt") == 0);
    CHECK(wait_for("error: not_found", [&] { return decrypt(kms, text); }) == "error: not_found");
    // The new key is another one, once the old one is forgotten.
    std::string other;
    CHECK(wait_for("of the second", [&] {
            const Kms now = try_open(hsm).value();
            other = make(now, uid, Alg::RSA_OAEP, Enc::A256GCM, "of the second");
            return decrypt(now, other);
          }) == "of the second");
    CHECK(wait_for("of the second", [&] { return decrypt(kms, other); }) == "of the second");
    CHECK(decrypt(kms, text) == "error: decryption_failed");
  }
}

TEST_CASE("a token chosen by its position is made anew, and has no PIN for a while") {
  if (!expects("test: the token can be made anew while it is in use")) return;
  const auto [position, count] = [] {
    const Kms up = open();
    const Place spare = place_of("spare");
    return std::pair(spare.position, spare.count);
  }();
  HsmOptions by_label = options();
  by_label.slots[0] = {.number = position, .token_label = "spare", .pin = variable("PIN")};
  HsmOptions by_position = by_label;
  by_position.slots[0].token_label.clear();
  const std::string uid = instance_prefix() + std::to_string(position) + "::anew";
  const Kms kms = try_open(by_position).value();
  (void)kms.create_key({.uid = uid}).value();
  const std::string text = make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "of the first");
  REQUIRE(decrypt(kms, text) == "of the first");

  const std::string tool = "pkcs11-tool --module " + variable("MODULE") + " --so-pin 13572468 ";
  REQUIRE(shell("softhsm2-util --delete-token --token spare") == 0);
  CHECK(wait_for("error: unavailable", [&] { return decrypt(kms, text); }) == "error: unavailable");
  // The free slot comes last.
  REQUIRE(shell(tool + "--init-token --label spare --slot-index " + std::to_string(count - 2)) ==
          0);
  for (const auto end = std::chrono::steady_clock::now() + 2s;
       std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(50ms))
    CHECK(decrypt(kms, text) == "error: unavailable");
  REQUIRE(shell(tool + "--token-label spare --login --login-type so --init-pin --new-pin " +
                variable("PIN")) == 0);
  CHECK(wait_for("error: not_found", [&] { return decrypt(kms, text); }) == "error: not_found");
  (void)kms.create_key({.uid = uid}).value();
  CHECK(decrypt(kms, make(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "of the second")) ==
        "of the second");
  // A token that has only gone is waited for: no other one is taken for it.
  REQUIRE(shell("softhsm2-util --delete-token --token spare") == 0);
  CHECK(wait_for("error: unavailable", [&] { return decrypt(kms, text); }) == "error: unavailable");
  CHECK(support::code_of(kms.describe_key(uid + "-nobody")) == "unavailable");
  REQUIRE(shell("softhsm2-util --init-token --free --label spare --so-pin 13572468 --pin " +
                variable("PIN")) == 0);
  CHECK(wait_for("error: not_found", [&] { return decrypt(kms, text); }) == "error: not_found");
}

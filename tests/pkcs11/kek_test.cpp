// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "wrapping_key.hpp"

// A database whose key-encryption key is wrapped by an AES key of the token.

using namespace token;

namespace {

bool serves(const Kms& kms, const std::string& uid) {
  return decrypt(kms, token::encrypt(kms, uid, Alg::RSA_OAEP, Enc::A256GCM, "kept")) == "kept";
}

CK_SLOT_ID slot_id() {
  const Kms keep = open();
  return Raw().slot;
}

template <class Work>
bool in_child(Work work) {
  const pid_t child = fork();
  if (child == 0) _exit(work() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a key of the token guards a database") {
  const support::TempDir dir;
  const Kms keep = open();  // the module, for Raw
  for (const Use use : {Use::gcm, Use::key_wrap}) {
    const std::string mechanism = use == Use::gcm ? "AES-GCM" : "AES-KEY-WRAP";
    INFO(mechanism);
    const WrappingKey key(use == Use::gcm ? "kek-gcm" : "kek-wrap", use);
    const std::string path = dir.file(mechanism);
    const Options all = with_kek(path, key.uid);
    if (!expected().gcm) {  // the one token without AES-GCM has no key wrap either
      CHECK(support::code_of(jwekms::open(all)) == "unsupported_algorithm");
      CHECK_FALSE(std::filesystem::exists(path));
      continue;
    }
    const Raw raw;
    const std::size_t objects = raw.find(CKO_SECRET_KEY, "").size();
    std::string uid;
    {
      const Kms kms = jwekms::open(all).value();
      uid = kms.create_key({}).value().uid;
      CHECK(serves(kms, uid));
      CHECK(in_child([&] { return serves(kms, uid); }));
      CHECK(serves(kms, uid));
    }
    CHECK(serves(jwekms::open(all).value(), uid));
    CHECK_FALSE(std::filesystem::exists(path + ".kek"));
    CHECK(entry_of(path).find(mechanism) != std::string::npos);
    CHECK(entry_of(path).find(key.uid) != std::string::npos);
    CHECK(raw.find(CKO_SECRET_KEY, "").size() == objects);
  }
}

TEST_CASE("a key that guards a database serves no JWE") {
  if (!expected().gcm) return;  // refused, as above
  const support::TempDir dir;
  const WrappingKey key("kek-reserved", Use::gcm);
  const std::string before = token::encrypt(open(), key.uid, Alg::dir, Enc::A256GCM, "x");
  Options all = with_kek(dir.file("keys"), key.uid);
  // The same token by other numbers, and however it is described: other UIDs of the same key.
  all.hsms[0].slots.push_back(all.hsms[0].slots[0]);
  all.hsms[0].slots[1].number = 7;
  all.hsms[0].slots.push_back({.number = 8, .slot_id = slot_id(), .pin = variable("PIN")});
  all.hsms.push_back(options());
  const Kms kms = jwekms::open(all).value();
  const std::string label = "kek-reserved";
  const std::string model = std::string("hsm::") + expected().model;
  for (const std::string& uid :
       {key.uid, model + "::7::" + label, model + "::8::" + label, model + "_1::0::" + label}) {
    INFO(uid);
    // In a child that has not looked at the token yet, too.
    CHECK(in_child([&] {
      return support::code_of(kms.set_key_state(uid, KeyState::destroyed)) == "forbidden";
    }));
    CHECK(token::encrypt(kms, uid, Alg::dir, Enc::A256GCM, "x") == "error: forbidden");
    CHECK(decrypt(kms, before, uid) == "error: forbidden");
    CHECK(support::code_of(kms.describe_key(uid)) == "forbidden");
    CHECK(support::code_of(kms.set_key_state(uid, KeyState::destroyed)) == "forbidden");
  }
  bool listed = false;
  const KeyPage page = kms.list_keys({}, instance_prefix()).value();
  for (const KeyInfo& info : page.keys)
    if (info.uid == key.uid) {
      listed = true;
      CHECK_FALSE(info.may_decrypt);
      CHECK_FALSE(info.may_encrypt);
    }
  CHECK(listed);
  // Elsewhere it is a key like any other.
  CHECK(decrypt(open(), before) == "x");
}

TEST_CASE("a database opens with its own HSM key alone") {
  if (!expected().gcm) return;  // refused, as above
  const support::TempDir dir;
  const std::string path = dir.file("keys");
  for (const Use use : {Use::gcm, Use::key_wrap}) {
    const WrappingKey mine("kek-mine", use), other("kek-other", use);
    const std::string file = path + (use == Use::gcm ? "-gcm" : "-wrap");
    const std::string uid =
        jwekms::open(with_kek(file, mine.uid)).value().create_key({}).value().uid;
    CHECK(support::code_of(jwekms::open(with_kek(file, other.uid))) == "crypto_failure");
    CHECK(support::code_of(jwekms::open(with_kek(file, prefix() + "kek-none"))) == "not_found");
    CHECK(support::code_of(jwekms::open(with_kek(file, ""))) == "crypto_failure");
    CHECK_FALSE(std::filesystem::exists(file + ".kek"));
    CHECK(serves(jwekms::open(with_kek(file, mine.uid)).value(), uid));
    // To another key, and back.
    CHECK(support::code_of(rewrap_database(with_kek(file, other.uid), other.uid)) ==
          "crypto_failure");
    CHECK(support::code_of(rewrap_database(with_kek(file, mine.uid), other.uid)) == "ok");
    CHECK(support::code_of(jwekms::open(with_kek(file, mine.uid))) == "crypto_failure");
    CHECK(serves(jwekms::open(with_kek(file, other.uid)).value(), uid));
  }
}

TEST_CASE("a database moves from a file to the HSM") {
  if (!expected().gcm) return;  // refused, as above
  const support::TempDir dir;
  const std::string path = dir.file("keys");
  const WrappingKey key("kek-moved", Use::gcm);
  const std::string uid = jwekms::open(with_kek(path, "")).value().create_key({}).value().uid;
  CHECK(support::code_of(jwekms::open(with_kek(path, key.uid))) == "crypto_failure");
  CHECK(support::code_of(rewrap_database(with_kek(path, ""), prefix() + "kek-none")) ==
        "not_found");
  CHECK(support::code_of(rewrap_database(with_kek(path, ""), "in-a-database")) == "bad_request");
  CHECK(support::code_of(rewrap_database(with_kek(dir.file("none"), ""), key.uid)) == "not_found");
  CHECK_FALSE(std::filesystem::exists(dir.file("none")));
  CHECK(support::code_of(rewrap_database(with_kek(path, ""), key.uid)) == "ok");
  CHECK(support::code_of(jwekms::open(with_kek(path, ""))) == "crypto_failure");
  std::filesystem::remove(path + ".kek");
  CHECK(serves(jwekms::open(with_kek(path, key.uid)).value(), uid));
}

TEST_CASE("what cannot guard a database makes none") {
  const support::TempDir dir;
  const std::string path = dir.file("keys");
  const auto code = [&](const Options& all) {
    const std::string answer(support::code_of(jwekms::open(all)));
    CHECK_FALSE(std::filesystem::exists(path));
    return answer;
  };
  const std::string model = std::string("hsm::") + expected().model;
  CHECK(code(with_kek(path, "in-a-database")) == "bad_request");
  CHECK(code(with_kek(path, "hsm::nonsense")) == "bad_request");
  CHECK(code(with_kek(path, model + "::9::kek")) == "bad_request");
  CHECK(code(with_kek(path, model + "_1::0::kek")) == "bad_request");
  CHECK(code(with_kek({}, prefix() + "kek")) == "bad_request");
  CHECK(code(with_kek(path, prefix() + "kek-none")) == "not_found");
  CHECK(code(with_kek(path, rsa_uid(open()))) == "crypto_failure");
  {
    const WrappingKey small("kek-small", Use::gcm, 16);
    CHECK(code(with_kek(path, small.uid)) == "crypto_failure");
  }
  const WrappingKey key("kek-good", Use::gcm);
  Options all = with_kek(path, key.uid);
  all.database.kek_path = dir.file("file");
  CHECK(code(all) == "bad_request");
  const std::vector<std::uint8_t> handed_in(32, 7);
  all = with_kek(path, key.uid);
  all.database.kek = handed_in;
  CHECK(code(all) == "bad_request");
  all = with_kek(path, key.uid);
  all.hsms[0].slots[0].token_label = "no such token";
  CHECK(code(all) == "unavailable");
  all = with_kek(path, key.uid);
  all.hsms[0].module_path = dir.file("no-module.so");
  CHECK(code(all) == "unavailable");
}

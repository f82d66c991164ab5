// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "token.hpp"

// Session copies of keys, made where the token is faster with them. Whether it is depends on the
// machine, too, except where a copy is a hundred times faster (NSS).

using namespace token;

namespace {

std::vector<CK_OBJECT_HANDLE> session_keys(const Raw& raw) {
  CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  CK_BBOOL no = CK_FALSE;
  CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &secret, sizeof(secret)}, {CKA_TOKEN, &no, sizeof(no)}};
  Raw::check(raw.f->C_FindObjectsInit(raw.session, wanted, 2));
  std::vector<CK_OBJECT_HANDLE> found(64);
  CK_ULONG count = 0;
  Raw::check(raw.f->C_FindObjects(raw.session, found.data(), found.size(), &count));
  Raw::check(raw.f->C_FindObjectsFinal(raw.session));
  found.resize(count);
  return found;
}

/// Copies that the key's use has made.
std::vector<CK_OBJECT_HANDLE> new_keys(const Raw& raw, const std::vector<CK_OBJECT_HANDLE>& old) {
  std::vector<CK_OBJECT_HANDLE> found = session_keys(raw);
  std::erase_if(found, [&](auto key) { return std::ranges::find(old, key) != old.end(); });
  return found;
}

}  // namespace

TEST_CASE("a copy of a key is as sensitive as the key, has no label and goes with it") {
  if (!expected().gcm) return;
  const Kms kms = open();
  const std::string uid = prefix() + "copied";
  const Raw raw;
  const std::vector<CK_OBJECT_HANDLE> old = session_keys(raw);
  const bool faster = expects("test: a copy is faster on every machine");
  std::string text;
  std::vector<CK_OBJECT_HANDLE> copies;
  // Where the machine stood still when a copy was measured there is none: the next key, then.
  for (int tries = 0; tries < (faster ? 5 : 1) && copies.empty(); ++tries) {
    (void)kms.set_key_state(uid, KeyState::destroyed);
    (void)kms.create_key({.uid = uid, .type = KeyType::oct}).value();
    text = encrypt(kms, uid, Alg::dir, Enc::A256GCM, "copied");
    for (int i = 0; i < 3; ++i) CHECK(decrypt(kms, text) == "copied");
    copies = new_keys(raw, old);
  }
  if (faster) CHECK(copies.size() == 1);
  for (const CK_OBJECT_HANDLE copy : copies) {
    CHECK(raw.flag(copy, CKA_SENSITIVE));
    CHECK_FALSE(raw.flag(copy, CKA_EXTRACTABLE));
    CHECK(raw.flag(copy, CKA_PRIVATE));
    CHECK(raw.read(copy, CKA_VALUE) == CKR_ATTRIBUTE_SENSITIVE);
  }
  CHECK(raw.find(CKO_SECRET_KEY, "copied").size() == 1);
  (void)kms.set_key_state(uid, KeyState::destroyed).value();
  CHECK(new_keys(raw, old).empty());
  CHECK(decrypt(kms, text) == "error: not_found");
}

TEST_CASE("a copy of a key that somebody else destroys serves no longer than a second") {
  if (!expected().gcm) return;
  const Kms kms = open();
  const std::string uid = prefix() + "copied-2";
  (void)kms.create_key({.uid = uid, .type = KeyType::oct}).value();
  const std::string text = encrypt(kms, uid, Alg::dir, Enc::A256GCM, "copied");
  CHECK(decrypt(kms, text) == "copied");
  const Raw raw;
  Raw::check(raw.f->C_DestroyObject(raw.session, raw.find(CKO_SECRET_KEY, "copied-2").at(0)));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  CHECK(decrypt(kms, text) == "error: not_found");
}

TEST_CASE("a key that somebody logs out of, again and again, keeps its copies in order") {
  if (!expected().gcm) return;
  const Kms kms = open();
  const std::string uid = prefix() + "copied-3";
  (void)kms.create_key({.uid = uid, .type = KeyType::oct}).value();
  const std::string text = encrypt(kms, uid, Alg::dir, Enc::A256GCM, "copied");
  const Raw raw;
  const std::vector<CK_OBJECT_HANDLE> old = session_keys(raw);
  for (int i = 0; i < 10; ++i) {
    CHECK(decrypt(kms, text) == "copied");
    (void)raw.f->C_Logout(raw.session);  // NSS lets copies work on: then nobody has logged in anew
  }
  CHECK(decrypt(kms, text) == "copied");
  CHECK(new_keys(raw, old).size() <= 1);
  (void)kms.set_key_state(uid, KeyState::destroyed).value();
}

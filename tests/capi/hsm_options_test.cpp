// SPDX-License-Identifier: Apache-2.0
// What C may say about HSMs, and what becomes of a PIN. No token is needed for that: these options
// are refused before a module is loaded, or name a module that is not there.
#include <functional>
#include <string>
#include <vector>

#include "../core/freed_secrets.hpp"
#include "fixture.hpp"

namespace {

/// Sets a text and its length.
#define SET_TEXT(options, member, value) \
  ((options).member = std::data(value), (options).member##_len = std::string_view(value).size())

constexpr std::string_view nowhere = "/nonexistent/module.so";

/// Options for one HSM with one slot that are right but for the module.
struct Hsm {
  jwekms_hsm_slot slot = JWEKMS_HSM_SLOT_INIT;
  const jwekms_hsm_slot* slots[2] = {&slot, nullptr};
  jwekms_hsm_options hsm = JWEKMS_HSM_OPTIONS_INIT;
  const jwekms_hsm_options* hsms[2] = {&hsm, nullptr};
  jwekms_open_options open = JWEKMS_OPEN_OPTIONS_INIT;

  Hsm() {
    SET_TEXT(slot, pin, std::string_view("1234"));
    SET_TEXT(hsm, model, std::string_view("other"));
    SET_TEXT(hsm, module_path, nowhere);
    hsm.slots = slots;
    hsm.slot_count = 1;
    open.hsms = hsms;
    open.hsm_count = 1;
  }
  Hsm(const Hsm&) = delete;
  Hsm& operator=(const Hsm&) = delete;

  jwekms_status status() const {
    jwekms_ctx* ctx = nullptr;
    const jwekms_status status = jwekms_open(&open, &ctx, nullptr);
    CHECK(ctx == nullptr);
    return status;
  }
  jwekms_status doctor() const {
    return jwekms_doctor(
        &hsm, [](void*, const jwekms_finding*) {}, nullptr, nullptr);
  }
};

}  // namespace

TEST_CASE("options for an HSM that are right", "[capi][hsm]") {
  Hsm given;
  const std::function<void()> variants[] = {
      [] {},
      [&] { given.slot.number = 7; },
      [&] { SET_TEXT(given.slot, token_label, std::string_view("jwekms")); },
      [&] { SET_TEXT(given.slot, token_serial, std::string_view("123")); },
      [&] { given.slot.flags = JWEKMS_HSM_SLOT_BY_ID; },
      [&] { given.slot.flags = JWEKMS_HSM_SLOT_BY_ID, given.slot.slot_id = 3; },
      [&] { given.slot.login = JWEKMS_HSM_LOGIN_NONE, given.slot.pin_len = 0; },
      [&] { SET_TEXT(given.hsm, init_args, std::string_view("a b")); },
      [&] { given.hsm.flags = JWEKMS_HSM_FORBID_WEAK_KEYS; },
      [&] { given.hsm.cek_boundary = JWEKMS_CEK_IN_PROCESS; },
      [&] { given.hsm.cek_boundary = JWEKMS_CEK_IN_HSM; },
      [&] { given.hsm.raw_rsa_fallback = JWEKMS_ON; },
      [&] { given.hsm.raw_rsa_fallback = JWEKMS_OFF; },
      [&] { given.hsm.max_sessions = 4096; },
      [&] { given.hsm.session_timeout_ms = UINT32_MAX; },
  };
  // What is right leads to the module, which is not there.
  for (const auto& vary : variants) {
    vary();
    CHECK(given.status() == JWEKMS_UNAVAILABLE);
    CHECK(given.doctor() == JWEKMS_UNAVAILABLE);
  }
}

TEST_CASE("options for an HSM that are wrong", "[capi][hsm]") {
  Hsm given;
  const std::string_view nul("a\0b", 3);
  const std::string_view missing = "env:JWEKMS_TEST_NO_SUCH_VARIABLE";
  const std::string long_pin(300, '1');
  jwekms_hsm_slot same = given.slot;

  SECTION("model") { given.hsm.model_len = 0; }
  SECTION("a model that is unknown") { given.hsm.model_len = 2; }
  SECTION("NUL in a path") { SET_TEXT(given.hsm, module_path, nul); }
  SECTION("NUL in the arguments") { SET_TEXT(given.hsm, init_args, nul); }
  SECTION("NUL in a PIN") { SET_TEXT(given.slot, pin, nul); }
  SECTION("no slots") { given.hsm.slot_count = 0; }
  SECTION("slots that are NULL") { given.hsm.slots = nullptr; }
  SECTION("a slot that is NULL") { given.hsm.slot_count = 2; }
  SECTION("more slots than there can be") { given.hsm.slot_count = SIZE_MAX / 64; }
  SECTION("two slots with one number") {
    given.slots[1] = &same;
    given.hsm.slot_count = 2;
  }
  SECTION("flags of the HSM") { given.hsm.flags = 2; }
  SECTION("boundary") { given.hsm.cek_boundary = 3; }
  SECTION("a negative boundary") { given.hsm.cek_boundary = -1; }
  SECTION("fallback") { given.hsm.raw_rsa_fallback = 3; }
  SECTION("a negative fallback") { given.hsm.raw_rsa_fallback = -1; }
  SECTION("sessions") { given.hsm.max_sessions = 4097; }
  SECTION("admins that are NULL") { given.hsm.admin_count = 1; }
  SECTION("size of the HSM's options") { given.hsm.struct_size -= 1; }
  SECTION("size of the slot's options") { given.slot.struct_size -= 1; }
  SECTION("flags of the slot") { given.slot.flags = 2; }
  SECTION("a slot id without its flag") { given.slot.slot_id = 1; }
  SECTION("login") { given.slot.login = 3; }
  SECTION("a negative login") { given.slot.login = -1; }
  SECTION("what is reserved") { given.slot.reserved = 1; }
  SECTION("a PIN that is NULL") { given.slot.pin = nullptr; }
  SECTION("a PIN that is too long") { SET_TEXT(given.slot, pin, long_pin); }
  SECTION("a variable that is not set") { SET_TEXT(given.slot, pin, missing); }
  CHECK(given.status() == JWEKMS_BAD_REQUEST);
  CHECK(given.doctor() == JWEKMS_BAD_REQUEST);
}

TEST_CASE("lists of HSMs that are wrong", "[capi][hsm]") {
  Hsm given;
  SECTION("NULL") { given.open.hsms = nullptr; }
  SECTION("a NULL in it") { given.open.hsm_count = 2; }
  SECTION("too long") { given.open.hsm_count = SIZE_MAX; }
  SECTION("pools that are NULL") { given.open.hsm_pool_count = 1; }
  SECTION("a key-encryption key that is NULL") { given.open.key_encryption_key_len = 1; }
  CHECK(given.status() == JWEKMS_BAD_REQUEST);
}

TEST_CASE("arguments of the doctor", "[capi][hsm]") {
  const Hsm given;
  jwekms_error error = JWEKMS_ERROR_INIT;
  const auto ignore = [](void*, const jwekms_finding*) {};
  CHECK(jwekms_doctor(nullptr, ignore, nullptr, &error) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_doctor(&given.hsm, nullptr, nullptr, &error) == JWEKMS_BAD_REQUEST);
  CHECK(error.code == JWEKMS_BAD_REQUEST);
}

#ifdef JWEKMS_WATCHES_FREE
TEST_CASE("no copy of a PIN is given back to the heap", "[capi][hsm]") {
  // Short ones live inside the string, and move with it; long ones on the heap.
  for (const std::string& pin : {std::string("PIN-4711-8"), std::string(80, 'P')}) {
    Hsm given;
    jwekms_hsm_slot second = given.slot;
    second.number = 1;
    given.slots[1] = &second;
    given.hsm.slot_count = 2;
    SET_TEXT(given.slot, pin, pin);
    SET_TEXT(second, pin, pin);
    const std::vector<std::uint8_t> secret(pin.begin(), pin.end());
    std::vector<freed_secrets::Watched> watched{{secret}};

    freed_secrets::watched = &watched;
    const jwekms_status opened = given.status();
    const jwekms_status examined = given.doctor();
    given.slot.login = 9;  // refused after the PINs were read
    const jwekms_status refused = given.status();
    freed_secrets::watched = nullptr;
    CHECK(opened == JWEKMS_UNAVAILABLE);
    CHECK(examined == JWEKMS_UNAVAILABLE);
    CHECK(refused == JWEKMS_BAD_REQUEST);
    CHECK(watched[0].freed == 0);

    freed_secrets::watched = &watched;  // the watch itself
    std::free(std::memcpy(std::malloc(100), pin.data(), pin.size()));
    freed_secrets::watched = nullptr;
    CHECK(watched[0].freed == 1);
  }
}
#endif

// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "faulty.hpp"

// An operation is repeated once where the token's state was at fault, and never where the token
// text was.

using namespace token;
using faulty::module;

TEST_CASE("what the token's state was to blame for is tried once more, and no oftener") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string text = make(kms, rsa_uid(kms), Alg::RSA_OAEP, Enc::A256GCM, "again");
  REQUIRE(decrypt(kms, text) == "again");
  for (const CK_RV rv : {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_OPERATION_ACTIVE,
                         CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID}) {
    INFO(pkcs11::name_of(rv));
    module().reset();
    module().inject("C_Decrypt", 1, rv, 1);
    CHECK(decrypt(kms, text) == "again");
    CHECK(module().calls("C_Decrypt") == 2);
    module().reset();
    module().inject("C_Decrypt", 1, rv, 2);
    CHECK(decrypt(kms, text) == "error: unavailable");
    CHECK(module().calls("C_Decrypt") == 2);
    module().reset();
    CHECK(decrypt(kms, text) == "again");
  }
}

TEST_CASE("what the token text was to blame for is not tried again, and loads nothing anew") {
  const faulty::Clean clean;
  for (const CekBoundary boundary : faulty::boundaries()) {
    const Kms kms = open(boundary);
    const std::string text = make(kms, rsa_uid(kms, boundary), Alg::RSA_OAEP, Enc::A256GCM, "once");
    REQUIRE(decrypt(kms, text) == "once");
    for (const CK_RV rv : {CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_ENCRYPTED_DATA_INVALID,
                           CKR_WRAPPED_KEY_INVALID, CKR_DATA_LEN_RANGE}) {
      INFO(pkcs11::name_of(rv));
      module().reset();
      REQUIRE(decrypt(kms, text) == "once");
      const unsigned long decrypts = module().calls("C_Decrypt");
      module().reset();
      module().inject(boundary == CekBoundary::hsm ? "C_UnwrapKey" : "C_Decrypt", 1, rv, 1);
      CHECK(decrypt(kms, text) == "error: decryption_failed");
      CHECK(module().calls("C_Decrypt") == decrypts);
      CHECK(module().calls("C_Initialize") == 0);
      CHECK(module().calls("C_OpenSession") == 0);
    }
  }
}

TEST_CASE("a module's own trouble is not called a bad token text") {
  const faulty::Clean clean;
  constexpr CK_RV token_resource_exceeded = 0x201;
  for (const CekBoundary boundary : faulty::boundaries()) {
    const Kms kms = open(boundary);
    const std::string text = make(kms, rsa_uid(kms, boundary), Alg::RSA_OAEP, Enc::A256GCM, "once");
    REQUIRE(decrypt(kms, text) == "once");
    for (const CK_RV rv :
         {CKR_CANCEL, CKR_FUNCTION_CANCELED, CKR_FUNCTION_REJECTED, token_resource_exceeded,
          CKR_NEED_TO_CREATE_THREADS, CKR_CANT_LOCK, CKR_MUTEX_BAD, CKR_MUTEX_NOT_LOCKED,
          CKR_PIN_INCORRECT, CKR_PIN_EXPIRED, CKR_PIN_LOCKED, CKR_USER_PIN_NOT_INITIALIZED}) {
      INFO(std::hex << rv);
      module().reset();
      module().inject(boundary == CekBoundary::hsm ? "C_UnwrapKey" : "C_Decrypt", 1, rv, 1);
      CHECK(decrypt(kms, text) == "error: unavailable");
      CHECK(decrypt(kms, text) == "once");
    }
  }
}

TEST_CASE("a failing C_OpenSession is told, and hangs nobody") {
  const faulty::Clean clean;
  fault::Watchdog watchdog;
  watchdog.arm("C_OpenSession fails", std::chrono::seconds(60));
  for (const CK_RV rv : {CKR_GENERAL_ERROR, CKR_SESSION_COUNT, CKR_TOKEN_NOT_PRESENT}) {
    module().reset();
    module().inject("C_OpenSession", 1, rv, 0);
    CHECK(support::code_of(try_open(options())) == "unavailable");
  }
  module().reset();
  CHECK(support::code_of(try_open(options())) == "ok");
}

TEST_CASE("a token that was full has all its sessions again when others have left") {
  const faulty::Clean clean;
  HsmOptions hsm = options();
  hsm.max_sessions = 4;
  hsm.session_timeout = std::chrono::seconds(3);
  const Kms kms = try_open(hsm).value();
  const std::string text = make(kms, rsa_uid(kms), Alg::RSA_OAEP, Enc::A256GCM, "room");
  REQUIRE(decrypt(kms, text) == "room");
  const auto at_once = [&] {
    std::atomic<int> good = 0, busy = 0, other = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        const std::string answer = decrypt(kms, text);
        ++(answer == "room" ? good : answer == "error: unavailable" ? busy : other);
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(other == 0);
    return good.load();
  };
  // One session is open and waits; the token gives no other.
  module().inject("C_OpenSession", 1, CKR_SESSION_COUNT, 0);
  module().delay("C_Decrypt", 1, 30, 0);
  CHECK(at_once() == 4);  // in turns
  const long sessions = module().sessions();
  module().reset();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  module().delay("C_Decrypt", 1, 2000, 0);
  CHECK(at_once() == 4);  // side by side: in turns the last would wait for too long
  CHECK(module().sessions() == sessions + 3);
}

TEST_CASE("the host's own use of the module outlives a failure of ours") {
  const faulty::Clean clean;
  const Raw* host = nullptr;
  void* handle = dlopen(variable("MODULE").c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
  CK_FUNCTION_LIST* f = nullptr;
  REQUIRE(get(&f) == CKR_OK);
  std::string init_args = variable("INIT_ARGS");
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  args.pReserved = init_args.empty() ? nullptr : init_args.data();
  REQUIRE(f->C_Initialize(&args) == CKR_OK);
  {
    const Raw raw;
    host = &raw;
    module().inject("C_GetSlotList", 1, CKR_DEVICE_ERROR, 0);
    CHECK(support::code_of(try_open(options())) == "unavailable");
    CK_SESSION_INFO info{};
    CHECK(f->C_GetSessionInfo(host->session, &info) == CKR_OK);
  }
  CHECK(f->C_Finalize(nullptr) == CKR_OK);
}

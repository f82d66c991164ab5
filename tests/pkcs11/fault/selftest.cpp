// SPDX-License-Identifier: Apache-2.0
// Shows on SoftHSM that the fault module and the campaign do what they say, and that the campaign
// finds what is planted for it. usage: selftest FAULT_MODULE, in the environment of softhsm2.sh
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>

#include "campaign.hpp"

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                        \
    }                                                                      \
  } while (false)

namespace {

using Bytes = std::vector<CK_BYTE>;

CK_FUNCTION_LIST* p11;
std::string pin;
CK_SLOT_ID slot, spare;
Bytes secret(32, 0x5a);
Bytes sealed;  // the secret, under the public key

CK_RSA_PKCS_OAEP_PARAMS oaep_params{CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, nullptr, 0};
CK_MECHANISM oaep{CKM_RSA_PKCS_OAEP, &oaep_params, sizeof oaep_params};

CK_SESSION_HANDLE open_session(CK_SLOT_ID on = slot) {
  CK_SESSION_HANDLE session = 0;
  CHECK(p11->C_OpenSession(on, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session) ==
        CKR_OK);
  return session;
}

CK_RV login(CK_SESSION_HANDLE session) {
  const CK_RV rv =
      p11->C_Login(session, CKU_USER, reinterpret_cast<CK_BYTE*>(pin.data()), pin.size());
  return rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv;
}

CK_RV find_key(CK_SESSION_HANDLE session, CK_OBJECT_CLASS kind, CK_OBJECT_HANDLE& key) {
  CK_ATTRIBUTE wanted{CKA_CLASS, &kind, sizeof kind};
  CK_ULONG found = 0;
  CK_RV rv = p11->C_FindObjectsInit(session, &wanted, 1);
  if (rv == CKR_OK) rv = p11->C_FindObjects(session, &key, 1, &found);
  const CK_RV final = p11->C_FindObjectsFinal(session);
  if (rv == CKR_OK) rv = final;
  return rv != CKR_OK ? rv : found == 1 ? CKR_OK : CKR_KEY_HANDLE_INVALID;
}

CK_RV unwrap(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE rsa, CK_OBJECT_HANDLE& key) {
  CK_OBJECT_CLASS kind = CKO_SECRET_KEY;
  CK_KEY_TYPE type = CKK_AES;
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  std::array<CK_ATTRIBUTE, 5> attributes{{{CKA_CLASS, &kind, sizeof kind},
                                          {CKA_KEY_TYPE, &type, sizeof type},
                                          {CKA_TOKEN, &no, 1},
                                          {CKA_SENSITIVE, &yes, 1},
                                          {CKA_DECRYPT, &yes, 1}}};
  return p11->C_UnwrapKey(session, &oaep, rsa, sealed.data(), sealed.size(), attributes.data(),
                          attributes.size(), &key);
}

void make_keys() {
  const CK_SESSION_HANDLE session = open_session();
  CHECK(login(session) == CKR_OK);
  CK_ULONG bits = 2048;
  CK_BBOOL yes = CK_TRUE;
  CK_BYTE exponent[] = {1, 0, 1};
  CK_ATTRIBUTE open[] = {{CKA_TOKEN, &yes, 1},
                         {CKA_ENCRYPT, &yes, 1},
                         {CKA_MODULUS_BITS, &bits, sizeof bits},
                         {CKA_PUBLIC_EXPONENT, exponent, 3}};
  CK_ATTRIBUTE closed[] = {
      {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_DECRYPT, &yes, 1}, {CKA_UNWRAP, &yes, 1}};
  CK_MECHANISM generate{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_key = 0, private_key = 0;
  CHECK(p11->C_GenerateKeyPair(session, &generate, open, 4, closed, 4, &public_key, &private_key) ==
        CKR_OK);
  CHECK(p11->C_EncryptInit(session, &oaep, public_key) == CKR_OK);
  sealed.resize(256);
  CK_ULONG size = sealed.size();
  CHECK(p11->C_Encrypt(session, secret.data(), secret.size(), sealed.data(), &size) == CKR_OK);
  CHECK(p11->C_CloseSession(session) == CKR_OK);
}

CK_RV decrypt(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, Bytes& out) {
  CK_RV rv = p11->C_DecryptInit(session, &oaep, key);
  if (rv != CKR_OK) return rv;
  out.assign(256, 0);
  CK_ULONG size = out.size();
  rv = p11->C_Decrypt(session, sealed.data(), sealed.size(), out.data(), &size);
  out.resize(rv == CKR_OK ? size : 256);
  return rv;
}

bool contains(const std::vector<std::string>& log, const std::string& part) {
  for (const std::string& line : log)
    if (line.find(part) != std::string::npos) return true;
  return false;
}

void test_counts_and_log(fault::Module& module) {
  module.reset();
  const CK_SESSION_HANDLE session = open_session();
  CHECK(login(session) == CKR_OK);
  CK_OBJECT_HANDLE rsa = 0, aes = 0;
  CHECK(find_key(session, CKO_PRIVATE_KEY, rsa) == CKR_OK);
  Bytes out;
  CHECK(decrypt(session, rsa, out) == CKR_OK && out == secret);
  CHECK(unwrap(session, rsa, aes) == CKR_OK);
  CK_BBOOL sensitive = CK_FALSE;
  CK_ATTRIBUTE read{CKA_SENSITIVE, &sensitive, 1};
  CHECK(p11->C_GetAttributeValue(session, aes, &read, 1) == CKR_OK && sensitive);

  CHECK(module.calls("C_Decrypt") == 1 && module.calls("C_FindObjects") == 1);
  CHECK(module.calls("C_Sign") == 0 && module.calls("*") == 9);
  CHECK(module.sessions() == 1 && module.session_objects() == 1);
  CHECK(p11->C_DestroyObject(session, aes) == CKR_OK);
  CHECK(module.session_objects() == 0);
  CHECK(unwrap(session, rsa, aes) == CKR_OK && module.session_objects() == 1);
  CHECK(p11->C_CloseSession(session) == CKR_OK);  // takes its objects along
  CHECK(module.sessions() == 0 && module.session_objects() == 0);
  CHECK(module.token_objects() == 2);  // the key pair

  const auto log = module.log();
  CHECK(contains(log, "C_DecryptInit session="));
  CHECK(contains(log, " mechanism=0x9 key="));
  CHECK(contains(log, " in=256 out=32 -> 0x0"));
  CHECK(contains(log, "types=0x0,0x100,0x1,0x103,0x105 new="));
  CHECK(contains(log, " types=0x103 -> 0x0"));
  CHECK(!contains(log, pin) && !contains(log, "injected"));
  CHECK(module.log().empty());
}

void test_injection(fault::Module& module) {
  module.reset();
  CHECK(module.inject("C_NoSuch", 1, CKR_DEVICE_ERROR, 1) == -1);
  const CK_SESSION_HANDLE session = open_session();
  CHECK(login(session) == CKR_OK);
  CK_OBJECT_HANDLE rsa = 0, aes = 0;
  CHECK(find_key(session, CKO_PRIVATE_KEY, rsa) == CKR_OK);

  // The second and third call fail; the operation is over in the target after each.
  module.inject("C_Decrypt", 2, CKR_GENERAL_ERROR, 2);
  Bytes out;
  const Bytes untouched(256, 0);
  CHECK(decrypt(session, rsa, out) == CKR_OK);
  CHECK(decrypt(session, rsa, out) == CKR_GENERAL_ERROR && out == untouched);
  CHECK(decrypt(session, rsa, out) == CKR_GENERAL_ERROR && out == untouched);
  CHECK(decrypt(session, rsa, out) == CKR_OK && out == secret);
  CHECK(module.struck() == 2 && contains(module.log(), "-> 0x5 injected"));

  // Too small a buffer leaves the operation active.
  module.inject("C_Decrypt", 1, CKR_BUFFER_TOO_SMALL, 1);
  CHECK(decrypt(session, rsa, out) == CKR_BUFFER_TOO_SMALL);
  CHECK(p11->C_DecryptInit(session, &oaep, rsa) == CKR_OPERATION_ACTIVE);
  CK_ULONG size = out.size();
  CHECK(p11->C_Decrypt(session, sealed.data(), sealed.size(), out.data(), &size) == CKR_OK);

  // Nothing comes into being, for ever until the rules are cleared.
  module.inject("C_UnwrapKey", 1, CKR_DEVICE_MEMORY, 0);
  module.inject("C_OpenSession", 1, CKR_SESSION_COUNT, 1);
  CK_SESSION_HANDLE none = 0;
  for (int i = 0; i < 3; ++i) CHECK(unwrap(session, rsa, aes) == CKR_DEVICE_MEMORY);
  CHECK(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &none) == CKR_SESSION_COUNT);
  CHECK(module.sessions() == 1 && module.session_objects() == 0 && none == 0);
  module.clear_rules();
  CHECK(unwrap(session, rsa, aes) == CKR_OK);

  // A search that could not be ended would block the session; it is ended.
  module.inject("C_FindObjectsFinal", 1, CKR_FUNCTION_FAILED, 1);
  CHECK(find_key(session, CKO_PRIVATE_KEY, rsa) == CKR_FUNCTION_FAILED);
  CHECK(find_key(session, CKO_PRIVATE_KEY, rsa) == CKR_OK);

  // One slot is dead, the other lives.
  const CK_SESSION_HANDLE other = open_session(spare);
  module.inject_slot("*", spare, 1, CKR_DEVICE_REMOVED, 0);
  CK_TOKEN_INFO token;
  CK_SESSION_INFO info;
  CHECK(p11->C_GetTokenInfo(spare, &token) == CKR_DEVICE_REMOVED);
  CHECK(p11->C_GetSessionInfo(other, &info) == CKR_DEVICE_REMOVED);
  CHECK(p11->C_GetTokenInfo(slot, &token) == CKR_OK);
  CHECK(p11->C_GetSessionInfo(session, &info) == CKR_OK);
  module.clear_rules();
  CHECK(p11->C_CloseAllSessions(spare) == CKR_OK && module.sessions() == 1);

  module.delay("C_GetTokenInfo", 1, 150, 1);
  const auto start = std::chrono::steady_clock::now();
  CHECK(p11->C_GetTokenInfo(slot, &token) == CKR_OK);
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(150));
  CHECK(p11->C_CloseSession(session) == CKR_OK);
}

void test_effects(fault::Module& module) {
  module.reset();
  CK_SESSION_INFO info;
  CK_SESSION_HANDLE session = open_session();
  CHECK(login(session) == CKR_OK);

  module.inject("C_GetSessionInfo", 1, CKR_USER_NOT_LOGGED_IN, 1);
  CHECK(p11->C_GetSessionInfo(session, &info) == CKR_USER_NOT_LOGGED_IN);
  CHECK(p11->C_GetSessionInfo(session, &info) == CKR_OK && info.state == CKS_RW_PUBLIC_SESSION);

  module.inject("C_GetSessionInfo", 1, CKR_SESSION_CLOSED, 1);
  CHECK(p11->C_GetSessionInfo(session, &info) == CKR_SESSION_CLOSED && module.sessions() == 0);
  CHECK(p11->C_CloseSession(session) == CKR_SESSION_HANDLE_INVALID);

  session = open_session();
  module.effects(0);
  module.inject("C_GetSessionInfo", 1, CKR_SESSION_CLOSED, 1);
  CHECK(p11->C_GetSessionInfo(session, &info) == CKR_SESSION_CLOSED && module.sessions() == 1);
  module.effects(JWEKMS_FAULT_SESSION | JWEKMS_FAULT_LOGIN | JWEKMS_FAULT_LIBRARY);

  module.inject("C_GetSessionInfo", 1, CKR_CRYPTOKI_NOT_INITIALIZED, 1);
  CHECK(p11->C_GetSessionInfo(session, &info) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(module.sessions() == 0 && p11->C_Finalize(nullptr) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  CHECK(p11->C_Initialize(&args) == CKR_OK);
}

void test_threads(fault::Module& module) {
  module.reset();
  const CK_SESSION_HANDLE anchor = open_session();
  CHECK(login(anchor) == CKR_OK);
  module.inject("C_Decrypt", 100, CKR_GENERAL_ERROR, 50);
  std::atomic<int> right{0}, injected{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        const CK_SESSION_HANDLE session = open_session();
        CK_OBJECT_HANDLE rsa = 0;
        Bytes out;
        CHECK(find_key(session, CKO_PRIVATE_KEY, rsa) == CKR_OK);
        const CK_RV rv = decrypt(session, rsa, out);
        right += rv == CKR_OK && out == secret;
        injected += rv == CKR_GENERAL_ERROR;
        CHECK(p11->C_CloseSession(session) == CKR_OK);
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(right == 350 && injected == 50 && module.calls("C_Decrypt") == 400);
  CHECK(module.sessions() == 1);
  CHECK(p11->C_CloseSession(anchor) == CKR_OK);
}

// --- The campaign, on a small client with one fault at a time planted in it
// -----------------------

enum class Planted { nothing, leak_session, leak_object, wrong_answer, no_recovery, hang };

bool broken = false;

fault::Outcome client(Planted planted) {
  if (planted == Planted::no_recovery && broken) return fault::Outcome::clean_error;
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  CK_RV rv = p11->C_Initialize(&args);
  if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED) rv = CKR_OK;
  CK_SESSION_HANDLE session = 0;
  CK_OBJECT_HANDLE rsa = 0, aes = 0;
  Bytes out;
  if (rv == CKR_OK) rv = p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
  if (rv == CKR_OK) rv = login(session);
  if (rv == CKR_OK) rv = find_key(session, CKO_PRIVATE_KEY, rsa);
  if (rv == CKR_OK) rv = unwrap(session, rsa, aes);
  if (rv == CKR_OK) rv = p11->C_DestroyObject(session, aes);
  if (rv == CKR_OK) rv = decrypt(session, rsa, out);
  if (rv != CKR_OK) broken = true;
  if (rv == CKR_DEVICE_ERROR && planted == Planted::hang)
    for (;;) pause();
  if (rv != CKR_OK && planted == Planted::leak_session) return fault::Outcome::clean_error;
  if (session && !(rv != CKR_OK && planted == Planted::leak_object)) p11->C_CloseSession(session);
  if (rv != CKR_OK && planted == Planted::wrong_answer) return fault::Outcome::wrong;
  return rv != CKR_OK    ? fault::Outcome::clean_error
         : out == secret ? fault::Outcome::ok
                         : fault::Outcome::wrong;
}

fault::Report run(fault::Module& module, Planted planted, const char* only = nullptr) {
  broken = false;
  fault::Options options;
  options.recover_within = std::chrono::milliseconds(100);
  options.hang_after = std::chrono::milliseconds(planted == Planted::hang ? 1000 : 20'000);
  if (only) options.skip = [=](const fault::Fault& each) { return each.function != only; };
  return fault::campaign(module, options, [=] { return client(planted); });
}

void test_campaign(fault::Module& module) {
  const fault::Report clean = run(module, Planted::nothing);
  for (const auto& failure : clean.failures) std::fprintf(stderr, "%s\n", failure.c_str());
  CHECK(clean.failures.empty() && clean.runs > 200 && clean.missed == 0);
  std::printf("campaign: %u runs, %u made good, %u reported\n", clean.runs, clean.ok,
              clean.clean_errors);

  const auto first = [&](Planted planted, const char* function) {
    const fault::Report report = run(module, planted, function);
    CHECK(!report.failures.empty());
    return report.failures.front();
  };
  CHECK(first(Planted::leak_session, "C_DecryptInit").find("sessions leaked") != std::string::npos);
  CHECK(contains(run(module, Planted::leak_object, "C_DestroyObject").failures,
                 "session objects leaked"));
  CHECK(first(Planted::wrong_answer, "C_Decrypt").find("a wrong answer") != std::string::npos);
  CHECK(first(Planted::no_recovery, "C_Decrypt").find("does not work again") != std::string::npos);

  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    p11->C_Finalize(nullptr);
    run(module, Planted::hang, "C_Decrypt");
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);

  // With a fault before it, the way of recovery is gone, too.
  fault::Options options;
  options.before = {{"C_Decrypt", 1, CKR_GENERAL_ERROR}};
  const auto twice = [] {
    const auto outcome = client(Planted::nothing);
    return outcome == fault::Outcome::ok ? outcome : client(Planted::nothing);
  };
  const fault::Report second = fault::campaign(module, options, twice);
  CHECK(second.failures.empty() && second.runs > 1.8 * clean.runs);
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 2);
  fault::Module module(argv[1]);
  void* handle = dlopen(argv[1], RTLD_NOW);
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
  CHECK(get && get(&p11) == CKR_OK);
  pin = std::getenv("JWEKMS_TEST_SOFTHSM2_PIN");

  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  CHECK(p11->C_Initialize(&args) == CKR_OK);
  std::array<CK_SLOT_ID, 8> slots{};
  CK_ULONG count = slots.size();
  CHECK(p11->C_GetSlotList(CK_TRUE, slots.data(), &count) == CKR_OK && count >= 2);
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info;
    CHECK(p11->C_GetTokenInfo(slots[i], &info) == CKR_OK);
    if (std::memcmp(info.label, "jwekms ", 7) == 0) slot = slots[i];
    if (std::memcmp(info.label, "spare ", 6) == 0) spare = slots[i];
  }

  make_keys();
  test_counts_and_log(module);
  test_injection(module);
  test_effects(module);
  test_threads(module);
  test_campaign(module);
  CHECK(p11->C_Finalize(nullptr) == CKR_OK && module.sessions() == 0);
  std::puts("ok");
}

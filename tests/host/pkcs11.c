// SPDX-License-Identifier: Apache-2.0
// A host that uses the same PKCS#11 module, and the same token, as the library. PKCS#11 keeps one
// initialisation and one login for the whole process: what that means for both is laid down here.
// usage: pkcs11 LIBRARY
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>

#include "host.h"

#define CHECK_CKR(call, expected)                                           \
  do {                                                                      \
    const CK_RV rv_ = (call);                                               \
    if (rv_ != (expected)) {                                                \
      fprintf(stderr, "%s:%d: %s: %#lx\n", __FILE__, __LINE__, #call, rv_); \
      exit(1);                                                              \
    }                                                                       \
  } while (0)

static Library library;
static CK_FUNCTION_LIST* p11;
static CK_SLOT_ID slot;

// ---- What the host has on the token ----

typedef struct Own {
  CK_SESSION_HANDLE session;
  CK_OBJECT_HANDLE key;  ///< A session object: gone with its session, and with a C_Finalize.
  CK_BYTE ciphertext[16];
} Own;

static CK_RV initialize(void) {
  CK_C_INITIALIZE_ARGS arguments;
  memset(&arguments, 0, sizeof arguments);
  arguments.flags = CKF_OS_LOCKING_OK;
  return p11->C_Initialize(&arguments);
}

static void find_slot(void) {
  CK_SLOT_ID slots[16];
  CK_ULONG count = 16;
  CHECK_CKR(p11->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info;
    CHECK_CKR(p11->C_GetTokenInfo(slots[i], &info), CKR_OK);
    const char* const label = token_text("LABEL");
    if (memcmp(info.label, label, strlen(label)) == 0 && info.label[strlen(label)] == ' ')
      slot = slots[i];
  }
}

static CK_RV login(const Own* own) {
  const char* const pin = token_text("PIN");
  return p11->C_Login(own->session, CKU_USER, (CK_BYTE*)pin, strlen(pin));
}

static CK_STATE state_of(const Own* own) {
  CK_SESSION_INFO info;
  CHECK_CKR(p11->C_GetSessionInfo(own->session, &info), CKR_OK);
  return info.state;
}

static void encrypt_block(const Own* own, CK_BYTE out[16]) {
  CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
  CK_BYTE block[16] = "sixteen letters";
  CK_ULONG size = 16;
  CHECK_CKR(p11->C_EncryptInit(own->session, &ecb, own->key), CKR_OK);
  CHECK_CKR(p11->C_Encrypt(own->session, block, 16, out, &size), CKR_OK);
  CHECK(size == 16);
}

/// @param logged_in  what C_Login is to answer.
static Own begin(CK_RV logged_in) {
  Own own;
  find_slot();
  CHECK_CKR(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &own.session),
            CKR_OK);
  CHECK_CKR(login(&own), logged_in);
  CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0};
  CK_ULONG length = 32;
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ATTRIBUTE attributes[] = {{CKA_VALUE_LEN, &length, sizeof length},
                               {CKA_ENCRYPT, &yes, sizeof yes},
                               {CKA_TOKEN, &no, sizeof no},
                               {CKA_PRIVATE, &yes, sizeof yes}};
  CHECK_CKR(p11->C_GenerateKey(own.session, &generate, attributes, 4, &own.key), CKR_OK);
  encrypt_block(&own, own.ciphertext);
  return own;
}

/// The session, the login, the object and what it does are as they were.
static void check(const Own* own) {
  CHECK(state_of(own) == CKS_RW_USER_FUNCTIONS);
  CK_BYTE out[16];
  encrypt_block(own, out);
  CHECK(memcmp(out, own->ciphertext, 16) == 0);
}

// ---- What the library does beside it ----

#define RSA "hsm::softhsm2::0::host"

static jwekms_ctx* open_hsm(void) {
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  Token token;
  add_token(&options, &token);
  return open_ctx(&library, &options);
}

static void use_hsm(const jwekms_ctx* ctx) { use(&library, ctx, RSA, "RSA-OAEP"); }

/// Used, too, by a thread that ends.
static void* use_in_thread(void* ctx) {
  for (int i = 0; i < 20; ++i) use_hsm(ctx);
  return NULL;
}

/// Decrypts as soon as the module is back; until then it is out of reach, and never a wrong key.
static void use_after_loss(const jwekms_ctx* ctx, const char* token, size_t size) {
  for (int i = 0; i < 100; ++i) {
    uint8_t out[4096];
    size_t out_len = sizeof out;
    const jwekms_status status = library.decrypt(ctx, token, size, NULL, out, &out_len, NULL);
    if (status == JWEKMS_OK) return;
    CHECK(status == JWEKMS_UNAVAILABLE);
    usleep(100000);
  }
  CHECK(!"never back");
}

// ---- Who comes first, who goes last ----

static void the_host_first(void) {
  CHECK_CKR(initialize(), CKR_OK);
  Own own = begin(CKR_OK);
  for (int i = 0; i < 3; ++i) {
    jwekms_ctx* const ctx = open_hsm();
    use_hsm(ctx);
    check(&own);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_in_thread, ctx) == 0);
    for (int j = 0; j < 50; ++j) check(&own);
    CHECK(pthread_join(thread, NULL) == 0);
    library.close(ctx);
    check(&own);  // neither C_Finalize, nor C_Logout, nor C_CloseAllSessions
  }
  CHECK_CKR(p11->C_Finalize(NULL), CKR_OK);
}

static void the_host_without_a_login(void) {
  CHECK_CKR(initialize(), CKR_OK);
  Own own;
  CHECK_CKR(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &own.session), CKR_OK);
  CHECK(state_of(&own) == CKS_RO_PUBLIC_SESSION);
  jwekms_ctx* const ctx = open_hsm();
  use_hsm(ctx);
  // One login for the process: it lasts until the host's last session closes.
  CHECK(state_of(&own) == CKS_RO_USER_FUNCTIONS);
  library.close(ctx);
  CHECK(state_of(&own) == CKS_RO_USER_FUNCTIONS);
  CHECK_CKR(p11->C_Finalize(NULL), CKR_OK);
}

static void the_host_second(void) {
  jwekms_ctx* const ctx = open_hsm();
  CHECK_CKR(initialize(), CKR_CRYPTOKI_ALREADY_INITIALIZED);
  Own own = begin(CKR_USER_ALREADY_LOGGED_IN);
  use_hsm(ctx);
  jwekms_ctx* const other = open_hsm();
  use_hsm(other);
  library.close(other);
  check(&own);  // as long as one context is open
  CHECK_CKR(p11->C_CloseSession(own.session), CKR_OK);
  use_hsm(ctx);
  library.close(ctx);
  // What the library initialised, it finalises with its last context.
  CHECK_CKR(p11->C_CloseSession(own.session), CKR_CRYPTOKI_NOT_INITIALIZED);
}

static void the_host_takes_it_away(void) {
  char token[token_size];
  size_t size;
  CHECK_CKR(initialize(), CKR_OK);
  jwekms_ctx* const ctx = open_hsm();
  encrypt(&library, ctx, RSA, "RSA-OAEP", token, &size);
  Own own = begin(CKR_USER_ALREADY_LOGGED_IN);

  CHECK_CKR(p11->C_Logout(own.session), CKR_OK);
  use_after_loss(ctx, token, size);
  CHECK(state_of(&own) == CKS_RW_USER_FUNCTIONS);  // the library has logged in again

  CHECK_CKR(p11->C_CloseAllSessions(slot), CKR_OK);
  use_after_loss(ctx, token, size);

  CHECK_CKR(p11->C_Finalize(NULL), CKR_OK);
  use_after_loss(ctx, token, size);
  CHECK_CKR(initialize(), CKR_CRYPTOKI_ALREADY_INITIALIZED);  // now it is the library's
  library.close(ctx);
  CHECK_CKR(initialize(), CKR_OK);

  jwekms_ctx* const last = open_hsm();
  CHECK_CKR(p11->C_Finalize(NULL), CKR_OK);
  library.close(last);  // of a module that is gone
  CHECK_CKR(initialize(), CKR_OK);
  CHECK_CKR(p11->C_Finalize(NULL), CKR_OK);
}

int main(int argc, char** argv) {
  CHECK(argc == 2);
  void* const module = dlopen(token_text("MODULE"), RTLD_NOW | RTLD_LOCAL);
  CHECK(module != NULL);
  CK_C_GetFunctionList get_list;
  *(void**)&get_list = dlsym(module, "C_GetFunctionList");
  CHECK(get_list != NULL && get_list(&p11) == CKR_OK);

  library = load(argv[1], RTLD_LOCAL);
  jwekms_ctx* const ctx = open_hsm();
  create_key(&library, ctx, RSA, 0);
  library.close(ctx);
  the_host_first();
  the_host_without_a_login();
  the_host_second();
  the_host_takes_it_away();
  unload(&library);
  CHECK_CKR(p11->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// A program in C that finds the library at run time, as plugins do: nothing of it is linked.
#pragma once

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jwekms.h"

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

#define CHECK_OK(call, error)                                                       \
  do {                                                                              \
    if ((call) != JWEKMS_OK) {                                                      \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, (error)->text); \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

#define HOST_FUNCTIONS(X) \
  X(version_string) X(abi_version) X(open) X(close) X(create_key) X(encrypt) X(decrypt)

/// A library that was loaded, and what a host calls of it.
typedef struct Library {
  void* handle;
#define X(name) __typeof__(&jwekms_##name) name;
  HOST_FUNCTIONS(X)
#undef X
} Library;

static inline Library load(const char* path, int flags) {
  Library library;
  library.handle = dlopen(path, RTLD_NOW | flags);
  if (library.handle == NULL) fprintf(stderr, "%s\n", dlerror());
  CHECK(library.handle != NULL);
#define X(name)                                                    \
  *(void**)&library.name = dlsym(library.handle, "jwekms_" #name); \
  CHECK(library.name != NULL);
  HOST_FUNCTIONS(X)
#undef X
  CHECK(library.abi_version() == JWEKMS_ABI_VERSION);
  return library;
}

static inline void unload(Library* library) { CHECK(dlclose(library->handle) == 0); }

static const uint8_t host_kek[32] = {1, 2, 3};

/// Options for a database whose key-encryption key the host brings. `path` must outlive them.
static inline jwekms_open_options database(const char* path) {
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  options.database_path = path;
  options.database_path_len = strlen(path);
  options.kek = host_kek;
  options.kek_len = sizeof host_kek;
  options.busy_timeout_ms = 20000;
  return options;
}

static inline jwekms_ctx* open_ctx(const Library* library, const jwekms_open_options* options) {
  jwekms_error error = JWEKMS_ERROR_INIT;
  jwekms_ctx* ctx = NULL;
  CHECK_OK(library->open(options, &ctx, &error), &error);
  return ctx;
}

/// @param type  0: an RSA key.
static inline void create_key(const Library* library, jwekms_ctx* ctx, const char* uid,
                              int32_t type) {
  jwekms_error error = JWEKMS_ERROR_INIT;
  jwekms_create_key_options options = JWEKMS_CREATE_KEY_OPTIONS_INIT;
  options.uid = uid;
  options.uid_len = strlen(uid);
  options.type = type;
  CHECK_OK(library->create_key(ctx, &options, NULL, &error), &error);
}

enum { token_size = 16384 };  // ample

/// @param alg   NULL: the default.
/// @param size  receives the length of the token.
static inline void encrypt(const Library* library, const jwekms_ctx* ctx, const char* uid,
                           const char* alg, char* token, size_t* size) {
  jwekms_error error = JWEKMS_ERROR_INIT;
  jwekms_encrypt_options options = JWEKMS_ENCRYPT_OPTIONS_INIT;
  options.key = uid;
  options.key_len = strlen(uid);
  options.alg = alg;
  options.alg_len = alg == NULL ? 0 : strlen(alg);
  *size = token_size;
  CHECK_OK(library->encrypt(ctx, (const uint8_t*)"payload", 7, &options, token, size, &error),
           &error);
}

static inline void decrypt(const Library* library, const jwekms_ctx* ctx, const char* token,
                           size_t size) {
  jwekms_error error = JWEKMS_ERROR_INIT;
  uint8_t out[4096];
  size_t out_len = sizeof out;
  CHECK_OK(library->decrypt(ctx, token, size, NULL, out, &out_len, &error), &error);
  CHECK(out_len == 7 && memcmp(out, "payload", 7) == 0);
}

/// A message there and back, and a forged one that fails.
static inline void use(const Library* library, const jwekms_ctx* ctx, const char* uid,
                       const char* alg) {
  char token[token_size];
  size_t size;
  encrypt(library, ctx, uid, alg, token, &size);
  decrypt(library, ctx, token, size);

  jwekms_error error = JWEKMS_ERROR_INIT;
  uint8_t out[4096];
  size_t out_len = sizeof out;
  token[size - 4] = token[size - 4] == 'A' ? 'B' : 'A';
  CHECK(library->decrypt(ctx, token, size, NULL, out, &out_len, &error) ==
        JWEKMS_DECRYPTION_FAILED);
}

/// The HSM that tests/pkcs11/run.sh has made ready, as options of a host.
typedef struct Token {
  jwekms_hsm_slot slot;
  jwekms_hsm_options hsm;
  const jwekms_hsm_slot* slots[1];
  const jwekms_hsm_options* hsms[1];
} Token;

static inline const char* token_text(const char* name) {
  char variable[64];
  snprintf(variable, sizeof variable, "JWEKMS_TEST_SOFTHSM2_%s", name);
  const char* text = getenv(variable);
  CHECK(text != NULL);
  return text;
}

/// Adds it to the options. `token` must outlive them.
static inline void add_token(jwekms_open_options* options, Token* token) {
  token->slot = (jwekms_hsm_slot)JWEKMS_HSM_SLOT_INIT;
  token->slot.token_label = token_text("LABEL");
  token->slot.token_label_len = strlen(token->slot.token_label);
  token->slot.pin = token_text("PIN");
  token->slot.pin_len = strlen(token->slot.pin);
  token->slots[0] = &token->slot;
  token->hsm = (jwekms_hsm_options)JWEKMS_HSM_OPTIONS_INIT;
  token->hsm.model = "softhsm2";
  token->hsm.model_len = 8;
  token->hsm.module_path = token_text("MODULE");
  token->hsm.module_path_len = strlen(token->hsm.module_path);
  token->hsm.slots = token->slots;
  token->hsm.slot_count = 1;
  token->hsms[0] = &token->hsm;
  options->hsms = token->hsms;
  options->hsm_count = 1;
}

/// A path in a folder of this process's that rm_folder() removes. Sixteen are valid at once.
static char host_folder[64];
static inline const char* in_folder(const char* name) {
  static char paths[16][128];
  static int used;
  if (host_folder[0] == '\0') {
    // In memory where that can be: databases sync at every change.
    const char* const place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(host_folder, sizeof host_folder, "%s/jwekms-host-XXXXXX", place);
    CHECK(mkdtemp(host_folder) != NULL);
  }
  char* path = paths[used++ % 16];
  snprintf(path, sizeof paths[0], "%s/%s", host_folder, name);
  return path;
}
static inline void rm_folder(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", host_folder);
  if (host_folder[0] != '\0') CHECK(system(command) == 0);
  host_folder[0] = '\0';
}

// SPDX-License-Identifier: Apache-2.0
// A host with OpenSSL affairs of its own: providers, a property query, errors, random numbers, a
// configuration that breaks what it configures, an end of its own. The library works whatever they
// are, and they are the same afterwards.
// usage: openssl LIBRARY
#define OPENSSL_SUPPRESS_DEPRECATED  // RAND_METHOD
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "host.h"

static const char* path;

/// All that a host does with the library, with failures of each sort among it.
static void use_everything(void) {
  Library library = load(path, RTLD_GLOBAL);
  jwekms_open_options options = database(in_folder("keys.db"));
  jwekms_ctx* ctx = open_ctx(&library, &options);
  create_key(&library, ctx, "rsa", 0);
  create_key(&library, ctx, "oct", JWEKMS_KEY_TYPE_OCT);
  use(&library, ctx, "rsa", "RSA-OAEP");
  use(&library, ctx, "rsa", "RSA-OAEP-256");
  use(&library, ctx, "oct", "dir");
  library.close(ctx);

  options.openssl_properties = "provider=nobody";
  options.openssl_properties_len = 15;
  CHECK(library.open(&options, &ctx, NULL) == JWEKMS_UNAVAILABLE);
  options.openssl_config = "/nonexistent";
  options.openssl_config_len = 12;
  CHECK(library.open(&options, &ctx, NULL) == JWEKMS_UNAVAILABLE);
  unload(&library);
  rm_folder();
}

static void* use_in_thread(void* unused) {
  use_everything();
  return unused;
}

/// In a thread, since a thread's end calls into OpenSSL, and then here.
static void use_library(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, use_in_thread, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  use_everything();
}

static bool has(const char* digest) {
  EVP_MD* const md = EVP_MD_fetch(NULL, digest, NULL);
  EVP_MD_free(md);
  ERR_clear_error();
  return md != NULL;
}

static bool available(const char* provider) { return OSSL_PROVIDER_available(NULL, provider) == 1; }

static void providers_of_its_own(void) {
  OSSL_PROVIDER* const legacy = OSSL_PROVIDER_load(NULL, "legacy");
  OSSL_PROVIDER* const usual = OSSL_PROVIDER_load(NULL, "default");
  CHECK(legacy != NULL && usual != NULL);
  CHECK(has("MD4") && has("SHA2-256"));
  use_library();
  CHECK(available("legacy") && available("default") && !available("base"));
  CHECK(has("MD4") && has("SHA2-256"));
  CHECK(OSSL_PROVIDER_unload(legacy) == 1 && OSSL_PROVIDER_unload(usual) == 1);
}

static void the_null_provider_alone(void) {
  OSSL_PROVIDER* const null_provider = OSSL_PROVIDER_load(NULL, "null");
  CHECK(null_provider != NULL && !has("SHA2-256"));
  use_library();
  CHECK(available("null") && !available("default"));
  CHECK(!has("SHA2-256"));
  CHECK(OSSL_PROVIDER_unload(null_provider) == 1);
}

static void fips_by_default(void) {
  CHECK(EVP_set_default_properties(NULL, "fips=yes") == 1);
  CHECK(EVP_default_properties_is_fips_enabled(NULL) == 1 && !has("SHA2-256"));
  use_library();
  CHECK(EVP_default_properties_is_fips_enabled(NULL) == 1 && !has("SHA2-256"));
}

static void another_default_context(void) {
  OSSL_LIB_CTX* const own = OSSL_LIB_CTX_new();
  OSSL_PROVIDER* const null_provider = own == NULL ? NULL : OSSL_PROVIDER_load(own, "null");
  CHECK(null_provider != NULL);
  OSSL_LIB_CTX* const before = OSSL_LIB_CTX_set0_default(own);
  use_everything();
  CHECK(OSSL_LIB_CTX_set0_default(before) == own);
  CHECK(OSSL_PROVIDER_unload(null_provider) == 1);
  OSSL_LIB_CTX_free(own);
}

static void errors_in_the_queue(void) {
  use_library();
  CHECK(ERR_peek_error() == 0);
  ERR_raise(ERR_LIB_USER, 1);
  ERR_set_mark();
  ERR_raise(ERR_LIB_USER, 2);
  use_everything();
  CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 2);
  CHECK(ERR_pop_to_mark() == 1);
  CHECK(ERR_GET_REASON(ERR_get_error()) == 1 && ERR_get_error() == 0);
}

static int drawn;
static int count_bytes(unsigned char* out, int size) {
  memset(out, 7, (size_t)size);
  ++drawn;
  return 1;
}
static int ready(void) { return 1; }

/// A RAND_METHOD takes the place of every generator of the process. What is drawn here, CEKs, IVs
/// and keys of AES, still comes from a generator of the library's own; what OpenSSL draws by itself
/// within RSA (the padding of OAEP, the primes of a new key) comes from the host's.
static void random_numbers_of_its_own(void) {
  Library library = load(path, RTLD_LOCAL);
  const jwekms_open_options options = database(in_folder("keys.db"));
  jwekms_ctx* const ctx = open_ctx(&library, &options);
  create_key(&library, ctx, "rsa", 0);

  static const RAND_METHOD method = {NULL, count_bytes, NULL, NULL, count_bytes, ready};
  CHECK(RAND_set_rand_method(&method) == 1);
  create_key(&library, ctx, "oct", JWEKMS_KEY_TYPE_OCT);
  use(&library, ctx, "oct", "dir");
  CHECK(drawn == 0);
  use(&library, ctx, "rsa", "RSA-OAEP");
  library.close(ctx);
  unload(&library);
  CHECK(RAND_get_rand_method() == &method);
}

static void generators_of_its_own(void) {
  CHECK(RAND_set_DRBG_type(NULL, "HASH-DRBG", NULL, NULL, "SHA2-256") == 1);
  EVP_RAND_CTX* const primary = RAND_get0_primary(NULL);
  EVP_RAND_CTX* const private_one = RAND_get0_private(NULL);
  CHECK(primary != NULL && private_one != NULL);
  use_library();
  CHECK(RAND_get0_primary(NULL) == primary && RAND_get0_private(NULL) == private_one);
}

static void configure(const char* text) {
  const char* const file = in_folder("openssl.cnf");
  FILE* const out = fopen(file, "w");
  CHECK(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
  CHECK(setenv("OPENSSL_CONF", file, 1) == 0);
}

static void a_configuration_without_default_provider(void) {
  configure("openssl_conf = all\n[all]\nproviders = p\n[p]\nnull = n\n[n]\nactivate = 1\n");
  CHECK(!has("SHA2-256"));
  use_everything();
  CHECK(!has("SHA2-256") && available("null"));
}

static void a_configuration_of_fips(void) {
  configure("openssl_conf = all\n[all]\nalg_section = a\n[a]\ndefault_properties = fips=yes\n");
  use_everything();  // first of all: nothing here reads the file
  CHECK(!has("SHA2-256") && EVP_default_properties_is_fips_enabled(NULL) == 1);
}

/// The library reads no configuration, neither where the host has not yet, nor where it never will.
static void no_configuration(void) {
  configure("openssl_conf = all\n[all]\nproviders = p\n[p]\nnull = n\n[n]\nactivate = 1\n");
  CHECK(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1);
  use_library();
  CHECK(has("SHA2-256") && !available("null"));
}

static int handled;
static void count_end(void) { ++handled; }
static void check_end(void) {
  if (handled != 1) _exit(9);
}

static void an_end_of_its_own(void) {
  CHECK(OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) == 1);
  CHECK(OPENSSL_atexit(count_end) == 1);
  use_library();
  CHECK(handled == 0);
  OPENSSL_cleanup();
  CHECK(handled == 1);
}

static void an_end_at_exit(void) {
  CHECK(atexit(check_end) == 0);  // runs last
  CHECK(OPENSSL_init_crypto(0, NULL) == 1 && OPENSSL_atexit(count_end) == 1);
  use_library();
}

static size_t taken;
static void* take(size_t size, const char* file, int line) {
  (void)file, (void)line;
  __atomic_add_fetch(&taken, 1, __ATOMIC_RELAXED);
  return malloc(size);
}
static void* take_again(void* memory, size_t size, const char* file, int line) {
  (void)file, (void)line;
  return realloc(memory, size);
}
static void give(void* memory, const char* file, int line) {
  (void)file, (void)line;
  free(memory);
}

static void memory_of_its_own(void) {
  CHECK(CRYPTO_set_mem_functions(take, take_again, give) == 1);
  use_library();
  CHECK(taken > 0);
}

static void (*const cases[])(void) = {
    providers_of_its_own,    the_null_provider_alone,
    fips_by_default,         another_default_context,
    errors_in_the_queue,     random_numbers_of_its_own,
    generators_of_its_own,   a_configuration_without_default_provider,
    a_configuration_of_fips, no_configuration,
    an_end_of_its_own,       an_end_at_exit,
    memory_of_its_own,
};

/// Each in a process of its own, in which OpenSSL has not begun.
int main(int argc, char** argv) {
  CHECK(argc == 2);
  path = argv[1];
  int failed = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      cases[i]();
      rm_folder();
      exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) fprintf(stderr, "case %zu: status %x\n", i, (unsigned)status), ++failed;
  }
  return failed;
}

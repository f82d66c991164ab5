// SPDX-License-Identifier: Apache-2.0
// The library loaded and unloaded, again and again: from one thread, from threads that end, from
// many at once, and around threads that were there before or are there afterwards. Nothing may
// grow. usage: dlopen LIBRARY [hsm]
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "host.h"

#if defined(__SANITIZE_ADDRESS__)
enum { sanitized = true };  // what is freed stays for a while
#else
enum { sanitized = false };
#endif

static const char* path;
static const char* keys;
static bool with_hsm;

typedef struct Use {
  long resident_kib, mappings, library_mappings, files, threads;
} Use;

static Use measure(void) {
  Use use = {0, 0, 0, 0, 0};
  char line[512];
  FILE* file = fopen("/proc/self/status", "r");
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file) != NULL) {
    (void)sscanf(line, "VmRSS: %ld", &use.resident_kib);
    (void)sscanf(line, "Threads: %ld", &use.threads);
  }
  fclose(file);
  CHECK((file = fopen("/proc/self/maps", "r")) != NULL);
  while (fgets(line, sizeof line, file) != NULL) {
    ++use.mappings;
    if (strstr(line, "/libjwekms.so") != NULL) ++use.library_mappings;
  }
  fclose(file);
  DIR* folder = opendir("/proc/self/fd");
  CHECK(folder != NULL);
  while (readdir(folder) != NULL) ++use.files;
  closedir(folder);
  return use;
}

static jwekms_ctx* opened(const Library* library) {
  jwekms_open_options options = database(keys);
  Token token;
  if (with_hsm) add_token(&options, &token);
  return open_ctx(library, &options);
}

static void use_all(const Library* library, const jwekms_ctx* ctx) {
  use(library, ctx, "oct", "dir");
  if (with_hsm) use(library, ctx, "hsm::softhsm2::0::rsa", "RSA-OAEP");
}

static void once(void) {
  Library library = load(path, RTLD_LOCAL);
  jwekms_ctx* const ctx = opened(&library);
  use_all(&library, ctx);
  library.close(ctx);
  unload(&library);
}

static void* times(void* count) {
  for (int i = 0; i < *(const int*)count; ++i) once();
  return NULL;
}

/// Rounds in so many threads at once, which end; in none: here.
static void rounds(int threads, int count) {
  if (threads == 0) times(&count);
  pthread_t all[8];
  for (int i = 0; i < threads; ++i) CHECK(pthread_create(&all[i], NULL, times, &count) == 0);
  for (int i = 0; i < threads; ++i) CHECK(pthread_join(all[i], NULL) == 0);
}

static Library shared;
static void* use_shared(void* unused) {
  jwekms_ctx* const ctx = opened(&shared);
  use_all(&shared, ctx);
  shared.close(ctx);
  return unused;
}

/// Unloaded when every thread that used it has ended.
static void by_another_thread(void) {
  pthread_t thread;
  shared = load(path, RTLD_LOCAL);
  CHECK(pthread_create(&thread, NULL, use_shared, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  unload(&shared);
}

/// Threads that were there before the library, and end after it: their OpenSSL state and their
/// thread-local objects outlive every handle.
typedef struct Outliving {
  pthread_t thread;
  pthread_barrier_t* step;
  const Library* library;
  jwekms_ctx* const* ctx;
} Outliving;

static void* outlive(void* data) {
  const Outliving* self = data;
  pthread_barrier_wait(self->step);  // loaded and opened
  use_all(self->library, *self->ctx);
  pthread_barrier_wait(self->step);  // used
  pthread_barrier_wait(self->step);  // closed and unloaded
  return NULL;
}

static void around_threads(void) {
  enum { threads = 4 };
  Outliving all[threads];
  pthread_barrier_t step;
  Library library;
  jwekms_ctx* ctx = NULL;
  CHECK(pthread_barrier_init(&step, NULL, threads + 1) == 0);
  for (int i = 0; i < threads; ++i) {
    all[i] = (Outliving){.step = &step, .library = &library, .ctx = &ctx};
    CHECK(pthread_create(&all[i].thread, NULL, outlive, &all[i]) == 0);
  }
  library = load(path, RTLD_LOCAL);
  ctx = opened(&library);
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  library.close(ctx);
  unload(&library);
  pthread_barrier_wait(&step);
  for (int i = 0; i < threads; ++i) CHECK(pthread_join(all[i].thread, NULL) == 0);
  pthread_barrier_destroy(&step);
}

static void everything(int scale) {
  rounds(0, 10 * scale);
  for (int i = 0; i < 5 * scale; ++i) rounds(1, 1);
  for (int i = 0; i < 5 * scale; ++i) by_another_thread();
  rounds(8, 2 * scale);
  for (int i = 0; i < scale; ++i) around_threads();
}

/// The host's libcrypto knows the errors of every library that announced its own, libp11 among
/// them: their texts must still be there.
static void read_error_texts(void) {
  void* const libcrypto = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_NOLOAD);
  CHECK(libcrypto != NULL);
  const char* (*text_of)(unsigned long);
  *(void**)&text_of = dlsym(libcrypto, "ERR_lib_error_string");
  CHECK(text_of != NULL);
  size_t length = 0;
  for (unsigned long library = 1; library < 256; ++library) {
    const char* const text = text_of(library << 23);
    length += text == NULL ? 0 : strlen(text);
  }
  CHECK(length > 0);
  CHECK(dlclose(libcrypto) == 0);
}

static void print(const char* when, const Use* use) {
  printf("%s: %ld KiB, %ld mappings (%ld the library's), %ld files, %ld threads\n", when,
         use->resident_kib, use->mappings, use->library_mappings, use->files, use->threads);
}

static void* make_keys(void* unused) {
  Library library = load(path, RTLD_LOCAL);
  jwekms_ctx* const ctx = opened(&library);
  create_key(&library, ctx, "oct", JWEKMS_KEY_TYPE_OCT);
  if (with_hsm) create_key(&library, ctx, "hsm::softhsm2::0::rsa", 0);
  library.close(ctx);
  unload(&library);
  return unused;
}

int main(int argc, char** argv) {
  CHECK(argc == 2 || (argc == 3 && strcmp(argv[2], "hsm") == 0));
  path = argv[1];
  with_hsm = argc > 2;
  keys = in_folder("keys.db");
  const Use before = measure();
  print("before", &before);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, make_keys, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  // By design it stays, even now that nobody has a handle and no thread has used it: once.
  const Use first = measure();
  CHECK(before.library_mappings == 0 && first.library_mappings > 0);
  const int scale = with_hsm ? 2 : 5;
  everything(scale);
  const Use warm = measure();
  print("warm", &warm);
  everything(3 * scale);
  Use after = measure();
  // A thread that was joined is still counted for a moment.
  for (int i = 0; i < 500 && after.threads != before.threads; ++i) {
    usleep(10000);
    after = measure();
  }
  print("after", &after);
  read_error_texts();

  CHECK(after.library_mappings == first.library_mappings);
  CHECK(after.files == before.files);
  CHECK(after.threads == before.threads);
  CHECK(sanitized || after.mappings <= warm.mappings + 8);
  CHECK(sanitized || after.resident_kib < warm.resident_kib + 2048);
  rm_folder();
  return 0;
}

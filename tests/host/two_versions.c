// SPDX-License-Identifier: Apache-2.0
// Two releases of the library in one process, as two plugins may bring them: each has databases of
// its own and one that both have open, in turns and in threads at once; they share an HSM, too.
// usage: two_versions local|global LIBRARY OTHER_LIBRARY [hsm]
#include <pthread.h>
#include <stdbool.h>

#include "host.h"

typedef struct Side {
  Library library;
  jwekms_ctx *own, *common;
  const char* uid;  ///< Of a key of its own in the database that both have.
  const char* hsm_uid;
} Side;

static const char* common_path;
static bool with_hsm;

static void open_side(Side* side, const char* own_path) {
  jwekms_open_options options = database(own_path);
  side->own = open_ctx(&side->library, &options);
  create_key(&side->library, side->own, "rsa", 0);
  options = database(common_path);
  Token token;
  if (with_hsm) add_token(&options, &token);
  side->common = open_ctx(&side->library, &options);
  create_key(&side->library, side->common, side->uid, JWEKMS_KEY_TYPE_OCT);
  if (with_hsm) create_key(&side->library, side->common, side->hsm_uid, 0);
}

static void close_side(Side* side) {
  side->library.close(side->own);
  side->library.close(side->common);
}

static void use_side(const Side* side) {
  use(&side->library, side->own, "rsa", NULL);
  use(&side->library, side->common, side->uid, "dir");
  if (with_hsm) use(&side->library, side->common, side->hsm_uid, "RSA-OAEP");
}

/// What one encrypts, in the database that they share, the other decrypts.
static void cross(const Side* from, const Side* to) {
  char token[token_size];
  size_t size;
  encrypt(&from->library, from->common, from->uid, "dir", token, &size);
  decrypt(&to->library, to->common, token, size);
  if (!with_hsm) return;
  encrypt(&from->library, from->common, from->hsm_uid, "RSA-OAEP", token, &size);
  decrypt(&to->library, to->common, token, size);
}

static Side sides[2];

static void* in_thread(void* data) {
  const int me = *(const int*)data;
  for (int i = 0; i < 15; ++i) {
    use_side(&sides[me]);
    cross(&sides[me], &sides[1 - me]);
  }
  return NULL;
}

int main(int argc, char** argv) {
  CHECK(argc >= 4);
  with_hsm = argc == 5;
  common_path = in_folder("common.db");
  const int flags = strcmp(argv[1], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL;
  for (int i = 0; i < 2; ++i) sides[i].library = load(argv[2 + i], flags);
  CHECK(strcmp(sides[0].library.version_string(), sides[1].library.version_string()) != 0);
  CHECK((void*)sides[0].library.open != (void*)sides[1].library.open);

  sides[0].uid = "first", sides[0].hsm_uid = "hsm::softhsm2::0::first";
  sides[1].uid = "second", sides[1].hsm_uid = "hsm::softhsm2::0::second";
  open_side(&sides[0], in_folder("first.db"));
  open_side(&sides[1], in_folder("second.db"));
  for (int i = 0; i < 5; ++i) {
    use_side(&sides[i % 2]);
    cross(&sides[i % 2], &sides[1 - i % 2]);
  }
  pthread_t threads[4];
  const int which[4] = {0, 1, 0, 1};
  for (int i = 0; i < 4; ++i)
    CHECK(pthread_create(&threads[i], NULL, in_thread, (void*)&which[i]) == 0);
  for (int i = 0; i < 4; ++i) CHECK(pthread_join(threads[i], NULL) == 0);

  // One goes, with the module that it was the first to initialise; the other goes on.
  close_side(&sides[0]);
  unload(&sides[0].library);
  for (int i = 0; i < 5; ++i) use_side(&sides[1]);
  close_side(&sides[1]);
  unload(&sides[1].library);
  rm_folder();
  return 0;
}

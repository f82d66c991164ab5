// SPDX-License-Identifier: Apache-2.0
// Makes a key, encrypts a message to it and decrypts the token again.
// usage: decrypt DATABASE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jwekms.h"

// Ends the program when a call has failed. Real programs look at the status.
static void check(jwekms_status status, const char* what, const jwekms_error* error) {
  if (status == JWEKMS_OK) return;
  fprintf(stderr, "%s: %s (%s)\n", what, jwekms_status_name(status), error->text);
  exit(1);
}

static void* allocate(size_t size) {
  void* memory = malloc(size);
  if (memory == NULL) exit(1);
  return memory;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s DATABASE\n", argv[0]);
    return 2;
  }
  jwekms_error error = JWEKMS_ERROR_INIT;

  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  options.database_path = argv[1];
  options.database_path_len = strlen(argv[1]);
  jwekms_ctx* kms = NULL;
  check(jwekms_open(&options, &kms, &error), "open", &error);

  // An RSA key with a random UID. Its private half never leaves the library.
  jwekms_key_info* key = NULL;
  check(jwekms_create_key(kms, NULL, &key, &error), "create_key", &error);

  // Every call with output tells its size first when there is nowhere to put it.
  const char* message = "Live long and prosper.";
  const uint8_t* plaintext = (const uint8_t*)message;
  jwekms_encrypt_options to = JWEKMS_ENCRYPT_OPTIONS_INIT;
  to.key = jwekms_key_info_uid(key, &to.key_len);
  size_t token_len = 0;
  check(jwekms_encrypt(kms, plaintext, strlen(message), &to, NULL, &token_len, &error), "encrypt",
        &error);
  char* token = allocate(token_len);
  check(jwekms_encrypt(kms, plaintext, strlen(message), &to, token, &token_len, &error), "encrypt",
        &error);
  printf("token: %.*s\n", (int)token_len, token);

  // The token names its key.
  size_t bound = 0;
  check(jwekms_decrypt(kms, token, token_len, NULL, NULL, &bound, &error), "decrypt", &error);
  uint8_t* decrypted = allocate(bound);
  size_t size = bound;
  check(jwekms_decrypt(kms, token, token_len, NULL, decrypted, &size, &error), "decrypt", &error);
  printf("plaintext: %.*s\n", (int)size, (const char*)decrypted);

  // A token that was tampered with yields an error and nothing else.
  token[token_len - 2] = token[token_len - 2] == 'A' ? 'B' : 'A';
  size = bound;
  const jwekms_status tampered =
      jwekms_decrypt(kms, token, token_len, NULL, decrypted, &size, &error);
  printf("tampered: %s\n", jwekms_status_name(tampered));

  free(decrypted);
  free(token);
  jwekms_key_info_free(key);
  jwekms_close(kms);
  return 0;
}

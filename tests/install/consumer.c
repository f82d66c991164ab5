/* SPDX-License-Identifier: Apache-2.0
 * A round trip with the installed library. usage: consumer DATABASE */
#include <jwekms.h>
#include <jwekms_provider.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
  jwekms_error error = JWEKMS_ERROR_INIT;
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  jwekms_create_key_options create = JWEKMS_CREATE_KEY_OPTIONS_INIT;
  jwekms_encrypt_options to = JWEKMS_ENCRYPT_OPTIONS_INIT;
  jwekms_ctx* ctx = NULL;
  char token[4096 * 4];
  uint8_t out[64];
  size_t token_len = sizeof token, out_len = sizeof out;
  int ok;

  if (argc != 2) return 2;
  options.database_path = argv[1];
  options.database_path_len = strlen(argv[1]);
  create.uid = "c";
  create.uid_len = 1;
  to.key = "c";
  to.key_len = 1;
  ok = jwekms_open(&options, &ctx, &error) == JWEKMS_OK &&
       jwekms_create_key(ctx, &create, NULL, &error) == JWEKMS_OK &&
       jwekms_encrypt(ctx, (const uint8_t*)"hello", 5, &to, token, &token_len, &error) ==
           JWEKMS_OK &&
       jwekms_decrypt(ctx, token, token_len, NULL, out, &out_len, &error) == JWEKMS_OK &&
       out_len == 5 && memcmp(out, "hello", 5) == 0;
  puts(ok ? "C consumer: ok" : error.text);
  jwekms_close(ctx);
  return ok ? 0 : 1;
}

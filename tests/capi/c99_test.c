// SPDX-License-Identifier: Apache-2.0
// jwekms.h as C99 has it: the layouts in the compiler's own words, and the calls that need no
// database, through the shared library.
#include <stdio.h>
#include <string.h>

#include "jwekms.h"

static int failures = 0;

static void expect(int is_true, const char* what) {
  if (is_true) return;
  fprintf(stderr, "failed: %s\n", what);
  ++failures;
}
#define EXPECT(condition) expect((condition), #condition)

// A struct begins with its size, and no padding ends it, where a later member would not show.
#define EXPECT_SOUND(type, last)             \
  (EXPECT(offsetof(type, struct_size) == 0), \
   EXPECT(offsetof(type, last) + sizeof(((type*)0)->last) == sizeof(type)))

static void layouts(void) {
  EXPECT(sizeof(jwekms_status) == 4);
  EXPECT_SOUND(jwekms_error, text);
  EXPECT_SOUND(jwekms_hsm_slot, reserved);
  EXPECT_SOUND(jwekms_hsm_options, admin_count);
  EXPECT_SOUND(jwekms_open_options, provider_count);
  EXPECT_SOUND(jwekms_audit_event, reserved);
  EXPECT_SOUND(jwekms_finding, reserved);
  EXPECT_SOUND(jwekms_decrypt_options, key_len);
  EXPECT_SOUND(jwekms_encrypt_options, aad_len);
  EXPECT_SOUND(jwekms_create_key_options, alias_count);
  EXPECT_SOUND(jwekms_import_key_options, alias_count);
  EXPECT_SOUND(jwekms_unwrap_key_options, alias_count);
  EXPECT_SOUND(jwekms_list_keys_options, prefix_len);
}

static void calls(void) {
  EXPECT(jwekms_abi_version() == JWEKMS_ABI_VERSION);
  EXPECT(strcmp(jwekms_status_name(JWEKMS_NOT_FOUND), "not_found") == 0);
  EXPECT(jwekms_status_http(JWEKMS_NOT_FOUND) == 404);

  jwekms_error error = JWEKMS_ERROR_INIT;
  EXPECT(jwekms_open(NULL, NULL, &error) == JWEKMS_BAD_REQUEST);
  EXPECT(error.code == JWEKMS_BAD_REQUEST && error.text[0] != '\0');

  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  const char* path = "/nonexistent/folder/keys.db";
  options.database_path = path;
  options.database_path_len = strlen(path);
  jwekms_ctx* ctx = NULL;
  EXPECT(jwekms_open(&options, &ctx, &error) == JWEKMS_UNAVAILABLE);
  EXPECT(ctx == NULL);

  jwekms_close(NULL);
  jwekms_key_info_free(NULL);
  jwekms_key_list_free(NULL);
  jwekms_grant_list_free(NULL);
}

int main(void) {
  layouts();
  calls();
  return failures != 0;
}

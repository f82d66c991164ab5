// SPDX-License-Identifier: Apache-2.0
// A key provider of the program's own: one RSA key, in a PEM file. Decrypts a token whose `kid` is
// "file::key". usage: key_file KEY.pem < TOKEN
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "jwekms_provider.h"

// The name comes with the token: it is compared, and never becomes part of a path.
static jwekms_status resolve(void* pkey, const char* kid, size_t kid_len,
                             jwekms_provided_key* key) {
  if (kid_len != 9 || memcmp(kid, "file::key", 9) != 0) return JWEKMS_NOT_FOUND;
  key->type = JWEKMS_KEY_TYPE_RSA;
  key->bits = (uint32_t)EVP_PKEY_get_bits(pkey);
  key->algs_len = strlen(strcpy(key->algs, "RSA-OAEP-256"));
  return JWEKMS_OK;
}

static jwekms_status unwrap(void* pkey, void* key, const jwekms_provided_cek* wrapped, uint8_t* cek,
                            size_t* cek_len) {
  EVP_PKEY_CTX* ctx = EVP_PKEY_CTX_new(pkey, NULL);
  jwekms_status status = JWEKMS_UNAVAILABLE;
  (void)key;
  *cek_len = 2048;
  if (ctx != NULL && EVP_PKEY_decrypt_init(ctx) == 1 &&
      EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
      EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1)
    status = EVP_PKEY_decrypt(ctx, cek, cek_len, wrapped->encrypted_key,
                              wrapped->encrypted_key_len) == 1
                 ? JWEKMS_OK
                 : JWEKMS_DECRYPTION_FAILED;  // whatever was wrong with it
  EVP_PKEY_CTX_free(ctx);
  return status;
}

static void destroy(void* pkey) { EVP_PKEY_free(pkey); }

int main(int argc, char** argv) {
  static char token[65536];
  static uint8_t payload[65536];
  size_t payload_len = sizeof payload;
  FILE* pem = argc == 2 ? fopen(argv[1], "r") : NULL;
  jwekms_error error = JWEKMS_ERROR_INIT;
  jwekms_ctx* kms = NULL;
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  jwekms_provider provider = JWEKMS_PROVIDER_INIT;
  const jwekms_provider* const providers[] = {&provider};

  if (pem == NULL || fgets(token, sizeof token, stdin) == NULL ||
      (provider.data = PEM_read_PrivateKey(pem, NULL, NULL, NULL)) == NULL)
    return fputs("usage: key_file KEY.pem < TOKEN\n", stderr), 2;
  fclose(pem);
  provider.prefix = "file::", provider.prefix_len = 6;
  provider.resolve = resolve, provider.unwrap = unwrap, provider.destroy = destroy;
  options.providers = providers, options.provider_count = 1;
  if (jwekms_open(&options, &kms, &error) == JWEKMS_OK &&
      jwekms_decrypt(kms, token, strcspn(token, "\n"), NULL, payload, &payload_len, &error) ==
          JWEKMS_OK)
    printf("%.*s\n", (int)payload_len, (const char*)payload);
  else
    fprintf(stderr, "%s (%s)\n", jwekms_status_name(error.code), error.text);
  jwekms_close(kms);
  return error.code;
}

// SPDX-License-Identifier: Apache-2.0
// A key provider of the program's own: one RSA key, in a PEM file that nobody else may read.
// Decrypts a token whose `kid` is "file::key". usage: key_file KEY.pem < TOKEN
#define _POSIX_C_SOURCE 200809L
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "jwekms_provider.h"

static EVP_PKEY* read_key(const char* path) {
  EVP_PKEY* key = NULL;
  struct stat file;
  FILE* in = fopen(path, "r");
  if (in == NULL) return NULL;
  if (fstat(fileno(in), &file) == 0 && (file.st_mode & (S_IRWXG | S_IRWXO)) == 0)
    key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
  fclose(in);
  return key;
}

// The name comes with the token: it is compared, and never becomes part of a path.
static jwekms_status resolve(void* data, const char* kid, size_t kid_len,
                             jwekms_provided_key* key) {
  if (kid_len != 9 || memcmp(kid, "file::key", 9) != 0) return JWEKMS_NOT_FOUND;
  key->key = data;
  key->type = JWEKMS_KEY_TYPE_RSA;
  key->bits = (uint32_t)EVP_PKEY_get_bits(data);
  key->algs_len = strlen(strcpy(key->algs, "RSA-OAEP-256"));
  return JWEKMS_OK;
}

static jwekms_status unwrap(void* data, void* key, const jwekms_provided_cek* wrapped, uint8_t* cek,
                            size_t* cek_len) {
  jwekms_status status = JWEKMS_UNAVAILABLE;
  EVP_PKEY_CTX* ctx = EVP_PKEY_CTX_new(key, NULL);
  (void)data;
  *cek_len = 2048;
  if (ctx != NULL && EVP_PKEY_decrypt_init(ctx) == 1 &&
      EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
      EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
      EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1)
    status = EVP_PKEY_decrypt(ctx, cek, cek_len, wrapped->encrypted_key,
                              wrapped->encrypted_key_len) == 1
                 ? JWEKMS_OK
                 : JWEKMS_DECRYPTION_FAILED;  // whatever was wrong with it
  EVP_PKEY_CTX_free(ctx);
  return status;
}

static void destroy(void* data) { EVP_PKEY_free(data); }

int main(int argc, char** argv) {
  static char token[65536];
  static uint8_t payload[65536];
  size_t token_len, payload_len = sizeof payload;
  jwekms_error error = JWEKMS_ERROR_INIT;
  jwekms_ctx* kms = NULL;
  jwekms_provider provider = JWEKMS_PROVIDER_INIT;
  const jwekms_provider* const providers[] = {&provider};
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;

  provider.prefix = "file::", provider.prefix_len = 6;
  provider.resolve = resolve, provider.unwrap = unwrap, provider.destroy = destroy;
  provider.data = argc == 2 ? read_key(argv[1]) : NULL;
  if (provider.data == NULL) return fputs("no key, or others may read it\n", stderr), 2;
  options.providers = providers, options.provider_count = 1;
  if (jwekms_open(&options, &kms, &error) != JWEKMS_OK) return fputs(error.text, stderr), 1;

  token_len = fread(token, 1, sizeof token, stdin);
  while (token_len > 0 && token[token_len - 1] == '\n') --token_len;
  if (jwekms_decrypt(kms, token, token_len, NULL, payload, &payload_len, &error) == JWEKMS_OK)
    printf("%.*s\n", (int)payload_len, (const char*)payload);
  else
    fprintf(stderr, "%s (%s)\n", jwekms_status_name(error.code), error.text);
  jwekms_close(kms);
  return error.code;
}

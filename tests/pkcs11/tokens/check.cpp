// SPDX-License-Identifier: Apache-2.0
// Shows that a token set up by the scripts serves, and prints what it can do.
// usage: check NAME...   with JWEKMS_TEST_<NAME>_* in the environment, e.g. check SOFTHSM2 NSS
// Fails if a token cannot be used at all: no slot, no login, no RSA key, no RSA-OAEP with SHA-1.
#define CRYPTOKI_COMPAT
#include <dlfcn.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <p11-kit/pkcs11.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<CK_BYTE>;

std::string setting(const std::string& token, const char* name) {
  const char* value = std::getenv(("JWEKMS_TEST_" + token + "_" + name).c_str());
  if (!value) throw std::runtime_error(token + ": no " + name + " in the environment");
  return value;
}

void row(const char* what, CK_RV rv, const std::string& more = {}) {
  char code[32];
  std::snprintf(code, sizeof code, "0x%lx", rv);
  std::printf("  %-36s %s %s\n", what, rv == CKR_OK ? "ok" : code, more.c_str());
}

void must(const char* what, CK_RV rv, bool right = true) {
  row(what, rv, right ? "" : "WRONG");
  if (rv != CKR_OK || !right) throw std::runtime_error(what);
}

// What a sender does: it has the public key only.
Bytes seal(const Bytes& modulus, const Bytes& exponent, const EVP_MD* hash, const Bytes& text) {
  OSSL_PARAM_BLD* build = OSSL_PARAM_BLD_new();
  BIGNUM* n = BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr);
  BIGNUM* e = BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr);
  OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
  OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
  OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(build);
  EVP_PKEY_CTX* import = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(import);
  EVP_PKEY_fromdata(import, &key, EVP_PKEY_PUBLIC_KEY, params);
  EVP_PKEY_CTX* encrypt = EVP_PKEY_CTX_new(key, nullptr);
  EVP_PKEY_encrypt_init(encrypt);
  EVP_PKEY_CTX_set_rsa_padding(encrypt, RSA_PKCS1_OAEP_PADDING);
  EVP_PKEY_CTX_set_rsa_oaep_md(encrypt, hash);
  EVP_PKEY_CTX_set_rsa_mgf1_md(encrypt, hash);
  Bytes out(modulus.size());
  std::size_t size = out.size();
  const bool sealed = EVP_PKEY_encrypt(encrypt, out.data(), &size, text.data(), text.size()) == 1;
  EVP_PKEY_CTX_free(encrypt);
  EVP_PKEY_free(key);
  EVP_PKEY_CTX_free(import);
  OSSL_PARAM_free(params);
  BN_free(e);
  BN_free(n);
  OSSL_PARAM_BLD_free(build);
  if (!sealed) throw std::runtime_error("OpenSSL cannot encrypt");
  return out;
}

Bytes read(CK_FUNCTION_LIST* p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
           CK_ATTRIBUTE_TYPE type) {
  Bytes value(1024);
  CK_ATTRIBUTE attribute{type, value.data(), value.size()};
  if (p11->C_GetAttributeValue(session, object, &attribute, 1) != CKR_OK) return {};
  value.resize(attribute.ulValueLen);
  return value;
}

void check(const std::string& name) {
  std::printf("%s\n", name.c_str());
  const std::string path = setting(name, "MODULE");
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw std::runtime_error(dlerror());
  CK_FUNCTION_LIST* p11 = nullptr;
  must("C_GetFunctionList",
       reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"))(&p11));
  std::string init_args = setting(name, "INIT_ARGS");
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  args.pReserved = init_args.empty() ? nullptr : init_args.data();
  must("C_Initialize", p11->C_Initialize(&args));

  CK_SLOT_ID slots[16], slot = 0;
  CK_ULONG count = 16;
  must("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, slots, &count));
  std::string label = setting(name, "LABEL");
  label.resize(32, ' ');
  bool found = false;
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info;
    if (p11->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
    if (std::memcmp(info.label, label.data(), 32) != 0) continue;
    slot = slots[i];
    found = true;
  }
  must("the slot of this label", CKR_OK, found);

  CK_SESSION_HANDLE session = 0;
  must("C_OpenSession",
       p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session));
  std::string pin = setting(name, "PIN");
  must("C_Login",
       p11->C_Login(session, CKU_USER, reinterpret_cast<CK_BYTE*>(pin.data()), pin.size()));

  CK_ULONG bits = 2048;
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_BYTE f4[] = {1, 0, 1}, id[] = {'c', 'h', 'e', 'c', 'k'};
  CK_ATTRIBUTE open[] = {{CKA_TOKEN, &no, 1},          {CKA_ID, id, 5},
                         {CKA_ENCRYPT, &yes, 1},       {CKA_VERIFY, &yes, 1},
                         {CKA_MODULUS_BITS, &bits, 8}, {CKA_PUBLIC_EXPONENT, f4, 3}};
  CK_ATTRIBUTE closed[] = {{CKA_TOKEN, &no, 1},      {CKA_ID, id, 5},        {CKA_PRIVATE, &yes, 1},
                           {CKA_SENSITIVE, &yes, 1}, {CKA_DECRYPT, &yes, 1}, {CKA_SIGN, &yes, 1},
                           {CKA_UNWRAP, &yes, 1}};
  CK_MECHANISM generate{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_key = 0, private_key = 0;
  must("RSA 2048 key pair",
       p11->C_GenerateKeyPair(session, &generate, open, 6, closed, 7, &public_key, &private_key));
  const Bytes modulus = read(p11, session, public_key, CKA_MODULUS);
  const Bytes exponent = read(p11, session, public_key, CKA_PUBLIC_EXPONENT);
  must("the public key can be read", CKR_OK, modulus.size() == 256 && !exponent.empty());

  Bytes text(40, 7), signature(256);
  CK_ULONG size = signature.size();
  CK_MECHANISM sign{CKM_SHA256_RSA_PKCS, nullptr, 0};
  CK_RV rv = p11->C_SignInit(session, &sign, private_key);
  if (rv == CKR_OK) rv = p11->C_Sign(session, text.data(), text.size(), signature.data(), &size);
  row("sign, SHA-256 with RSA", rv);

  const Bytes cek(32, 0x42);
  CK_RSA_PKCS_OAEP_PARAMS sha1{CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, nullptr, 0};
  CK_RSA_PKCS_OAEP_PARAMS sha256{CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, nullptr, 0};
  const Bytes gcm_text(100, 9);
  for (auto* params : {&sha1, &sha256}) {
    const bool first = params == &sha1;
    CK_MECHANISM oaep{CKM_RSA_PKCS_OAEP, params, sizeof *params};
    Bytes sealed = seal(modulus, exponent, first ? EVP_sha1() : EVP_sha256(), cek);
    Bytes out(256);
    size = out.size();
    rv = p11->C_DecryptInit(session, &oaep, private_key);
    if (rv == CKR_OK) rv = p11->C_Decrypt(session, sealed.data(), sealed.size(), out.data(), &size);
    out.resize(rv == CKR_OK ? size : 0);
    if (first)
      must("RSA-OAEP, C_Decrypt", rv, out == cek);
    else
      row("RSA-OAEP-256, C_Decrypt", rv, rv == CKR_OK && out != cek ? "WRONG" : "");

    CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
    CK_KEY_TYPE aes = CKK_AES;
    CK_ATTRIBUTE kept[] = {{CKA_CLASS, &secret, sizeof secret},
                           {CKA_KEY_TYPE, &aes, sizeof aes},
                           {CKA_TOKEN, &no, 1},
                           {CKA_SENSITIVE, &yes, 1},
                           {CKA_EXTRACTABLE, &no, 1},
                           {CKA_ENCRYPT, &yes, 1},
                           {CKA_DECRYPT, &yes, 1}};
    CK_OBJECT_HANDLE key = 0;
    rv = p11->C_UnwrapKey(session, &oaep, private_key, sealed.data(), sealed.size(), kept, 7, &key);
    std::string got;
    if (rv == CKR_OK) {
      const Bytes sensitive = read(p11, session, key, CKA_SENSITIVE);
      const Bytes extractable = read(p11, session, key, CKA_EXTRACTABLE);
      got = std::string("sensitive=") + (sensitive == Bytes{1} ? "1" : "0") +
            " extractable=" + (extractable == Bytes{0} ? "0" : "1") + " CKA_VALUE " +
            (read(p11, session, key, CKA_VALUE).empty() ? "hidden" : "READABLE");
    }
    row(first ? "RSA-OAEP, C_UnwrapKey" : "RSA-OAEP-256, C_UnwrapKey", rv, got);
    if (rv != CKR_OK) continue;

    CK_BYTE iv[12] = {1}, aad[5] = {2};
    CK_GCM_PARAMS gcm{iv, 12, 96, aad, 5, 128};
    CK_MECHANISM use{CKM_AES_GCM, &gcm, sizeof gcm};
    Bytes box(gcm_text.size() + 16), plain(box.size());
    size = box.size();
    rv = p11->C_EncryptInit(session, &use, key);
    if (rv == CKR_OK)
      rv = p11->C_Encrypt(session, const_cast<CK_BYTE*>(gcm_text.data()), gcm_text.size(),
                          box.data(), &size);
    row("AES-GCM encrypt with that key", rv);
    if (rv == CKR_OK) {
      size = plain.size();
      rv = p11->C_DecryptInit(session, &use, key);
      if (rv == CKR_OK) rv = p11->C_Decrypt(session, box.data(), box.size(), plain.data(), &size);
      plain.resize(rv == CKR_OK ? size : 0);
      row("AES-GCM decrypt", rv, plain == gcm_text ? "" : "WRONG");
      box.back() ^= 1;
      plain.resize(box.size());
      size = plain.size();
      rv = p11->C_DecryptInit(session, &use, key);
      if (rv == CKR_OK) rv = p11->C_Decrypt(session, box.data(), box.size(), plain.data(), &size);
      row("AES-GCM decrypt, wrong tag", rv, rv == CKR_OK ? "WRONG" : "refused");
    }
    p11->C_DestroyObject(session, key);
  }
  must("C_CloseSession", p11->C_CloseSession(session));
  must("C_Finalize", p11->C_Finalize(nullptr));
}

}  // namespace

int main(int argc, char** argv) {
  int failed = 0;
  for (int i = 1; i < argc; ++i) try {
      check(argv[i]);
    } catch (const std::exception& error) {
      std::printf("  FAILED: %s\n", error.what());
      failed = 1;
    }
  return failed;
}

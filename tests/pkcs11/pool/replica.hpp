// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/core_names.h>
#include <openssl/x509.h>

#include <map>
#include <string>
#include <vector>

#include "../token.hpp"

// Keys that are the same in several tokens, as a replicated HSM has them.

namespace replica {

using namespace token;

/// One token, by its module and label, called past the provider. A Kms must have the module open.
class Token {
 public:
  Token(const std::string& module, const std::string& wanted) {
    void* handle = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw std::runtime_error(dlerror());
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
    if (get == nullptr || get(&f_) != CKR_OK) throw std::runtime_error("no function list");
    CK_SLOT_ID slots[32];
    CK_ULONG count = 32;
    Raw::check(f_->C_GetSlotList(CK_TRUE, slots, &count));
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_TOKEN_INFO info{};
      if (f_->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
      std::string label(reinterpret_cast<const char*>(info.label), sizeof(info.label));
      label.resize(label.find_last_not_of(' ') + 1);
      if (label == wanted) slot_ = slots[i];
    }
  }
  [[nodiscard]] CK_SLOT_ID slot() const { return slot_; }

  /// Puts an RSA private key into the token.
  void add(std::string label, const crypto::RsaKey& key) const {
    const Bytes der = support::pkcs8(key);
    const unsigned char* at = der.data();
    EVP_PKEY* pkey = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size()));
    std::vector<std::pair<CK_ATTRIBUTE_TYPE, Bytes>> numbers;
    const auto number = [&](CK_ATTRIBUTE_TYPE type, const char* name) {
      BIGNUM* n = nullptr;
      if (EVP_PKEY_get_bn_param(pkey, name, &n) != 1) throw std::runtime_error(name);
      Bytes bytes(static_cast<std::size_t>(BN_num_bytes(n)));
      BN_bn2bin(n, bytes.data());
      BN_clear_free(n);
      numbers.emplace_back(type, std::move(bytes));
    };
    number(CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N);
    number(CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E);
    number(CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D);
    number(CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1);
    number(CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2);
    number(CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1);
    number(CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2);
    number(CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
    EVP_PKEY_free(pkey);
    CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = CKK_RSA;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    std::vector<CK_ATTRIBUTE> attributes{{CKA_CLASS, &object_class, sizeof(object_class)},
                                         {CKA_KEY_TYPE, &type, sizeof(type)},
                                         {CKA_TOKEN, &yes, sizeof(yes)},
                                         {CKA_PRIVATE, &yes, sizeof(yes)},
                                         {CKA_SENSITIVE, &yes, sizeof(yes)},
                                         {CKA_EXTRACTABLE, &no, sizeof(no)},
                                         {CKA_DECRYPT, &yes, sizeof(yes)},
                                         {CKA_UNWRAP, &yes, sizeof(yes)},
                                         {CKA_SIGN, &no, sizeof(no)},
                                         {CKA_LABEL, label.data(), label.size()},
                                         {CKA_ID, label.data(), label.size()}};
    for (auto& [attribute, bytes] : numbers)
      attributes.push_back({attribute, bytes.data(), bytes.size()});
    in_session([&](CK_SESSION_HANDLE session) {
      CK_OBJECT_HANDLE object = 0;
      Raw::check(f_->C_CreateObject(session, attributes.data(), attributes.size(), &object));
    });
  }

  void remove(std::string label) const {
    in_session([&](CK_SESSION_HANDLE session) {
      CK_ATTRIBUTE wanted[] = {{CKA_LABEL, label.data(), label.size()}};
      Raw::check(f_->C_FindObjectsInit(session, wanted, 1));
      CK_OBJECT_HANDLE found[8];
      CK_ULONG count = 0;
      Raw::check(f_->C_FindObjects(session, found, 8, &count));
      Raw::check(f_->C_FindObjectsFinal(session));
      for (CK_ULONG i = 0; i < count; ++i) Raw::check(f_->C_DestroyObject(session, found[i]));
    });
  }

 private:
  template <class Work>
  void in_session(Work work) const {
    CK_SESSION_HANDLE session = 0;
    Raw::check(
        f_->C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session));
    const CK_RV in =
        f_->C_Login(session, CKU_USER, reinterpret_cast<unsigned char*>(pin_.data()), pin_.size());
    if (in != CKR_USER_ALREADY_LOGGED_IN) Raw::check(in);
    work(session);
    (void)f_->C_CloseSession(session);
  }
  CK_FUNCTION_LIST* f_ = nullptr;
  CK_SLOT_ID slot_ = CK_UNAVAILABLE_INFORMATION;
  mutable std::string pin_ = variable("PIN");
};

}  // namespace replica

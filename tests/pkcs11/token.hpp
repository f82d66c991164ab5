// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../core/support.hpp"
#include "crypto/aes_gcm.hpp"
#include "crypto/rsa_public_key.hpp"
#include "expected.hpp"
#include "jwekms/jwekms.hpp"
#include "jwekms/open.hpp"
#include "providers/pkcs11/cryptoki.hpp"

/// The token under test and what the tests of the provider share. JWEKMS_TEST_TOKEN names it; the
/// scripts in tokens/ make it and set JWEKMS_TEST_<TOKEN>_{MODULE,INIT_ARGS,LABEL,PIN}.
namespace token {

using namespace jwekms;
using support::Bytes;

inline std::string variable(const std::string& what) {
  return env("JWEKMS_TEST_" + name() + "_" + what);
}
inline std::string prefix() { return "hsm::" + expected().model + "::0::"; }

/// What Kms::list_keys takes.
inline std::string instance_prefix() { return "hsm::" + expected().model + "::"; }

inline HsmOptions options(CekBoundary boundary = CekBoundary::process) {
  HsmOptions hsm;
  hsm.model = expected().model;
  hsm.module_path = variable("MODULE");
  hsm.init_args = variable("INIT_ARGS");
  hsm.slots.push_back({.number = 0, .token_label = variable("LABEL"), .pin = variable("PIN")});
  hsm.cek_boundary = boundary;
  return hsm;
}

inline Result<Kms> try_open(const HsmOptions& hsm, const std::string& database = {}) {
  Options all;
  all.hsms.push_back(hsm);
  all.database.path = database;
  all.policy = Policy::permissive();
  all.on_warning = [](std::string_view) {};
  return jwekms::open(all);
}
inline Kms open(CekBoundary boundary = CekBoundary::process) {
  return try_open(options(boundary)).value();
}

/// A key that is made once for the whole program.
inline std::string rsa_uid(const Kms& kms, CekBoundary boundary = CekBoundary::process) {
  const std::string uid =
      prefix() + (boundary == CekBoundary::process ? "shared-process" : "shared-boundary");
  if (!kms.describe_key(uid)) (void)kms.create_key({.uid = uid}).value();
  return uid;
}

inline std::shared_ptr<const crypto::RsaPublicKey> public_key(const Kms& kms,
                                                              const std::string& uid) {
  const std::string jwk = kms.public_jwk(uid).value();
  const auto member = [&](const std::string& name) {
    const std::string mark = "\"" + name + "\":\"";
    const std::size_t at = jwk.find(mark) + mark.size();
    return support::from_b64(jwk.substr(at, jwk.find('"', at) - at));
  };
  return crypto::RsaPublicKey::from_numbers(support::library(), member("n"), member("e")).value();
}

/// A compact token from its parts, whatever they are.
inline std::string compact(const std::string& kid, const AlgRow& alg, const EncRow& enc,
                           std::span<const std::uint8_t> encrypted_key, const Cek& cek,
                           std::string_view plaintext) {
  const std::string json = "{\"alg\":\"" + std::string(alg.name) + "\",\"enc\":\"" +
                           std::string(enc.name) + "\",\"kid\":\"" + kid + "\"}";
  const std::string header = support::b64(support::bytes(json));
  // A CEK of another size than `enc` has encrypts as the `enc` whose size it is.
  const EncRow* fitting = &enc;
  for (const EncRow& r : enc_table)
    if (r.hash == Hash::none && r.cek_bytes == cek.size()) fitting = &r;
  std::string ciphertext(base64url::encoded_size(plaintext.size()), 'A');
  Bytes iv(12), tag(16);
  if (fitting->cek_bytes == cek.size()) {
    const auto content = crypto::make_content_key(support::library(), *fitting,
                                                  support::make_cek(support::raw(cek)));
    content.value()
        ->encrypt({header, {}}, support::bytes(plaintext), {ciphertext, iv, tag})
        .value();
  }
  return header + '.' + support::b64(encrypted_key) + '.' + support::b64(iv) + '.' + ciphertext +
         '.' + support::b64(tag);
}

inline Cek random_cek(std::size_t size) {
  Cek cek;
  support::library()->random(cek.fill(size, InsecureSecretAccess::token())).value();
  return cek;
}

/// A good token for a key, made in software.
inline std::string make(const Kms& kms, const std::string& uid, Alg alg, Enc enc,
                        std::string_view plaintext) {
  const Cek cek = random_cek(row(enc).cek_bytes);
  return compact(uid, row(alg), row(enc), public_key(kms, uid)->wrap(row(alg), cek).value(), cek,
                 plaintext);
}

/// The plaintext, or "error: <code>", or "error: not wiped".
/// @param spare  bytes of the buffer above the plaintext's; from 16 on, which is what
/// decrypt_bound() has, the token may write into it.
inline std::string decrypt(const Kms& kms, std::string_view text, std::string_view key = {},
                           std::size_t spare = 16) {
  const Result<std::size_t> bound = kms.decrypt_bound(text);
  if (!bound) return "error: " + std::string(jwekms::name(bound.error().code));
  Bytes out(*bound - 16 + spare, 0xA5);
  const Result<std::size_t> size = kms.decrypt(text, out, {.key = key});
  if (size) return support::text(std::span(out).first(*size));
  if (!support::all_zero(out)) return "error: not wiped";
  return "error: " + std::string(jwekms::name(size.error().code));
}

/// Texts of all sorts of sizes, made by `seal`, with room for a tag in the buffer or without.
/// @return empty, or what did not come out.
inline std::string try_sizes(const Kms& kms,
                             const std::function<std::string(std::string_view)>& seal) {
  for (const std::size_t size : {0U, 1U, 4079U, 4080U, 4081U, 300'000U}) {
    const std::string plaintext(size, 'x');
    const std::string text = seal(plaintext);
    for (const std::size_t spare : {0U, 15U, 16U, 17U, 5000U})
      if (decrypt(kms, text, {}, spare) != plaintext)
        return std::to_string(size) + " bytes, " + std::to_string(spare) + " to spare";
  }
  return {};
}

inline std::string encrypt(const Kms& kms, const std::string& uid, Alg alg, Enc enc,
                           std::string_view plaintext) {
  const EncryptOptions how{.key = uid, .alg = alg, .enc = enc};
  std::string out(kms.encrypt_bound(plaintext.size(), how), '\0');
  const Result<std::size_t> size = kms.encrypt(support::bytes(plaintext), out, how);
  if (!size) return "error: " + std::string(jwekms::name(size.error().code));
  out.resize(*size);
  return out;
}

/// Answers that threads got and should not have, and how often. Thread-safe.
class Answers {
 public:
  void add(const std::string& answer) {
    const std::lock_guard lock(mutex_);
    ++answers_[answer];
  }
  std::string in_words() {
    const std::lock_guard lock(mutex_);
    std::string words;
    for (const auto& [answer, times] : answers_)
      words += answer + " " + std::to_string(times) + "; ";
    return words;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> answers_;
};

/// The same module, called past the provider: what another part of the program might do.
class Raw {
 public:
  Raw() {
    void* handle = dlopen(variable("MODULE").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw std::runtime_error(dlerror());
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
    if (get == nullptr || get(&f) != CKR_OK) throw std::runtime_error("no function list");
    CK_SLOT_ID slots[32];
    CK_ULONG count = 32;
    check(f->C_GetSlotList(CK_TRUE, slots, &count));
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_TOKEN_INFO info{};
      if (f->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
      std::string label(reinterpret_cast<const char*>(info.label), sizeof(info.label));
      label.resize(label.find_last_not_of(' ') + 1);
      if (label == variable("LABEL")) slot = slots[i];
    }
    check(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session));
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;
  ~Raw() { (void)f->C_CloseSession(session); }

  static void check(CK_RV rv) {
    if (rv != CKR_OK) throw std::runtime_error(pkcs11::name_of(rv));
  }
  std::vector<CK_OBJECT_HANDLE> find(CK_OBJECT_CLASS object_class, std::string label) const {
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &object_class, sizeof(object_class)},
                             {CKA_LABEL, label.data(), label.size()}};
    check(f->C_FindObjectsInit(session, wanted, label.empty() ? 1 : 2));
    std::vector<CK_OBJECT_HANDLE> found(64);
    CK_ULONG count = 0;
    check(f->C_FindObjects(session, found.data(), found.size(), &count));
    check(f->C_FindObjectsFinal(session));
    found.resize(count);
    return found;
  }
  bool flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE attribute{type, &value, sizeof(value)};
    check(f->C_GetAttributeValue(session, object, &attribute, 1));
    return value != CK_FALSE;
  }
  CK_RV read(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
    std::uint8_t value[4096];
    CK_ATTRIBUTE attribute{type, value, sizeof(value)};
    return f->C_GetAttributeValue(session, object, &attribute, 1);
  }

  CK_FUNCTION_LIST* f = nullptr;
  CK_SLOT_ID slot = 0;
  CK_SESSION_HANDLE session = 0;
};

/// Where a token stands among those that are listed.
struct Place {
  CK_SLOT_ID slot_id;
  std::uint64_t position;
  std::string serial;
  std::uint64_t count;  ///< Of all that are listed.
};

inline Place place_of(const std::string& label) {
  const Raw raw;
  CK_SLOT_ID slots[32];
  CK_ULONG count = 32;
  Raw::check(raw.f->C_GetSlotList(CK_TRUE, slots, &count));
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    if (raw.f->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
    const auto text = [](const auto& padded) {
      std::string trimmed(reinterpret_cast<const char*>(padded), sizeof(padded));
      trimmed.resize(trimmed.find_last_not_of(' ') + 1);
      return trimmed;
    };
    if (text(info.label) == label) return {slots[i], i, text(info.serialNumber), count};
  }
  throw std::runtime_error("no token " + label);
}

}  // namespace token

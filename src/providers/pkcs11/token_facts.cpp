// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/token_facts.hpp"

#include <string_view>

#include "jwekms/json.hpp"

namespace jwekms::pkcs11 {

namespace {

struct Named {
  const char* name;
  CK_ULONG value;
};

constexpr Named mechanisms[] = {
    {"CKM_RSA_PKCS_KEY_PAIR_GEN", CKM_RSA_PKCS_KEY_PAIR_GEN},
    {"CKM_RSA_PKCS_OAEP", CKM_RSA_PKCS_OAEP},
    {"CKM_RSA_X_509", CKM_RSA_X_509},
    {"CKM_AES_KEY_GEN", CKM_AES_KEY_GEN},
    {"CKM_AES_GCM", CKM_AES_GCM},
    {"CKM_AES_KEY_WRAP", CKM_AES_KEY_WRAP},
    {"CKM_AES_KEY_WRAP_PAD", CKM_AES_KEY_WRAP_PAD},
    {"CKM_SHA256", CKM_SHA256},
};

constexpr Named uses[] = {
    {"encrypt", CKF_ENCRYPT}, {"decrypt", CKF_DECRYPT},   {"wrap", CKF_WRAP},
    {"unwrap", CKF_UNWRAP},   {"generate", CKF_GENERATE}, {"generate pair", CKF_GENERATE_KEY_PAIR},
    {"digest", CKF_DIGEST},
};

/// Text as Cryptoki has it: of fixed size, padded, and whatever the token has put there. What is
/// not printable, or not UTF-8, becomes '?'.
template <std::size_t size>
[[nodiscard]] std::string text(const unsigned char (&padded)[size]) {
  std::string_view rest(reinterpret_cast<const char*>(padded), size);
  std::string out;
  while (!rest.empty()) {
    const bool ascii = rest[0] >= 0x20 && rest[0] < 0x7F;
    const std::size_t step = ascii ? 1 : json::detail::utf8_size(rest);
    if (step == 0) out += '?';
    out += rest.substr(0, step);
    rest.remove_prefix(step == 0 ? 1 : step);
  }
  out.resize(out.find_last_not_of(' ') + 1);
  return out;
}

[[nodiscard]] std::string text(CK_VERSION version) {
  return std::to_string(version.major) + '.' + std::to_string(version.minor);
}

[[nodiscard]] std::string limit(CK_ULONG n) {
  if (n == CK_UNAVAILABLE_INFORMATION) return "unknown";
  // opencryptoki has a number of its own for "no limit".
  const bool infinite = n == CK_EFFECTIVELY_INFINITE || n > UINT32_MAX;
  return infinite ? "no limit" : std::to_string(n);
}

[[nodiscard]] std::string describe(const CK_MECHANISM_INFO& info) {
  // The unit is each mechanism's own: bits for RSA, and bytes or bits, as the token likes, for AES.
  std::string out =
      "key sizes " + std::to_string(info.ulMinKeySize) + " to " + std::to_string(info.ulMaxKeySize);
  const char* mark = ": ";
  for (const Named& use : uses) {
    if ((info.flags & use.value) == 0) continue;
    out += mark;
    out += use.name;
    mark = ", ";
  }
  return out;
}

}  // namespace

Step read_token_facts(const Session& session, TokenFacts& facts) {
  facts.clear();
  CK_INFO module{};
  if (const CK_RV rv = session.f->C_GetInfo(&module); rv != CKR_OK) return {rv};
  facts.emplace_back("module", text(module.libraryDescription) + ' ' + text(module.libraryVersion) +
                                   " by " + text(module.manufacturerID) + ", Cryptoki " +
                                   text(module.cryptokiVersion));
  CK_TOKEN_INFO token{};
  if (const CK_RV rv = session.f->C_GetTokenInfo(session.slot_id, &token); rv != CKR_OK)
    return {rv};
  facts.emplace_back("slot id", std::to_string(session.slot_id));
  facts.emplace_back("token label", text(token.label));
  facts.emplace_back("token serial", text(token.serialNumber));
  facts.emplace_back("token model", text(token.model) + " by " + text(token.manufacturerID));
  facts.emplace_back("firmware",
                     text(token.firmwareVersion) + ", hardware " + text(token.hardwareVersion));
  facts.emplace_back("sessions", "limit: " + limit(token.ulMaxSessionCount) +
                                     ", read-write: " + limit(token.ulMaxRwSessionCount));
  for (const Named& mechanism : mechanisms) {
    CK_MECHANISM_INFO info{};
    const CK_RV rv = session.f->C_GetMechanismInfo(session.slot_id, mechanism.value, &info);
    if (classify({rv}) == Fault::device || classify({rv}) == Fault::session) return {rv};
    facts.emplace_back(mechanism.name, rv == CKR_OK ? describe(info) : name_of(rv));
  }
  return {};
}

}  // namespace jwekms::pkcs11

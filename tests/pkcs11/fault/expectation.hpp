// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "campaign.hpp"

/// What a caller may be told when one call of the module fails once: PKCS11.md's table as a test.
namespace expectation {

/// The rows of the table.
enum class Row {
  retried,  ///< Session, login, handle: put right within the operation.
  device,   ///< Loaded again; `unavailable` while that is backed off.
  full,     ///< `unavailable`.
  refusal,  ///< The token text is bad, or the token does not do this.
};

inline Row row_of(CK_RV rv) {
  switch (rv) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_OPERATION_ACTIVE:
    case CKR_OPERATION_NOT_INITIALIZED:
    case CKR_BUFFER_TOO_SMALL:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_KEY_HANDLE_INVALID:
    case CKR_OBJECT_HANDLE_INVALID:
    case CKR_UNWRAPPING_KEY_HANDLE_INVALID: return Row::retried;
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
    case CKR_SLOT_ID_INVALID: return Row::device;
    case CKR_HOST_MEMORY:
    case CKR_DEVICE_MEMORY:
    case CKR_FUNCTION_CANCELED:
    case CKR_SESSION_COUNT: return Row::full;
    default: return Row::refusal;
  }
}

inline bool is_one_of(std::string_view what, std::initializer_list<std::string_view> those) {
  return std::find(those.begin(), those.end(), what) != those.end();
}

/// The calls that see what came in a token text. Within the HSM boundary that is the CEK too.
inline bool sees_the_text(std::string_view function, bool in_boundary) {
  return is_one_of(function, {"C_Decrypt", "C_UnwrapKey"}) ||
         (in_boundary && is_one_of(function, {"C_DecryptInit"}));
}

/// Where the size of a CEK that is kept may be refused.
inline bool tells_the_size(const fault::Fault& fault) {
  return (fault.code == CKR_WRAPPED_KEY_LEN_RANGE || fault.code == CKR_KEY_SIZE_RANGE) &&
         is_one_of(fault.function, {"C_UnwrapKey", "C_EncryptInit", "C_Encrypt"});
}

/// Calls that find the token and log in, before there is an operation to be retried.
inline bool connects(std::string_view function) {
  return is_one_of(function, {"C_Initialize", "C_GetInfo", "C_GetSlotList", "C_GetSlotInfo",
                              "C_GetTokenInfo", "C_OpenSession", "C_Login"});
}

struct Operation {
  bool probing = false;          ///< It may begin with a trial of what the token can do.
  bool in_boundary = false;      ///< The token keeps the CEK to itself.
  bool keeps = false;            ///< It makes the CEK an object that stays.
  bool tells_wrong_key = false;  ///< It says so when what was wrapped does not come out.
  bool bad_text = false;    ///< To be refused: a fault may leave in doubt whose failure it was.
  bool recovering = false;  ///< It has failed once before: it is not tried a third time.
};

/// Nothing, or what is wrong with the answer ("ok" or the name of an error) to this fault.
inline std::string wrong_with(const fault::Fault& fault, std::string_view answer,
                              const Operation& operation) {
  const auto may_be = [&](std::initializer_list<std::string_view> those) {
    return is_one_of(answer, those) ? std::string() : "answered " + std::string(answer);
  };
  if (answer == "ok") return {};
  if (operation.bad_text && answer == "unavailable") return {};
  switch (row_of(fault.code)) {
    case Row::retried:
      if (connects(fault.function) || operation.recovering) return may_be({"unavailable"});
      return may_be({});
    case Row::device:
    case Row::full: return may_be({"unavailable"});
    case Row::refusal: break;
  }
  const bool sees = sees_the_text(fault.function, operation.in_boundary);
  if (operation.tells_wrong_key && is_one_of(answer, {"crypto_failure", "unsupported_algorithm"}))
    return {};
  if (sees && !operation.probing && !operation.keeps) return may_be({"decryption_failed"});
  if (operation.keeps && tells_the_size(fault) && answer == "crypto_failure") return {};
  // A trial comes first, with a text of ours: whatever goes wrong with that one is the token's
  // doing.
  if (sees && (operation.keeps || fault.nth > 1))
    return may_be({"decryption_failed", "unsupported_algorithm", "internal_error", "unavailable"});
  return may_be({"unavailable", "internal_error", "unsupported_algorithm", "forbidden"});
}

}  // namespace expectation

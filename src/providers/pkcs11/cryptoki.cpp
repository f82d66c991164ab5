// SPDX-License-Identifier: Apache-2.0
#include "providers/pkcs11/cryptoki.hpp"

#include <algorithm>
#include <array>

namespace jwekms::pkcs11 {

namespace {

struct Row {
  CK_RV rv;
  Fault in_setup;
  Fault in_content;
};

constexpr CK_RV token_resource_exceeded = 0x201;  // of PKCS#11 3.0

/// Session, login, device and other codes of the module's own trouble say nothing about a JWE.
/// GENERAL_ERROR and FUNCTION_FAILED are what SoftHSM and opencryptoki answer to a bad JWE, and
/// what a broken token answers to all. DEVICE_MEMORY is no broken device: a large JWE, or many at a
/// time, bring it about, and whoever sends them must not have the module loaded again and again.
constexpr std::array<Row, 33> rows{{
    {CKR_OK, Fault::none, Fault::none},
    {CKR_GENERAL_ERROR, Fault::suspect, Fault::content},
    {CKR_FUNCTION_FAILED, Fault::suspect, Fault::content},
    {CKR_OPERATION_ACTIVE, Fault::stuck, Fault::stuck},
    {CKR_OPERATION_NOT_INITIALIZED, Fault::stuck, Fault::stuck},
    {CKR_BUFFER_TOO_SMALL, Fault::stuck, Fault::stuck},
    {CKR_SESSION_HANDLE_INVALID, Fault::session, Fault::session},
    {CKR_SESSION_CLOSED, Fault::session, Fault::session},
    {CKR_USER_NOT_LOGGED_IN, Fault::handle, Fault::handle},
    {CKR_KEY_HANDLE_INVALID, Fault::handle, Fault::handle},
    {CKR_OBJECT_HANDLE_INVALID, Fault::handle, Fault::handle},
    {CKR_UNWRAPPING_KEY_HANDLE_INVALID, Fault::handle, Fault::handle},
    {CKR_DEVICE_ERROR, Fault::device, Fault::device},
    {CKR_DEVICE_REMOVED, Fault::device, Fault::device},
    {CKR_TOKEN_NOT_PRESENT, Fault::device, Fault::device},
    {CKR_TOKEN_NOT_RECOGNIZED, Fault::device, Fault::device},
    {CKR_CRYPTOKI_NOT_INITIALIZED, Fault::device, Fault::device},
    {CKR_SLOT_ID_INVALID, Fault::device, Fault::device},
    {CKR_SESSION_COUNT, Fault::exhausted, Fault::exhausted},
    {CKR_HOST_MEMORY, Fault::exhausted, Fault::exhausted},
    {CKR_DEVICE_MEMORY, Fault::exhausted, Fault::exhausted},
    {CKR_FUNCTION_CANCELED, Fault::exhausted, Fault::exhausted},
    {CKR_CANCEL, Fault::exhausted, Fault::exhausted},
    {CKR_FUNCTION_REJECTED, Fault::exhausted, Fault::exhausted},
    {token_resource_exceeded, Fault::exhausted, Fault::exhausted},
    {CKR_NEED_TO_CREATE_THREADS, Fault::exhausted, Fault::exhausted},
    {CKR_CANT_LOCK, Fault::exhausted, Fault::exhausted},
    {CKR_MUTEX_BAD, Fault::exhausted, Fault::exhausted},
    {CKR_MUTEX_NOT_LOCKED, Fault::exhausted, Fault::exhausted},
    {CKR_PIN_INCORRECT, Fault::refused, Fault::exhausted},
    {CKR_PIN_EXPIRED, Fault::refused, Fault::exhausted},
    {CKR_PIN_LOCKED, Fault::refused, Fault::exhausted},
    {CKR_USER_PIN_NOT_INITIALIZED, Fault::refused, Fault::exhausted},
}};

}  // namespace

Fault classify(Step step) noexcept {
  // No early exit: what a decryption said must not show in how long it took to look it up.
  const bool in_setup = step.phase == Phase::setup;
  auto fault = static_cast<unsigned>(in_setup ? Fault::refused : Fault::content);
  for (const Row& row : rows) {
    const auto found = static_cast<unsigned>(in_setup ? row.in_setup : row.in_content);
    const CK_RV difference = row.rv ^ step.rv;
    const auto hit = static_cast<unsigned>((difference | (0 - difference)) >> 63) - 1U;
    fault = (found & hit) | (fault & ~hit);
  }
  return static_cast<Fault>(fault);
}

bool is_lost(Step step) noexcept {
  const Fault fault = classify(step);
  return fault != Fault::none && fault != Fault::content && fault != Fault::refused &&
         fault != Fault::suspect;
}

bool is_inability(CK_RV rv) noexcept {
  constexpr CK_RV codes[] = {CKR_ARGUMENTS_BAD,
                             CKR_ATTRIBUTE_READ_ONLY,
                             CKR_ATTRIBUTE_SENSITIVE,
                             CKR_ATTRIBUTE_TYPE_INVALID,
                             CKR_ATTRIBUTE_VALUE_INVALID,
                             CKR_FUNCTION_NOT_SUPPORTED,
                             CKR_KEY_FUNCTION_NOT_PERMITTED,
                             CKR_KEY_TYPE_INCONSISTENT,
                             CKR_MECHANISM_INVALID,
                             CKR_MECHANISM_PARAM_INVALID,
                             CKR_TEMPLATE_INCOMPLETE,
                             CKR_TEMPLATE_INCONSISTENT,
                             CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT};
  return std::ranges::find(codes, rv) != std::end(codes);
}

const char* name_of(CK_RV rv) noexcept {
  switch (rv) {
#define JWEKMS_CKR(code) \
  case code: return #code
    JWEKMS_CKR(CKR_OK);
    JWEKMS_CKR(CKR_HOST_MEMORY);
    JWEKMS_CKR(CKR_SLOT_ID_INVALID);
    JWEKMS_CKR(CKR_GENERAL_ERROR);
    JWEKMS_CKR(CKR_FUNCTION_FAILED);
    JWEKMS_CKR(CKR_ARGUMENTS_BAD);
    JWEKMS_CKR(CKR_ATTRIBUTE_READ_ONLY);
    JWEKMS_CKR(CKR_ATTRIBUTE_SENSITIVE);
    JWEKMS_CKR(CKR_ATTRIBUTE_TYPE_INVALID);
    JWEKMS_CKR(CKR_ATTRIBUTE_VALUE_INVALID);
    JWEKMS_CKR(CKR_DATA_INVALID);
    JWEKMS_CKR(CKR_DATA_LEN_RANGE);
    JWEKMS_CKR(CKR_DEVICE_ERROR);
    JWEKMS_CKR(CKR_DEVICE_MEMORY);
    JWEKMS_CKR(CKR_DEVICE_REMOVED);
    JWEKMS_CKR(CKR_ENCRYPTED_DATA_INVALID);
    JWEKMS_CKR(CKR_ENCRYPTED_DATA_LEN_RANGE);
    JWEKMS_CKR(CKR_FUNCTION_CANCELED);
    JWEKMS_CKR(CKR_FUNCTION_NOT_SUPPORTED);
    JWEKMS_CKR(CKR_KEY_HANDLE_INVALID);
    JWEKMS_CKR(CKR_KEY_SIZE_RANGE);
    JWEKMS_CKR(CKR_KEY_TYPE_INCONSISTENT);
    JWEKMS_CKR(CKR_KEY_FUNCTION_NOT_PERMITTED);
    JWEKMS_CKR(CKR_KEY_UNEXTRACTABLE);
    JWEKMS_CKR(CKR_MECHANISM_INVALID);
    JWEKMS_CKR(CKR_MECHANISM_PARAM_INVALID);
    JWEKMS_CKR(CKR_OBJECT_HANDLE_INVALID);
    JWEKMS_CKR(CKR_OPERATION_ACTIVE);
    JWEKMS_CKR(CKR_OPERATION_NOT_INITIALIZED);
    JWEKMS_CKR(CKR_PIN_INCORRECT);
    JWEKMS_CKR(CKR_PIN_INVALID);
    JWEKMS_CKR(CKR_PIN_LEN_RANGE);
    JWEKMS_CKR(CKR_PIN_EXPIRED);
    JWEKMS_CKR(CKR_PIN_LOCKED);
    JWEKMS_CKR(CKR_SESSION_CLOSED);
    JWEKMS_CKR(CKR_SESSION_COUNT);
    JWEKMS_CKR(CKR_SESSION_HANDLE_INVALID);
    JWEKMS_CKR(CKR_SESSION_READ_ONLY);
    JWEKMS_CKR(CKR_TEMPLATE_INCOMPLETE);
    JWEKMS_CKR(CKR_TEMPLATE_INCONSISTENT);
    JWEKMS_CKR(CKR_TOKEN_NOT_PRESENT);
    JWEKMS_CKR(CKR_TOKEN_NOT_RECOGNIZED);
    JWEKMS_CKR(CKR_TOKEN_WRITE_PROTECTED);
    JWEKMS_CKR(CKR_UNWRAPPING_KEY_HANDLE_INVALID);
    JWEKMS_CKR(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT);
    JWEKMS_CKR(CKR_USER_ALREADY_LOGGED_IN);
    JWEKMS_CKR(CKR_USER_NOT_LOGGED_IN);
    JWEKMS_CKR(CKR_USER_PIN_NOT_INITIALIZED);
    JWEKMS_CKR(CKR_WRAPPED_KEY_INVALID);
    JWEKMS_CKR(CKR_WRAPPED_KEY_LEN_RANGE);
    JWEKMS_CKR(CKR_BUFFER_TOO_SMALL);
    JWEKMS_CKR(CKR_CRYPTOKI_NOT_INITIALIZED);
    JWEKMS_CKR(CKR_CRYPTOKI_ALREADY_INITIALIZED);
#undef JWEKMS_CKR
    default: return "CKR_?";
  }
}

}  // namespace jwekms::pkcs11

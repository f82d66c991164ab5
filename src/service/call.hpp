// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "jwekms/kms.hpp"
#include "jwekms/service.hpp"

namespace jwekms::service {

inline constexpr std::string_view json_type = "application/json";

/// What an operation is given.
struct Call {
  const Kms& kms;
  std::string_view body;
  std::string_view query;  ///< Undecoded.
  std::string name;        ///< The `{kid}` of the path, decoded.
  std::string kid;         ///< For the log: see ServiceResponse::kid.
};

/// What an operation answers when it has an answer of its own; an Error is answered alike for all.
struct Answer {
  ServiceBody body;
  int status = 200;
  std::string_view content_type = json_type;
  std::optional<Errc> error{};  ///< For the log.
};

/// Errors: whatever the Kms answers; bad_request.
using Operation = Result<Answer> (*)(Call&);

/// The UID of a key with this label in the slot of an HSM key. Errors: bad_request (`uid` is not an
/// HSM key's).
[[nodiscard]] Result<std::string> beside(std::string_view uid, std::string_view label);

// tokens.cpp
Result<Answer> decrypt(Call& call);
Result<Answer> encrypt(Call& call);
Result<Answer> reencrypt(Call& call);
Result<Answer> unwrap_key(Call& call);

// keys.cpp
Result<Answer> add_key(Call& call);
Result<Answer> list_keys(Call& call);
Result<Answer> describe_key(Call& call);
Result<Answer> change_key(Call& call);
Result<Answer> destroy_key(Call& call);
Result<Answer> public_jwks(Call& call);

// kmip.cpp
Result<Answer> kmip(Call& call);

}  // namespace jwekms::service

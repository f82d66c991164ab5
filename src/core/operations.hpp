// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/call.hpp"
#include "jwekms/kms.hpp"

namespace jwekms::core {

// Kms::decrypt and Kms::encrypt as parts of a call.

/// @param also  what must hold besides before the key is used; may be empty.
[[nodiscard]] Result<std::size_t> decrypt(Call& call, std::string_view token,
                                          std::span<std::uint8_t> out,
                                          const DecryptOptions& options,
                                          const std::function<Result<void>()>& also = {});

/// Bytes that the plaintext of a token can need. Errors: bad_request, too_large.
[[nodiscard]] Result<std::size_t> plaintext_bound(std::string_view token, const Policy& policy);

/// A key that the caller may encrypt to, and that serves: nothing was done with it yet.
struct Addressee {
  std::shared_ptr<const Key> key;
  std::string header;  ///< The token's protected header, base64url.
};
/// @param options  allowed by the policy.
/// Errors: bad_request (a name that is not UTF-8), and those of Gate::key() and check_use().
[[nodiscard]] Result<Addressee> find_addressee(Call& call, const EncryptOptions& options);
/// @param out  large enough for what `options` make of it.
[[nodiscard]] Result<std::size_t> encrypt_to(const Addressee& addressee,
                                             std::span<const std::uint8_t> plaintext,
                                             std::span<char> out, const EncryptOptions& options);

}  // namespace jwekms::core

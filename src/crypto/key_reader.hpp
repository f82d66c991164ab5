// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "crypto/library.hpp"
#include "crypto/rsa_key.hpp"
#include "crypto/secret_buffer.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"

namespace jwekms::crypto {

/// What a key file said: exactly one of `rsa` and `oct` is set.
struct ReadKey {
  std::shared_ptr<const RsaKey> rsa;
  std::optional<SecretBuffer> oct;
  std::string kid;          ///< The JWK's; else empty.
  AlgSet algs;              ///< What the key may serve: from its type, narrowed by a JWK's `alg`.
  std::optional<Enc> enc;   ///< oct: from a JWK whose `alg` names an `enc`.
  bool may_decrypt = true;  ///< From a JWK's `key_ops`.
  bool may_encrypt = true;
};

/// Reads a private or symmetric key in any KeyFormat and checks that it is sound: an RSA key's
/// parts must belong together (a JWK with `n`, `e` and `d` alone gets its primes recovered).
/// No copy of the secret stays behind outside the result.
/// Errors: bad_request (cannot be read, wrong passphrase), crypto_failure (not for encryption,
/// inconsistent, public only), unsupported_algorithm (another key type).
[[nodiscard]] Result<ReadKey> read_key(const std::shared_ptr<const Library>& library,
                                       const ImportKey& request);

}  // namespace jwekms::crypto

// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The REST API as a function.

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "jwekms/error.hpp"
#include "jwekms/export.hpp"
#include "jwekms/kms.hpp"
#include "jwekms/secret.hpp"

namespace jwekms {

/// One request of the REST API, with HTTP taken off. Views; nothing is kept after the call.
struct ServiceRequest {
  std::string_view method;  ///< As it stands in HTTP, case-sensitive: "POST".
  /// Path and query as they came, percent-encoded: "/v1/crypto/keys?limit=5".
  std::string_view target;
  std::string_view body{};  ///< JSON; empty where there is none.
};

/// The text of a response. It may hold a plaintext, so it is wiped when it dies. Move-only.
class ServiceBody {
 public:
  ServiceBody() noexcept = default;
  /// Room for this many characters, unspecified but for the NUL behind them.
  explicit ServiceBody(std::size_t size) : text_(new char[size + 1]), size_(size) {
    text_[size] = '\0';
  }
  /// Wipes.
  ~ServiceBody() { secure_wipe(text_.get(), size_); }
  /// Leaves the other empty.
  ServiceBody(ServiceBody&& other) noexcept { swap(other); }
  /// Likewise, and wipes what was here.
  ServiceBody& operator=(ServiceBody&& other) noexcept {
    ServiceBody taken(std::move(other));
    swap(taken);
    return *this;
  }
  ServiceBody(const ServiceBody&) = delete;
  ServiceBody& operator=(const ServiceBody&) = delete;

  /// Stays where it is when the object is moved. A NUL follows it, unless it is empty.
  [[nodiscard]] std::string_view view() const noexcept { return {text_.get(), size_}; }
  /// To write it.
  [[nodiscard]] std::span<char> chars() noexcept { return {text_.get(), size_}; }
  /// Wipes what is cut off. Precondition: size <= view().size(), and not both are 0.
  void truncate(std::size_t size) noexcept {
    secure_wipe(text_.get() + size, size_ - size);
    text_[size] = '\0';
    size_ = size;
  }

 private:
  void swap(ServiceBody& other) noexcept {
    text_.swap(other.text_);
    std::swap(size_, other.size_);
  }
  std::unique_ptr<char[]> text_;
  std::size_t size_ = 0;
};

/// What to answer, and what to log.
struct ServiceResponse {
  int status = 500;                 ///< Of HTTP.
  std::string_view content_type{};  ///< Static storage.
  ServiceBody body{};               ///< JSON, UTF-8; not to be logged.
  std::string allow{};              ///< For a 405, the value of the `Allow` header.

  // For logs and metrics; no part of the response.
  /// What was asked for: "decrypt", "encrypt", "reencrypt", "unwrap_key", "add_key", "list_keys",
  /// "describe_key", "change_key", "destroy_key", "public_jwks" or "kmip". Empty when there is no
  /// such path or method. Static storage.
  std::string_view operation{};
  std::optional<Errc> error{};  ///< Why it failed.
  /// The key, as the request names it, or the UID of one that was made: opaque bytes that a
  /// stranger chose, 256 at most. Empty when the request names none that can be read.
  std::string kid{};
};

/// Serves one request of the REST API: JSON in, status and JSON out. No network, no state.
/// examples/rest_server/openapi.json has the whole API; in short:
///
///     POST   /v1/crypto/decrypt        {protected, encrypted_key, iv, ciphertext, tag, aad}
///     POST   /v1/crypto/encrypt        {kid, alg, enc, data, aad}
///     POST   /v1/crypto/reencrypt      a JWE's members, and {kid, alg, enc} of the new one
///     POST   /v1/crypto/keys/unwrap    {protected, encrypted_key, store_in_hsm, kid or label}
///     POST   /v1/crypto/keys           {kty, bits, alg, enc, kid, aliases} or {jwk, ...}
///     GET    /v1/crypto/keys           ?limit=&after=&prefix=
///     GET    /v1/crypto/keys/{kid}     metadata and public JWK; PATCH and DELETE likewise
///     GET    /.well-known/jwks.json
///     POST   /kmip/2_1                 KMIP 2.1 JSON: Import of a wrapped symmetric key
///
/// What fails has the status of http_status() and the body {"error": name, "description": text};
/// the text is fixed and holds nothing of the request. Bodies are read strictly: a member that an
/// operation does not know is a bad_request. (Not in KMIP, which has thousands, see there.)
///
/// @param kms  acts for whoever sent the request: it is the Kms that says what they may do.
/// @return no exception except std::bad_alloc. Thread-safe.
[[nodiscard]] JWEKMS_API ServiceResponse handle(const Kms& kms, const ServiceRequest& request);

}  // namespace jwekms

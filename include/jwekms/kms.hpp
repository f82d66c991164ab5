// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Kms: what tokens are decrypted and keys are kept with.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/access.hpp"
#include "jwekms/algorithms.hpp"
#include "jwekms/audit.hpp"
#include "jwekms/export.hpp"
#include "jwekms/jwe.hpp"
#include "jwekms/policy.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/result.hpp"

namespace jwekms {

namespace crypto {
class Library;
}
namespace core {
struct Context;
}

/// Which key a token is decrypted with.
struct DecryptOptions {
  /// UID or alias of the key to use, for tokens with no `kid` (Policy::require_kid) or with an
  /// issuer's own. Empty: the token's `kid`. In a general serialization it picks the recipient.
  std::string_view key{};
};

/// What kind of token is made, and for which key.
struct EncryptOptions {
  std::string_view key{};       ///< UID or alias; becomes the header's `kid` as it stands here.
  Alg alg = Alg::RSA_OAEP_256;  ///< How the CEK is wrapped; for a symmetric key `dir`.
  Enc enc = Enc::A256GCM;       ///< How the content is encrypted.
  Serialization serialization = Serialization::compact;  ///< Or flattened.
  std::optional<std::span<const std::uint8_t>> aad{};    ///< Flattened only; not empty.
};

/// Decrypts, encrypts and keeps CEKs with keys that nobody can read: the CEK and the private key
/// never come out of any call. A JWE says nothing about who made it: what decrypts is not thereby
/// authentic.
///
/// Immutable after it is made; every call is thread-safe. Move-only.
///
/// A Kms acts for the host, the program that it is part of, who may do everything; or, made by
/// on_behalf_of(), for a principal, whose every call is authorised first.
class JWEKMS_API Kms {
 public:
  /// Most programs call jwekms::open (open.hpp) instead.
  /// @param providers  shared with the caller; prefixes must differ.
  /// @param admins     as in Options.
  /// @param audit      may be empty.
  Kms(std::shared_ptr<const crypto::Library> library,
      std::vector<std::shared_ptr<KeyProvider>> providers, const Policy& policy,
      std::vector<std::string> admins = {}, AuditSink audit = {});
  /// What was moved from may be destroyed or assigned to, and nothing else.
  Kms(Kms&&) noexcept;
  /// Likewise. Other threads must not be using either.
  Kms& operator=(Kms&&) noexcept;
  /// No call may be under way. The last Kms over what was opened wipes the keys that it held.
  ~Kms();

  /// A Kms that acts for a principal, the name of somebody whom the host has authenticated. Cheap:
  /// it shares everything with this one, and may outlive it.
  ///
  /// An admin, of all keys (Options::admins) or of one HSM (HsmOptions::admins), may do everything
  /// with them. A key in the database belongs to the principal who made it, imported it or kept it
  /// with unwrap_key(): the owner may do everything with it. Anybody else may do what they, or all
  /// principals, were granted (grant()), and is refused what they were not: forbidden if the key is
  /// there, not_found if it is not. A key that the host made without an owner has none, as no key
  /// in an HSM has.
  /// - Everybody may make keys in the database. In an HSM, and elsewhere, admins alone may.
  /// - To destroy a key takes its owner or an admin; no grant allows it.
  /// - Public halves are for everybody: public_jwk(), public_jwks(). To have this Kms encrypt with
  ///   one takes the permission to encrypt.
  /// - list_keys() shows the keys with which the principal may do something.
  /// @param principal  1 to 256 bytes of UTF-8 without control characters; not "*".
  /// Errors: bad_request (the name), forbidden (this Kms acts for a principal already).
  [[nodiscard]] Result<Kms> on_behalf_of(std::string_view principal) const;
  /// Whom this acts for; empty: the host.
  [[nodiscard]] std::string_view principal() const noexcept;

  /// What it accepts.
  [[nodiscard]] const Policy& policy() const noexcept;

  /// Bytes for the `out` of decrypt(): as many as the plaintext can have, and room for a tag, which
  /// spares what an HSM decrypts a copy. Reads the token, touches no key.
  /// Errors: bad_request, too_large.
  [[nodiscard]] Result<std::size_t> decrypt_bound(std::string_view token) const;

  /// Decrypts one JWE. RFC 7516 §5.2.
  /// @param token  compact, flattened or general serialization, UTF-8; must not overlap `out`.
  /// @param out    writable, decrypt_bound(token) bytes, or what the plaintext needs; wiped on any
  /// failure.
  /// @return plaintext bytes written. What follows them in `out` has no meaning.
  /// Errors: bad_request, too_large, unsupported_algorithm, not_found, forbidden, crypto_failure
  /// (key of the wrong kind), decryption_failed, unavailable, buffer_too_small.
  [[nodiscard]] Result<std::size_t> decrypt(std::string_view token, std::span<std::uint8_t> out,
                                            const DecryptOptions& options = {}) const;

  /// Characters that encrypt() needs in `out` at most. Touches no key.
  [[nodiscard]] std::size_t encrypt_bound(std::size_t plaintext_size_in_bytes,
                                          const EncryptOptions& options) const noexcept;

  /// Makes one JWE. RFC 7516 §5.1.
  /// @param out  at least encrypt_bound() characters, UTF-8, not terminated.
  /// @return characters written.
  /// Errors: bad_request, unsupported_algorithm, not_found, forbidden, crypto_failure, unavailable,
  /// buffer_too_small.
  [[nodiscard]] Result<std::size_t> encrypt(std::span<const std::uint8_t> plaintext,
                                            std::span<char> out,
                                            const EncryptOptions& options) const;

  /// Characters that reencrypt() needs in `out` at most. Touches no key.
  [[nodiscard]] Result<std::size_t> reencrypt_bound(std::string_view token,
                                                    const EncryptOptions& options) const;

  /// Decrypts under one key and encrypts under another; the plaintext stays inside, in locked and
  /// wiped memory. Parameters and errors as for decrypt() and encrypt().
  [[nodiscard]] Result<std::size_t> reencrypt(std::string_view token, std::span<char> out,
                                              const DecryptOptions& from,
                                              const EncryptOptions& to) const;

  /// Unwraps a token's CEK and keeps it as a managed key for `dir`, bound to its `enc`.
  /// @param token  a whole token, or a JSON object with `protected` and `encrypted_key` alone.
  /// @return what was kept; its UID is the `kid` of later `dir` tokens.
  /// Errors: bad_request, unsupported_algorithm (any `alg` that wraps nothing with RSA), not_found,
  /// forbidden, decryption_failed, crypto_failure (CEK size), conflict, unavailable.
  [[nodiscard]] Result<KeyInfo> unwrap_key(std::string_view token, const KeepCek& keep = {},
                                           const DecryptOptions& options = {}) const;

  /// Makes a key, in an HSM if its UID is of one. For a principal, here and in import_key() and
  /// unwrap_key(), `owner` is empty or the principal. No name may be a key pair's UID and "_pk":
  /// that is its public half.
  /// Errors: bad_request, unsupported_algorithm (the HSM makes no such key), forbidden,
  /// crypto_failure (bits below Policy::rsa_min_bits), conflict, unavailable.
  [[nodiscard]] Result<KeyInfo> create_key(const CreateKey& request) const;
  /// Takes in a key from elsewhere.
  /// Errors: bad_request, forbidden, crypto_failure (not a key for encryption, or too small),
  /// conflict, unavailable.
  [[nodiscard]] Result<KeyInfo> import_key(const ImportKey& request) const;
  /// Looks a key up. Here and wherever a `kid` is taken: a UID, an alias, or the UID of a key pair
  /// and "_pk", which stands for the pair unless it is a UID or an alias itself. Errors: not_found,
  /// forbidden, unavailable, internal_error.
  [[nodiscard]] Result<KeyInfo> describe_key(std::string_view kid) const;
  /// Lists the keys of the provider that owns `prefix` ("" is the database).
  [[nodiscard]] Result<KeyPage> list_keys(const ListKeys& request,
                                          std::string_view prefix = {}) const;
  /// The public half as a JWK. Errors: not_found, crypto_failure (a symmetric key).
  [[nodiscard]] Result<std::string> public_jwk(std::string_view kid) const;
  /// The public halves of all active RSA keys that may encrypt, as a JWK Set (RFC 7517 §5). A key
  /// that is of no use, such as one of two in an HSM under one label, is left out. While the
  /// database or an HSM is out of reach there is no set: nobody is to take its keys for gone.
  /// Errors: unavailable, internal_error.
  [[nodiscard]] Result<std::string> public_jwks() const;
  /// Gives a key another name, for the `kid` of an issuer.
  /// Errors: not_found, forbidden, conflict, bad_request.
  [[nodiscard]] Result<void> add_alias(std::string_view uid, std::string_view alias) const;
  /// Takes a name away again. Errors: not_found, forbidden.
  [[nodiscard]] Result<void> remove_alias(std::string_view alias) const;
  /// Moves a key's life forward. KeyState::destroyed erases it, and its grants, for good.
  /// Errors: not_found, forbidden, bad_request (a step back).
  [[nodiscard]] Result<KeyInfo> set_key_state(std::string_view uid, KeyState state) const;

  /// Lets a principal, or all ("*"), do exactly these things with a key, wherever it lives.
  /// Replaces any earlier grant to them. Who was granted Permission::grant may hand on what they
  /// have themselves. Grants are kept in the database. Errors: bad_request (also: no database),
  /// not_found, forbidden, unavailable.
  [[nodiscard]] Result<void> grant(std::string_view uid, std::string_view principal,
                                   Permissions permissions) const;
  /// Takes back what a principal, or all ("*"), was granted. Other processes see it within
  /// DatabaseOptions::cache_ttl. Errors: those of grant(); not_found also when there was no grant.
  [[nodiscard]] Result<void> revoke(std::string_view uid, std::string_view principal) const;
  /// A key's grants, in the order of the names' bytes. For the owner, admins, and who was granted
  /// Permission::grant. Errors: those of grant().
  [[nodiscard]] Result<std::vector<Grant>> grants(std::string_view uid) const;

 private:
  Kms(std::shared_ptr<const core::Context> context, std::string_view principal);

  std::shared_ptr<const core::Context> context_;
  std::string principal_;  ///< Empty: the host.
};

}  // namespace jwekms

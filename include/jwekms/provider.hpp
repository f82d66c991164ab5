// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The interface of places where keys live, for those who write one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jwekms/access.hpp"
#include "jwekms/algorithms.hpp"
#include "jwekms/export.hpp"
#include "jwekms/jose_header.hpp"
#include "jwekms/key_uid.hpp"
#include "jwekms/result.hpp"
#include "jwekms/secret.hpp"

namespace jwekms {

// Distinct types, so that one cannot stand where another belongs. All are views.

/// The `encrypted_key` of a token, decoded.
struct EncryptedKey {
  std::span<const std::uint8_t> bytes;  ///< At least one, whatever the sender chose.
};
/// The `iv` of a token, decoded.
struct Iv {
  std::span<const std::uint8_t> bytes;  ///< Exactly EncRow::iv_bytes.
};
/// The `tag` of a token, decoded.
struct AuthTag {
  std::span<const std::uint8_t> bytes;  ///< Exactly EncRow::tag_bytes.
};

/// The additional authenticated data of RFC 7516 §5.1 step 14: the protected header as it was
/// received, then "." and the `aad` member if there is one, both still base64url.
struct Aad {
  std::string_view protected_b64;           ///< The first part.
  std::optional<std::string_view> aad_b64;  ///< The second, where there is one.
};

/// Encrypted content as a token carries it. The ciphertext stays base64url, so that a key in the
/// process can decode and decrypt it block by block, straight into the caller's buffer.
struct SealedContent {
  Iv iv;                            ///< Under which it was encrypted.
  Aad aad;                          ///< What is authenticated beside it.
  std::string_view ciphertext_b64;  ///< Not yet known to be base64url.
  AuthTag tag;                      ///< To be compared in constant time.
};

/// Where ContentKey::encrypt puts what it makes.
struct SealInto {
  std::span<char> ciphertext_b64;  ///< Exactly base64url::encoded_size(plaintext size).
  std::span<std::uint8_t> iv;      ///< Exactly EncRow::iv_bytes; drawn by the key.
  std::span<std::uint8_t> tag;     ///< Exactly EncRow::tag_bytes.
};

/// A content encryption key that can be used and not read. Lengths have been checked against the
/// `enc` before a call; an implementation may rely on them. Thread-safe.
class ContentKey {
 public:
  ContentKey() = default;
  ContentKey(const ContentKey&) = delete;
  ContentKey& operator=(const ContentKey&) = delete;
  virtual ~ContentKey() = default;

  /// Decrypts. RFC 7516 §5.2 steps 14 to 16.
  /// @param out  at least decoded_size(ciphertext_b64) bytes; wiped on any failure.
  /// @return plaintext bytes written.
  /// Errors: bad_request (ciphertext is not base64url), decryption_failed, unavailable.
  [[nodiscard]] virtual Result<std::size_t> decrypt(const SealedContent& sealed,
                                                    std::span<std::uint8_t> out) const = 0;

  /// Encrypts under a fresh IV that the key draws and, for a kept key, counts.
  /// Errors: forbidden (the key's encryptions are used up), unavailable.
  [[nodiscard]] virtual Result<void> encrypt(const Aad& aad,
                                             std::span<const std::uint8_t> plaintext,
                                             const SealInto& into) const = 0;
};

/// `kty` of RFC 7518 §6.1. The values are the C ABI's.
enum class KeyType : std::uint8_t {
  rsa = 1,  ///< Unwraps CEKs.
  oct = 2,  ///< Symmetric; a CEK for `dir`.
};

/// The life of a key goes one way: active, deactivated, compromised, destroyed.
enum class KeyState : std::uint8_t {
  active = 1,       ///< Decrypts and encrypts.
  deactivated = 2,  ///< Decrypts, does not encrypt.
  compromised = 3,  ///< Decrypts only where Policy::allow_compromised; does not encrypt.
  /// Gone. In a database its UID stays taken; a label of an HSM may be used again.
  destroyed = 4,
};

/// As the REST API has it, "active" for one; empty for what is no state.
[[nodiscard]] constexpr std::string_view name(KeyState state) noexcept {
  switch (state) {
    case KeyState::active: return "active";
    case KeyState::deactivated: return "deactivated";
    case KeyState::compromised: return "compromised";
    case KeyState::destroyed: return "destroyed";
  }
  return {};
}

/// All that anybody may know of a key.
struct KeyInfo {
  std::string uid{};            ///< The key's one name that never changes.
  KeyType type = KeyType::rsa;  ///< What it can be used for.
  std::uint32_t bits = 0;       ///< Modulus of an RSA key, length of a symmetric one.
  AlgSet algs{};                ///< The only `alg`s that it serves.
  std::optional<Enc> enc{};     ///< Symmetric: the one `enc` it is bound to; none: any of its size.
  KeyState state = KeyState::active;  ///< What it may still be used for.
  bool may_decrypt = true;            ///< From a JWK's `key_ops`.
  bool may_encrypt = true;            ///< Likewise.
  std::string parent{};               ///< For an unwrapped CEK: UID of the key that wrapped it.
  std::string owner{};            ///< Principal whose key it is; empty: nobody's but the host's.
  std::int64_t created_at_s = 0;  ///< Seconds since 1970-01-01T00:00:00Z.
  std::uint64_t version = 1;      ///< Rises with each change of this record.
  std::vector<std::string> aliases{};  ///< Names that lead to it beside its UID.
};

/// A CEK as it stands in a token, under one key.
struct WrappedCek {
  const AlgRow& alg;           ///< One that the key serves.
  const EncRow& enc;           ///< What the CEK is for.
  const JoseHeader& header;    ///< All that the token says.
  EncryptedKey encrypted_key;  ///< Of a stranger's making.
};

/// A fresh CEK, wrapped for a recipient and ready to encrypt with.
struct NewCek {
  std::vector<std::uint8_t> encrypted_key;  ///< For the token.
  std::unique_ptr<ContentKey> content_key;  ///< To encrypt with, once.
};

/// One managed key. There is no export. The core has checked the key's state, type, algorithms
/// and operations against its KeyInfo before any call. What a kind of key has not, it leaves to the
/// defaults below, which answer crypto_failure: an RSA key unwraps, wraps and has a public half, a
/// symmetric one has a content_key. Thread-safe; may outlive its provider's cache entry.
class Key {
 public:
  Key() = default;
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  virtual ~Key() = default;

  /// What the core decides by.
  [[nodiscard]] virtual const KeyInfo& info() const noexcept = 0;

  /// Unwraps for one decryption, with implicit rejection (RFC 7516 §11.5): whatever is wrong with
  /// `encrypted_key`, the result is a ContentKey over a random CEK, in the same time.
  /// Errors: unavailable, internal_error; where the key lives with somebody who may refuse, also
  /// forbidden, not_found and unsupported_algorithm; never anything about the token.
  [[nodiscard]] virtual Result<std::unique_ptr<ContentKey>> unwrap(const WrappedCek& wrapped) const;

  /// Unwraps for keeping, into the process. Only a provider that stores the CEK calls this, after
  /// the core has authorised the operation.
  /// Errors: decryption_failed, crypto_failure (the CEK's size does not fit `enc`), unavailable.
  [[nodiscard]] virtual Result<Cek> unwrap_to_keep(const WrappedCek& wrapped,
                                                   InsecureSecretAccess access) const;

  /// Draws a CEK for `enc` and wraps it. Errors: unavailable, internal_error.
  [[nodiscard]] virtual Result<NewCek> wrap(const AlgRow& alg, const EncRow& enc) const;

  /// The key itself as a CEK (`dir`). Errors: crypto_failure (its size does not fit), unavailable.
  [[nodiscard]] virtual Result<std::shared_ptr<const ContentKey>> content_key(
      const EncRow& enc) const;

  /// The public half as a JWK (RFC 7517), with `kid` the UID.
  [[nodiscard]] virtual Result<std::string> public_jwk() const;

 protected:
  /// For what a key of this kind does not do.
  static constexpr Error wrong_kind{Errc::crypto_failure, 0, "the key is of the wrong kind"};
};

inline Result<std::unique_ptr<ContentKey>> Key::unwrap(const WrappedCek&) const {
  return wrong_kind;
}
inline Result<Cek> Key::unwrap_to_keep(const WrappedCek&, InsecureSecretAccess) const {
  return wrong_kind;
}
inline Result<NewCek> Key::wrap(const AlgRow&, const EncRow&) const { return wrong_kind; }
inline Result<std::shared_ptr<const ContentKey>> Key::content_key(const EncRow&) const {
  return wrong_kind;
}
inline Result<std::string> Key::public_jwk() const { return wrong_kind; }

/// A new key. Members that are empty take a default.
struct CreateKey {
  std::string uid{};                   ///< `hsm::...`: in that HSM. Empty: a random one is made.
  KeyType type = KeyType::rsa;         ///< What kind of key.
  std::uint32_t bits = 0;              ///< RSA: 2048 (default), 3072 or 4096. oct: from `enc`.
  AlgSet algs{};                       ///< Empty: all that fit the type.
  std::optional<Enc> enc{};            ///< oct: A256GCM when absent.
  std::vector<std::string> aliases{};  ///< Further names.
  std::string owner{};  ///< Principal whose key it is to be; empty: nobody's, or the caller's.
  /// Make it in the HSM, whose one slot then needs no naming: a `uid` without `hsm::` is a label.
  bool store_in_hsm = false;
};

/// How the bytes of a key are written down. The values are the C ABI's.
enum class KeyFormat : std::uint8_t {
  jwk = 1,  ///< Private or symmetric JWK, JSON (RFC 7517).
  pem = 2,  ///< PKCS#8 or PKCS#1, passphrase-protected or not.
  der = 3,  ///< PKCS#8 or PKCS#1.
  raw = 4,  ///< The bytes of a symmetric key.
};

/// A key from elsewhere. The caller keeps, and should wipe, `data` and `passphrase`.
struct ImportKey {
  KeyFormat format = KeyFormat::jwk;           ///< Of `data`.
  std::span<const std::uint8_t> data{};        ///< The key, private half and all.
  std::span<const std::uint8_t> passphrase{};  ///< Of an encrypted PEM; else empty.
  std::string uid{};                           ///< Empty: the JWK's `kid`, or a random one.
  AlgSet algs{};                               ///< Empty: from the JWK, or all that fit the type.
  std::optional<Enc> enc{};                    ///< oct: binds the key to one `enc`.
  std::vector<std::string> aliases{};          ///< Further names.
  std::string owner{};  ///< Principal whose key it is to be; empty: nobody's, or the caller's.
};

/// How an unwrapped CEK is kept.
struct KeepCek {
  std::string uid{};  ///< Empty: a random one is made.
  /// Keep it where the key that unwraps it lives: an HSM unwraps it to an object of its own. A
  /// `uid` that begins with `hsm::` asks for the same.
  bool store_in_hsm = false;
  std::vector<std::string> aliases{};  ///< Further names.
  std::string owner{};  ///< Principal whose key it is to be; empty: nobody's, or the caller's.
};

/// Which keys a page shows.
struct ListKeys {
  std::string after{};      ///< The last UID of the page before; empty for the first.
  std::size_t limit = 100;  ///< 1 to 1000.
};

/// A page of keys.
struct KeyPage {
  std::vector<KeyInfo> keys{};  ///< In UID order; destroyed keys are left out.
  bool more = false;            ///< There are keys beyond these.
};

/// A place where keys live: a database, an HSM, a service. Thread-safe.
///
/// "Not there" is not_found; "cannot tell" is unavailable. The two are never mixed up. What a
/// provider cannot do it leaves to the defaults below, which answer bad_request. A provider never
/// asks who calls: the core has authorised each call before it comes here.
///
/// A program's own is handed to jwekms::open in Options::providers. After fork() its calls come in
/// the child as well.
class KeyProvider {
 public:
  KeyProvider() = default;
  KeyProvider(const KeyProvider&) = delete;
  KeyProvider& operator=(const KeyProvider&) = delete;
  virtual ~KeyProvider() = default;

  /// UIDs that begin with this are this provider's; the longest prefix wins, and "" takes the
  /// rest. Only a prefix of its own ever brings a provider `hsm::` UIDs.
  [[nodiscard]] virtual std::string_view uid_prefix() const noexcept { return {}; }

  /// What the UIDs of new keys begin with, where there is but one place for them: that of an HSM's
  /// one slot. Else empty.
  [[nodiscard]] virtual std::string place_of_new_keys() const { return {}; }

  /// The key that a UID or alias names. Errors: not_found, unavailable, internal_error (damaged).
  [[nodiscard]] virtual Result<std::shared_ptr<const Key>> resolve(std::string_view kid) const = 0;

  /// Makes a key. Acknowledged means durable, for this and for every change below.
  /// Errors: bad_request, conflict, unavailable.
  [[nodiscard]] virtual Result<KeyInfo> create(const CreateKey& request);
  /// Takes in a key from elsewhere.
  /// Errors: bad_request, conflict, crypto_failure (not a key for encryption), unavailable.
  [[nodiscard]] virtual Result<KeyInfo> import(const ImportKey& request);
  /// Unwraps a CEK with `parent` (of any provider) and keeps it, bound to its `enc`.
  /// Errors: those of Key::unwrap_to_keep, conflict.
  [[nodiscard]] virtual Result<KeyInfo> import_wrapped(const Key& parent, const WrappedCek& wrapped,
                                                       const KeepCek& request);
  /// Lists the keys here, in UID order.
  [[nodiscard]] virtual Result<KeyPage> list(const ListKeys& request) const;
  /// Gives a key another name. Errors: not_found, conflict.
  [[nodiscard]] virtual Result<void> add_alias(std::string_view uid, std::string_view alias);
  /// Takes a name away again. Errors: not_found, also when the alias is another key's.
  [[nodiscard]] virtual Result<void> remove_alias(std::string_view uid, std::string_view alias);
  /// Moves a key's life forward; KeyState::destroyed erases it. Errors: not_found, bad_request (a
  /// step back).
  [[nodiscard]] virtual Result<KeyInfo> set_state(std::string_view uid, KeyState state);

  // What the core's gate is to know. None of it changes.

  /// Principals who may do everything with the keys here; "*" is every principal.
  [[nodiscard]] virtual std::span<const std::string> admins() const noexcept { return {}; }
  /// Whether a key is kept together with its owner. Then everybody may make keys here, and owns
  /// them; where not, admins alone may.
  [[nodiscard]] virtual bool keeps_owners() const noexcept { return false; }
  /// Where grants are kept, for the keys of all providers; null: not here. The Kms takes the first.
  [[nodiscard]] virtual GrantStore* grants() noexcept { return nullptr; }

 protected:
  /// The answer to what a provider does not do.
  static constexpr Error not_offered{Errc::bad_request, 0,
                                     "this key provider does not offer the operation"};
};

inline Result<KeyInfo> KeyProvider::create(const CreateKey&) { return not_offered; }
inline Result<KeyInfo> KeyProvider::import(const ImportKey&) { return not_offered; }
inline Result<KeyInfo> KeyProvider::import_wrapped(const Key&, const WrappedCek&, const KeepCek&) {
  return not_offered;
}
inline Result<KeyPage> KeyProvider::list(const ListKeys&) const { return not_offered; }
inline Result<void> KeyProvider::add_alias(std::string_view, std::string_view) {
  return not_offered;
}
inline Result<void> KeyProvider::remove_alias(std::string_view, std::string_view) {
  return not_offered;
}
inline Result<KeyInfo> KeyProvider::set_state(std::string_view, KeyState) { return not_offered; }

namespace crypto {
class Library;
}

/// Unwraps a CEK with a key of the program's own, in the same time whatever the padding.
/// @param cek  2048 bytes of wiped memory: whatever `encrypted_key` holds can be decrypted into it.
/// @return the CEK's size. Any but `wrapped.enc.cek_bytes` is the token's fault.
/// Errors: decryption_failed (whatever is wrong with what stands in the token), not_found,
/// forbidden, unsupported_algorithm, unavailable, internal_error. Thread-safe.
using UnwrapCek =
    std::function<Result<std::size_t>(const WrappedCek& wrapped, std::span<std::uint8_t> cek)>;

/// What a program's own KeyProvider needs not bring: content keys, and the rules around RSA keys
/// that give CEKs to the library. Cheap to copy; thread-safe.
class JWEKMS_API ContentKeys {
 public:
  /// @param openssl_properties, openssl_config  as in Options.
  /// Errors: bad_request, unavailable.
  [[nodiscard]] static Result<ContentKeys> open(const std::string& openssl_properties = {},
                                                const std::string& openssl_config = {});

  /// AES-GCM under a CEK that lives for one call.
  /// Errors: crypto_failure (its size does not fit `enc`), unsupported_algorithm.
  [[nodiscard]] Result<std::unique_ptr<ContentKey>> make(const EncRow& enc, Cek cek) const;

  /// An RSA key that is used through `unwrap`. The implicit rejection that Key::unwrap asks for is
  /// done here: why a token did not decrypt is told to nobody.
  /// @param public_jwk  the public half (RFC 7517), to encrypt with; empty: it does not encrypt.
  /// Errors: bad_request (no public half of an RSA key, or a private key; no `unwrap`),
  /// crypto_failure (other bits than `info` has).
  [[nodiscard]] Result<std::shared_ptr<const Key>> rsa_key(KeyInfo info, UnwrapCek unwrap,
                                                           std::string_view public_jwk = {}) const;

 private:
  explicit ContentKeys(std::shared_ptr<const crypto::Library> library) noexcept
      : library_(std::move(library)) {}
  std::shared_ptr<const crypto::Library> library_;
};

}  // namespace jwekms

// SPDX-License-Identifier: Apache-2.0
#ifndef JWEKMS_PROVIDER_H
#define JWEKMS_PROVIDER_H

/// @file
/// Key providers of a program's own: keys that live in a cloud KMS, a vault, a smart card, a kernel
/// keyring. A provider is a table of functions that the program hands to jwekms_open(); from then
/// on tokens whose `kid` begins with its prefix are decrypted, and made, with its keys, under the
/// same policy, authorisation, grants and audit as all others. The rules of jwekms.h hold; those
/// below are for callbacks.
///
/// Three ways lead to a content encryption key (CEK), and each key says which is its own:
/// - An RSA key gives the CEK to the library: `unwrap` decrypts `encrypted_key`. The CEK is then in
///   wiped memory of the library for one call, and nobody else sees it.
/// - An RSA key with JWEKMS_PROVIDED_CEK_STAYS does not: `decrypt` decrypts the content too.
/// - A symmetric key is the CEK itself ("dir"): `decrypt` and `encrypt`, and it stays where it is.
///
/// Status. A callback returns JWEKMS_OK or
/// - JWEKMS_NOT_FOUND     there is no such key, or no more;
/// - JWEKMS_FORBIDDEN     the provider will not do this with the key;
/// - JWEKMS_UNSUPPORTED_ALGORITHM  it cannot, with this `alg` and `enc`;
/// - JWEKMS_UNAVAILABLE   it cannot tell now: a service out of reach, a timeout, no memory;
/// - JWEKMS_DECRYPTION_FAILED, of `unwrap` and `decrypt` alone: whatever is wrong with what stands
///   in the token, be it the padding, a size or the tag.
/// The library's caller is told so, except for the last of `unwrap`: a call that decrypts goes on
/// with a random CEK, and its caller never learns why it failed (RFC 7516 §11.5).
/// JWEKMS_BAD_REQUEST, JWEKMS_TOO_LARGE, JWEKMS_CRYPTO_FAILURE and JWEKMS_BUFFER_TOO_SMALL of these
/// two are taken for JWEKMS_DECRYPTION_FAILED. Everything else, unknown values too, is
/// JWEKMS_INTERNAL_ERROR. Never report an outage as a bad token, nor a bad token as anything else:
/// who sends tokens can see it. They can see, too, how long it took: a provider decrypts in the
/// same time whatever the padding.
///
/// Input is valid during the call only. Output goes to memory of the library's, which is wiped
/// where it may hold a secret; a callback keeps no pointer to it. Of CEKs and plaintexts the
/// provider wipes its own copies. Lengths of 0 come with any pointer, NULL too.
///
/// The structs that callbacks are called with begin with `struct_size`, which the library sets: to
/// a larger value when it is newer than the provider's header, and members beyond it are not there.
///
/// Keys. `resolve` gives the library a key: what everybody may know of it, and a handle, any value,
/// which the library hands back and never looks at. For each `resolve` that returned JWEKMS_OK
/// there is one `release`, when nothing uses the key any more, from any thread, and also where the
/// library did not like what it was told. The library keeps no key from call to call: each resolves
/// anew. A provider whose look-ups are slow keeps what it has found, and so decides how fast a
/// revocation is seen.
///
/// Threads. Every callback is called from whichever thread is inside a function of this library,
/// several at a time, also for the same handle. A call lasts as long as its callbacks: remote ones
/// need a timeout. A callback must return: no exception, no longjmp.
///
/// Calls from within. `resolve`, `release`, `unwrap`, `wrap`, `decrypt`, `encrypt` and `public_jwk`
/// may call functions of this library, with other contexts and with the one that they were called
/// through, to have a secret of theirs decrypted with a key of the database for one. No lock is
/// held; that the calls come to an end is the provider's affair. They do not close that context.
/// `after_fork` and `destroy` may use contexts alone that do not have this provider.
///
/// Fork. In a child, `after_fork` comes before every other callback, once for each jwekms_open()
/// that was given the table, whichever thread is first; the others wait for it. Keys that other
/// threads of the parent had in hand are never released in the child. A callback does not fork.
///
/// End. `destroy` is called once for each jwekms_open() that succeeded, after the last `release`,
/// when the last context over it is closed, from the thread that closes it; in a child that closes
/// an inherited context, for the child. When jwekms_open() fails the provider is still the
/// caller's, and `destroy` is not called.

#include "jwekms.h"

#ifdef __cplusplus
extern "C" {
#endif

/// @defgroup c_provider Key providers of a program's own
/// jwekms_provider.h has the rules for callbacks.
/// @{

/// For jwekms_provided_key.flags.
enum {
  /// RSA: CEKs never come here. Contents are decrypted by `decrypt` and encrypted by `encrypt`, and
  /// `unwrap` is not called; jwekms_unwrap_key() is JWEKMS_FORBIDDEN.
  JWEKMS_PROVIDED_CEK_STAYS = 1,
  JWEKMS_PROVIDED_NO_DECRYPT = 2,  ///< Not for decryption and unwrapping.
  JWEKMS_PROVIDED_NO_ENCRYPT = 4   ///< Not for encryption.
};

/// What `resolve` tells of a key. All zero but for `struct_size` before the call; text has a
/// length, no NUL, and is not terminated. A key that contradicts what is said here is damaged:
/// JWEKMS_INTERNAL_ERROR.
typedef struct jwekms_provided_key {
  uint32_t struct_size;
  uint32_t flags;      ///< JWEKMS_PROVIDED_..., or-ed together.
  void* key;           ///< The handle. Any value, NULL too.
  int32_t type;        ///< JWEKMS_KEY_TYPE_..., required.
  uint32_t bits;       ///< Required. RSA: modulus, 1024 to 16384. Symmetric: 128, 192 or 256.
  int32_t state;       ///< JWEKMS_KEY_... Default JWEKMS_KEY_ACTIVE. Destroyed is not there.
  uint32_t reserved;   ///< 0.
  int64_t created_at;  ///< Seconds since 1970-01-01T00:00:00Z, to the year 9999.
  uint64_t version;    ///< Rises with each change. Default 1.
  /// The key's one name: grants are for it, whatever name was asked for. It begins with the
  /// provider's prefix. Default: the name that was asked for.
  char uid[256];
  size_t uid_len;
  /// `alg`s, separated by spaces, that fit the type. Default: all that do.
  char algs[512];
  size_t algs_len;
  char enc[32];  ///< Symmetric: the one `enc` that the key serves. Default: any of its size.
  size_t enc_len;
} jwekms_provided_key;

/// A CEK as it stands in a token, or will. Text is not NUL-terminated.
typedef struct jwekms_provided_cek {
  uint32_t struct_size;
  uint32_t size;    ///< Bytes of the CEK, as the `enc` has it; at most 64.
  const char* alg;  ///< One that the key serves.
  size_t alg_len;
  const char* enc;  ///< One that the key serves, too.
  size_t enc_len;
  /// Of a token whose `encrypted_key` is to be unwrapped, the `kid` that it came with; else "".
  /// Bytes that a stranger chose, and not what says which key it is.
  const char* kid;
  size_t kid_len;
  /// Of a token that is decrypted: bytes that a stranger chose, at least one. Of one that is made:
  /// what `wrap` gave. Empty with "dir", and in `wrap` itself.
  const uint8_t* encrypted_key;
  size_t encrypted_key_len;
} jwekms_provided_cek;

/// Content to be decrypted. The sizes of `iv` and `tag` are those of the `enc`.
typedef struct jwekms_sealed_content {
  uint32_t struct_size;
  uint32_t reserved;  ///< 0.
  const uint8_t* iv;  ///< As the token has it.
  size_t iv_len;
  const uint8_t* aad;  ///< RFC 7516 §5.1 step 14: ASCII, to be authenticated as it stands.
  size_t aad_len;
  const uint8_t* ciphertext;  ///< Decoded from base64url.
  size_t ciphertext_len;
  const uint8_t* tag;  ///< As the token has it.
  size_t tag_len;
} jwekms_sealed_content;

/// Content to be encrypted, and where to: the provider fills all of `iv`, `ciphertext` and `tag`,
/// whose sizes follow from the `enc` and the plaintext. JWEKMS_OK with a `tag` left as it was is
/// JWEKMS_INTERNAL_ERROR.
typedef struct jwekms_sealing {
  uint32_t struct_size;
  uint32_t reserved;         ///< 0.
  const uint8_t* plaintext;  ///< A secret: no copy of it stays.
  size_t plaintext_len;
  const uint8_t* aad;  ///< As in jwekms_sealed_content.
  size_t aad_len;
  /// Holds random bytes that the library has drawn. The provider encrypts under them, or draws an
  /// IV of its own and writes it here. No IV may come twice under one key.
  uint8_t* iv;
  size_t iv_len;
  uint8_t* ciphertext;  ///< With AES-GCM as many bytes as `plaintext` has.
  size_t ciphertext_len;
  uint8_t* tag;  ///< With AES-GCM 16 bytes.
  size_t tag_len;
} jwekms_sealing;

/// A provider. jwekms_open() copies the table; `data` is the provider's until `destroy`. Callbacks
/// that are NULL are not offered, and each says what then happens.
struct jwekms_provider {
  uint32_t struct_size;
  uint32_t flags;  ///< 0: none has a name yet.
  /// What the UIDs of its keys begin with, such as "vault::", and differs from those of other
  /// providers; the longest that fits wins. Not given: the names that nobody else takes, where
  /// there is no database. Must not begin with "hsm::" or be a beginning of it.
  const char* prefix;
  size_t prefix_len;
  /// Principals who may do everything with the keys here, see jwekms_on_behalf_of(): `admin_count`
  /// pointers, and as many lengths. "*" is every principal. Default: the host alone.
  const char* const* admins;
  const size_t* admin_lens;
  size_t admin_count;

  void* data;  ///< Handed to each callback.

  /// Looks a key up. Required.
  /// @param kid  begins with the prefix, 1 to 256 bytes; a stranger may have chosen it.
  /// @param key  to be filled in.
  jwekms_status (*resolve)(void* data, const char* kid, size_t kid_len, jwekms_provided_key* key);

  /// Gives a key back. NULL: its handles need no giving back.
  void (*release)(void* data, void* key);

  /// Unwraps a CEK. NULL: JWEKMS_UNSUPPORTED_ALGORITHM.
  /// @param cek      2048 bytes of wiped memory: whatever `encrypted_key` holds can be decrypted
  ///                 into it.
  /// @param cek_len  receives the CEK's size. Any but `wrapped->size` is the token's fault, as if
  ///                 the answer were JWEKMS_DECRYPTION_FAILED.
  jwekms_status (*unwrap)(void* data, void* key, const jwekms_provided_cek* wrapped, uint8_t* cek,
                          size_t* cek_len);

  /// Wraps a fresh CEK that the library has drawn; of a key with JWEKMS_PROVIDED_CEK_STAYS, makes
  /// one and wraps it. NULL: the library wraps with the public half that `public_jwk` gives, or,
  /// where that is NULL or the CEK stays, JWEKMS_UNSUPPORTED_ALGORITHM.
  /// @param wanted             `alg`, `enc` and size.
  /// @param cek                `wanted->size` bytes; NULL where the CEK stays.
  /// @param encrypted_key      2048 bytes.
  /// @param encrypted_key_len  receives their number: as many as the modulus has.
  jwekms_status (*wrap)(void* data, void* key, const jwekms_provided_cek* wanted,
                        const uint8_t* cek, uint8_t* encrypted_key, size_t* encrypted_key_len);

  /// Decrypts content under a symmetric key, or under the CEK that it unwraps first. NULL:
  /// JWEKMS_UNSUPPORTED_ALGORITHM.
  /// @param plaintext      as many bytes as `content->ciphertext`; wiped unless JWEKMS_OK comes.
  /// @param plaintext_len  receives the number of bytes written: with AES-GCM all, be it 0. Without
  ///                       it there is no success.
  jwekms_status (*decrypt)(void* data, void* key, const jwekms_provided_cek* cek,
                           const jwekms_sealed_content* content, uint8_t* plaintext,
                           size_t* plaintext_len);

  /// Encrypts content under a symmetric key, or under the CEK that `wrap` has just made and that
  /// `cek->encrypted_key` holds. The library does not count what a provider's key encrypts: with
  /// random IVs of 96 bits the provider stops at 2^32 (NIST SP 800-38D §8.3), by JWEKMS_FORBIDDEN.
  /// NULL: JWEKMS_UNSUPPORTED_ALGORITHM.
  jwekms_status (*encrypt)(void* data, void* key, const jwekms_provided_cek* cek,
                           const jwekms_sealing* content);

  /// The public half of an RSA key as a JWK, JSON. The library takes `n` and `e` from it, refuses
  /// one with private members, and writes its own. NULL: JWEKMS_BAD_REQUEST.
  /// @param out      16384 bytes.
  /// @param out_len  receives the number of bytes written.
  jwekms_status (*public_jwk)(void* data, void* key, char* out, size_t* out_len);

  /// Makes the provider fit for a forked child: connections of the parent's are not the child's.
  /// When it fails so does the call, and the next tries again. NULL: nothing is to be done.
  jwekms_status (*after_fork)(void* data);

  /// Frees what is behind `data`. NULL: nothing is to be done. Not called in a child whose
  /// `after_fork` has not succeeded.
  void (*destroy)(void* data);
};

/// Initialises a jwekms_provider: no callback.
#define JWEKMS_PROVIDER_INIT \
  { sizeof(jwekms_provider), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/// @}

#ifdef __cplusplus
}
#endif

#endif

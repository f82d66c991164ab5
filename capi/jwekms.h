// SPDX-License-Identifier: Apache-2.0
#ifndef JWEKMS_H
#define JWEKMS_H

/// @file
/// jwekms for C and for every language that can call C: decrypts JWE tokens (RFC 7516) without
/// showing anybody the content encryption key or the private key. Stable: what stands here keeps
/// its name, its value and its meaning. C99 and C++.
///
/// These rules hold for every function, and the comments below do not repeat them.
///
/// Status. Functions that can fail return a jwekms_status, JWEKMS_OK or why not. The last
/// parameter, `error`, may be NULL; otherwise it receives the details, and is cleared on success.
/// If its own `struct_size` is too small, the call ends there with JWEKMS_BAD_REQUEST, and touches
/// nothing. Nothing is kept per thread: a runtime that moves its tasks between threads (Go) reads
/// its own error.
///
/// Input is a pointer and a length in bytes, text included, and needs no terminating NUL. Text is
/// UTF-8. Nothing is kept after a call, and nothing is modified. Length 0 means empty, or not
/// given, and the pointer is then not looked at, but for `kek`; NULL with any other length is
/// JWEKMS_BAD_REQUEST.
///
/// Output goes to the caller's `out`, whose size stands in `*out_len`:
/// - `out` NULL asks for the size: `*out_len` receives a bound that always suffices, and is at
///   least 1, so that a buffer of this size is never NULL and a question is never mistaken for an
///   answer. No key is used, and *nothing is verified*.
/// - `*out_len` too small: JWEKMS_BUFFER_TOO_SMALL, `*out_len` receives the bound, no key is used.
/// - success: `*out_len` receives the number of bytes written. Text is not NUL-terminated.
/// - any other failure: `*out_len` is 0. Every failure leaves all of `out` zeroed.
/// Output may not overlap input. Bytes are uint8_t, text is char.
///
/// Structs of options begin with `struct_size`, to be set to sizeof the struct as the caller knows
/// it; the `..._INIT` macros do so. They grow at the end only, and a member that is zero takes its
/// default. An older caller's smaller struct is taken as it is; a newer caller's larger one is
/// taken if what this library does not know is all zero. Anything else is JWEKMS_BAD_REQUEST, as
/// are flags without a name here. A NULL pointer to options stands for all defaults.
///
/// Handles are opaque and the caller's to free. Each owns all that it shows: they may be freed in
/// any order, and long after their jwekms_ctx was closed.
/// Freeing NULL does nothing. On failure a handle that would have been returned is NULL.
///
/// Threads. Every function may be called from any thread, on the same handle at the same time, save
/// that nothing may use a handle while, or after, it is freed. After fork() a child may go on with
/// the contexts of its parent, databases and HSMs too; it does not open the same database file
/// again beside one that it has inherited. Fork while no other thread is inside a call: the child
/// of a call to the database finds it JWEKMS_UNAVAILABLE, and one of a call to an HSM, or with an
/// RSA key, may hang in locks that the module, or OpenSSL, has for the whole process.
///
/// Loading. dlopen() with RTLD_LOCAL or RTLD_GLOBAL, from any thread, as often as one likes;
/// dlclose() leaves the library where it is (-z nodelete), so that threads that have used it may
/// end after it. A newer file under the same name is seen by processes that start later. A plug-in
/// into which the static library is linked needs -z nodelete of its own, or is never closed.
///
/// Algorithms are named as JOSE names them: "RSA-OAEP-256", "A256GCM" (RFC 7518).
/// A UID, an alias or a `kid` is 1 to 256 bytes with no NUL among them.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

// ---- Versions -----------------------------------------------------------------------------------
/// @defgroup c_versions Versions
/// Which library this is, and whether a program can use it.
/// @{

/// Of this header. Additions leave it as it is.
#define JWEKMS_ABI_VERSION 1

/// The library's, "0.1.0". Static storage, NUL-terminated.
const char* jwekms_version_string(void);

/// The library's, as major << 16 | minor << 8 | patch.
uint32_t jwekms_version_number(void);

/// The library's JWEKMS_ABI_VERSION. Who loads the library with dlopen compares it with their own;
/// when it differs the library cannot be used.
uint32_t jwekms_abi_version(void);

/// @}

// ---- Status and errors --------------------------------------------------------------------------
/// @defgroup c_status Status and errors
/// What functions return. The codes are the same in C++ (jwekms::Errc), C and JSON.
/// @{

/// JWEKMS_OK or one of the values below. A value that the caller does not know, from a newer
/// library, is to be treated as JWEKMS_INTERNAL_ERROR.
typedef int32_t jwekms_status;

/// The values of a jwekms_status.
enum {
  JWEKMS_OK = 0,                     ///< It did what it says.
  JWEKMS_BAD_REQUEST = 1,            ///< Malformed token, header, key or argument.
  JWEKMS_FORBIDDEN = 2,              ///< The key's state, or the caller's rights, forbid this.
  JWEKMS_NOT_FOUND = 3,              ///< No such key, or it was destroyed.
  JWEKMS_CONFLICT = 4,               ///< The UID or alias exists already.
  JWEKMS_TOO_LARGE = 5,              ///< Input above a configured limit.
  JWEKMS_UNSUPPORTED_ALGORITHM = 6,  ///< `alg`, `enc` or `zip` unknown or not allowed here.
  JWEKMS_DECRYPTION_FAILED = 7,      ///< Wrong key, corrupted data, failed tag; never says which.
  JWEKMS_CRYPTO_FAILURE = 8,         ///< CEK size does not fit `enc`; key of the wrong kind.
  JWEKMS_UNAVAILABLE = 9,            ///< Database, HSM or memory out of reach; may be retried.
  JWEKMS_INTERNAL_ERROR = 10,        ///< Anything else, damaged key records included.
  JWEKMS_BUFFER_TOO_SMALL = 11       ///< `*out_len` is below the bound; nothing was done.
};

/// Details of a failure. Holds no byte of input, of keys or of paths.
typedef struct jwekms_error {
  uint32_t struct_size;
  int32_t code;       ///< The jwekms_status that the function returned.
  uint32_t position;  ///< Byte offset in the text being read; 0 when it has no meaning.
  uint32_t reserved;  ///< 0.
  const char* text;   ///< English, for people; static storage, NUL-terminated; "" on success.
} jwekms_error;

/// Initialises a jwekms_error: no error.
#define JWEKMS_ERROR_INIT \
  { sizeof(jwekms_error), 0, 0, 0, "" }

/// The status as the REST API's JSON bodies name it: "ok", "bad_request", ..., "internal_error"
/// for a value that is unknown. Static storage, NUL-terminated.
const char* jwekms_status_name(jwekms_status status);

/// The HTTP status that the REST API answers with; 500 for a value that is unknown.
int32_t jwekms_status_http(jwekms_status status);

/// @}

// ---- HSMs ---------------------------------------------------------------------------------------
/// @defgroup c_hsm HSMs
/// Keys in an HSM behind PKCS#11. Their UIDs are `hsm::<model>::<slot number>::<label>`, and of the
/// second HSM of one model `hsm::<model>_1::...`. examples/hsm has a page for each model.
///
/// A host may use the same module itself. PKCS#11 keeps one initialisation and one login for the
/// whole process. The library never finalises what the host has initialised, never logs out, and
/// closes only its own sessions: sessions, login and objects of the host's outlive every context.
/// Where the library was first (C_Initialize answers CKR_CRYPTOKI_ALREADY_INITIALIZED), its last
/// context finalises the module, the host's sessions with it: initialise first, or keep a context
/// open. While a context is open, and as long as a session is after it, the token is logged in for
/// the host, too. If the host logs out, closes all sessions or finalises the module under an open
/// context, calls may be JWEKMS_UNAVAILABLE until the library has it up again. A module that is
/// made with OpenSSL may take a failure of its own from the thread's queue of OpenSSL errors
/// together with what the host has there, as SoftHSM does; it leaves none behind.
/// @{

/// For jwekms_hsm_slot.login.
enum {
  JWEKMS_HSM_LOGIN_USER = 1,  ///< CKU_USER, with the PIN.
  JWEKMS_HSM_LOGIN_NONE = 2   ///< Keys that everybody may use; no PIN.
};

/// For jwekms_hsm_slot.flags.
enum {
  JWEKMS_HSM_SLOT_BY_ID = 1  ///< `slot_id` says which; else it must be 0.
};

/// One token of an HSM. Which one: by label and serial where either is given, by `slot_id` where
/// that is, else the token at position `number` of C_GetSlotList (tokens present only, from 0).
/// The choice must be unique. After a reconnection a token is looked for as before, but one chosen
/// by position or `slot_id` by the label and serial that it had, as numbers move; or, where one
/// token alone has gone and one alone is new, as the one that was made anew.
typedef struct jwekms_hsm_slot {
  uint32_t struct_size;
  uint32_t flags;           ///< JWEKMS_HSM_SLOT_BY_ID or 0.
  uint64_t number;          ///< Stands in the UIDs.
  const char* token_label;  ///< Without the padding.
  size_t token_label_len;
  const char* token_serial;  ///< As the token tells it.
  size_t token_serial_len;
  uint64_t slot_id;  ///< CK_SLOT_ID.
  /// The PIN, or where it is: "file:/path" (a last newline is left out), "env:NAME". Never logged,
  /// never tried again when refused. An open context keeps it, in wiped memory, to log in again;
  /// no other copy is left behind. The caller wipes its own.
  const char* pin;
  size_t pin_len;
  int32_t login;      ///< Default JWEKMS_HSM_LOGIN_USER.
  uint32_t reserved;  ///< 0.
} jwekms_hsm_slot;

/// Initialises a jwekms_hsm_slot: all defaults.
#define JWEKMS_HSM_SLOT_INIT \
  { sizeof(jwekms_hsm_slot), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/// For jwekms_hsm_options.flags.
enum {
  /// With JWEKMS_CEK_IN_HSM, refuse keys that could bring a CEK out: those that may also decrypt or
  /// sign, or may leave the HSM token. Without it each gives a warning.
  JWEKMS_HSM_FORBID_WEAK_KEYS = 1
};

/// For jwekms_hsm_options.cek_boundary: where a CEK is while a token is decrypted.
enum {
  /// The HSM decrypts `encrypted_key`; the CEK stays in wiped process memory for the call.
  JWEKMS_CEK_IN_PROCESS = 1,
  /// The HSM unwraps the CEK to an object of its own and decrypts the content too: the CEK is never
  /// in process memory. Where the HSM cannot, the call fails; it never falls back.
  JWEKMS_CEK_IN_HSM = 2
};

/// For jwekms_hsm_options.raw_rsa_fallback.
enum {
  JWEKMS_AS_USUAL = 0,  ///< With the model: on for softhsm2, off for the others.
  JWEKMS_ON = 1,        ///< With every model.
  JWEKMS_OFF = 2        ///< With no model.
};

/// One HSM.
typedef struct jwekms_hsm_options {
  uint32_t struct_size;
  uint32_t flags;     ///< JWEKMS_HSM_FORBID_WEAK_KEYS or 0.
  const char* model;  ///< Required: softhsm2, utimaco, proteccio, crypt2pay, smartcardhsm, other.
  size_t model_len;
  const char* module_path;  ///< Default: the model's usual path.
  size_t module_path_len;
  /// Handed to C_Initialize as pReserved, for modules that want it (NSS). A module is initialised
  /// once for the process: HSMs of one module say the same, and the first context counts.
  const char* init_args;
  size_t init_args_len;
  const jwekms_hsm_slot* const* slots;  ///< `slot_count` pointers; one at least.
  size_t slot_count;
  int32_t cek_boundary;  ///< Default JWEKMS_CEK_IN_PROCESS.
  /// Where a token lacks OAEP with a hash, let it do the bare RSA operation and take the padding
  /// off here, in constant time. JWEKMS_CEK_IN_PROCESS only.
  int32_t raw_rsa_fallback;
  /// Sessions for operations in flight, a slot; one more holds the login. At most 4096. Default 32.
  uint32_t max_sessions;
  /// Wait for a session at most; then JWEKMS_UNAVAILABLE. Default 5000.
  uint32_t session_timeout_ms;
  /// Principals who may do everything with the keys of this HSM, see jwekms_on_behalf_of():
  /// `admin_count` pointers, and as many lengths. Default: the host alone.
  const char* const* admins;
  const size_t* admin_lens;
  size_t admin_count;
} jwekms_hsm_options;

/// Initialises a jwekms_hsm_options: all defaults.
#define JWEKMS_HSM_OPTIONS_INIT \
  { sizeof(jwekms_hsm_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/// @}

// ---- Context ------------------------------------------------------------------------------------
/// @defgroup c_context Context
/// Opening and closing, and what is done to a whole database.
/// @{

/// An open key database, the HSMs, the policy that guards both, and the cryptography. The host's
/// own OpenSSL configuration, providers, properties and errors are neither read nor changed. One
/// thing OpenSSL does not keep apart: with a RAND_METHOD of the host's, it takes the padding of
/// OAEP and the primes of new RSA keys from there; all else is still drawn from a generator of our
/// own.
typedef struct jwekms_ctx jwekms_ctx;

/// Receives a warning for the operator; never key or token bytes.
/// @param data  jwekms_open_options.on_warning_data.
/// @param text  not NUL-terminated; valid during the call only.
/// Called from whichever thread is inside a function of this library, several at a time if there
/// are several. Must return: no exception, no longjmp, no call with the same context.
typedef void (*jwekms_warning_callback)(void* data, const char* text, size_t text_len);

/// One call, after it was decided. Never token or key bytes; but names of keys are bytes that a
/// stranger may have chosen: whoever writes them to a log escapes them. Text is not NUL-terminated,
/// and "" where it has no meaning. The library sets `struct_size`: to a larger value when it is
/// newer than the caller's header, and members beyond it are not there.
typedef struct jwekms_audit_event {
  uint32_t struct_size;
  jwekms_status status;   ///< What came of it.
  uint64_t time_ns;       ///< How long it took.
  const char* principal;  ///< Who called; "": the host itself.
  size_t principal_len;
  /// The function without "jwekms_": "decrypt", "encrypt", "reencrypt", "unwrap_key", "create_key",
  /// "import_key", "describe_key", "list_keys", "public_jwk", "public_jwks", "add_alias",
  /// "remove_alias", "set_key_state" ("destroy_key" where that destroys), "grant", "revoke";
  /// "grants" for jwekms_list_grants(). New ones may come. (jwekms_response_operation() names
  /// requests instead.)
  const char* operation;
  size_t operation_len;
  const char* kid;  ///< The key, as the caller or the token names it.
  size_t kid_len;
  const char* uid;  ///< The key that was found, or made.
  size_t uid_len;
  /// What else it was about. unwrap_key: the UID of the CEK that was kept. reencrypt: the key
  /// encrypted to, as the caller names it. grant, revoke: to or from whom. add_alias: the alias.
  const char* other;
  size_t other_len;
  uint32_t permissions;  ///< grant: JWEKMS_MAY_..., or-ed together.
  uint32_t reserved;     ///< 0.
} jwekms_audit_event;

/// Receives each call that might touch a key, from the thread that made it, before it returns.
/// @param data   jwekms_open_options.on_audit_data.
/// @param event  it and its texts are valid during the call only.
/// Must return: no exception, no longjmp, no call with the same context.
typedef void (*jwekms_audit_callback)(void* data, const jwekms_audit_event* event);

/// For jwekms_open_options.policy_flags: what the default policy refuses.
enum {
  JWEKMS_ALLOW_MISSING_KID = 1,  ///< Tokens with no `kid`; the caller names the key instead.
  JWEKMS_ALLOW_UNPROTECTED = 2,  ///< `alg`, `enc`, `kid` in any header (RFC 7516 §7.2.1).
  JWEKMS_ALLOW_ZIP = 4,          ///< `"zip":"DEF"`; lengths then tell of contents.
  JWEKMS_ALLOW_COMPROMISED = 8   ///< Decryption under keys marked compromised.
};

/// Where keys of the program's own live: jwekms_provider.h says how to make one.
typedef struct jwekms_provider jwekms_provider;

/// What jwekms_open() opens, and by which rules.
typedef struct jwekms_open_options {
  uint32_t struct_size;
  uint32_t policy_flags;      ///< JWEKMS_ALLOW_..., or-ed together.
  const char* database_path;  ///< SQLite file, created if absent. Not given: no database.
  size_t database_path_len;
  /// File with the key-encryption key of the database. Default: `database_path` + ".kek". Created
  /// with mode 0600 when the database is, unless it is there, with a warning. Refused when group or
  /// others have any right to it, when it belongs to anybody but root and this process's effective
  /// user, and when it is a symbolic link.
  const char* kek_path;
  size_t kek_path_len;
  /// The key-encryption key itself, 32 bytes, instead of a file. Not given: NULL; any other pointer
  /// with length 0 is JWEKMS_BAD_REQUEST. The caller wipes its own copy.
  const uint8_t* kek;
  size_t kek_len;
  /// `alg` names separated by spaces, and all others are refused: "RSA-OAEP-256 dir".
  /// Default: "RSA-OAEP RSA-OAEP-256 dir".
  const char* policy_algs;
  size_t policy_algs_len;
  /// `enc` names likewise. Default: "A128GCM A192GCM A256GCM".
  const char* policy_encs;
  size_t policy_encs_len;
  /// OpenSSL property query for every algorithm, such as "fips=yes".
  const char* openssl_properties;
  size_t openssl_properties_len;
  /// OpenSSL configuration file for this context alone, to load providers from.
  const char* openssl_config;
  size_t openssl_config_len;
  jwekms_warning_callback on_warning;  ///< NULL: warnings go to standard error.
  void* on_warning_data;               ///< Valid until the last context over it is closed.
  uint32_t rsa_min_bits;               ///< Not below 1024. Default 2048.
  /// How long another process's change to a key, a revocation above all, may go unseen.
  uint32_t cache_ttl_ms;      ///< Default 1000.
  uint32_t busy_timeout_ms;   ///< Wait for another process's write. Default 5000.
  uint32_t cache_entries;     ///< Decrypted keys held at most. Default 1024.
  size_t max_token_bytes;     ///< A whole serialization. Default 64 MiB.
  size_t max_header_bytes;    ///< A decoded header. Default, and at most, 16384.
  size_t max_recipients;      ///< Of a general serialization. Default 100.
  size_t max_inflated_bytes;  ///< Plaintext of a `zip` token. Default 1 MiB.
  size_t max_inflated_ratio;  ///< Plaintext bytes for each compressed byte. Default 100.
  const jwekms_hsm_options* const* hsms;  ///< `hsm_count` pointers. Default: no HSM.
  size_t hsm_count;
  /// Slots that hold the same RSA keys under the same labels: a replicated HSM. Each pool is a text
  /// of two slots or more, separated by spaces: "hsm::softhsm2::0 hsm::softhsm2::1". UIDs of the
  /// first are served by whichever slot is at hand. `hsm_pool_count` pointers, and as many lengths.
  const char* const* hsm_pools;
  const size_t* hsm_pool_lens;
  size_t hsm_pool_count;
  /// UID of an AES-256 key in one of the HSMs that wraps the key-encryption key, which is then
  /// kept, wrapped, in the database itself: without the HSM nobody opens it. The key must be there:
  /// jwekms_create_key() with JWEKMS_KEY_TYPE_OCT makes one for HSMs with AES-GCM; for AES key wrap
  /// it is made by the HSM's own tool. It serves no JWE. Excludes `kek_path` and `kek`.
  const char* key_encryption_key;
  size_t key_encryption_key_len;
  /// Principals who may do everything with every key, see jwekms_on_behalf_of(): `admin_count`
  /// pointers, and as many lengths. "*" is every principal. Default: the host alone.
  const char* const* admins;
  const size_t* admin_lens;
  size_t admin_count;
  jwekms_audit_callback on_audit;  ///< NULL: no audit.
  void* on_audit_data;             ///< Valid until the last context over it is closed.
  /// Key providers of the program's own: `provider_count` pointers. Default: none.
  const jwekms_provider* const* providers;
  size_t provider_count;
} jwekms_open_options;

/// Initialises a jwekms_open_options: all defaults.
#define JWEKMS_OPEN_OPTIONS_INIT                                                                   \
  {                                                                                                \
    sizeof(jwekms_open_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                       \
  }

/// Opens a context. One with HSMs must be closed before main() returns.
/// @param ctx  receives a handle, to be closed with jwekms_close().
/// Errors: bad_request (options, two providers with one prefix among them), unsupported_algorithm
/// (a policy names what is unknown; the HSM cannot wrap with `key_encryption_key`), unavailable
/// (database, key file or HSM out of reach, or a PIN refused), not_found (the HSM has no
/// `key_encryption_key`), forbidden (the key file is one of those that `kek_path` refuses),
/// crypto_failure (the key-encryption key is not this database's, or is kept in another way: file
/// or HSM), internal_error.
jwekms_status jwekms_open(const jwekms_open_options* options, jwekms_ctx** ctx,
                          jwekms_error* error);

/// Closes a context and, if it is the last over what was opened, wipes the keys that it held. No
/// other call may be using it.
void jwekms_close(jwekms_ctx* ctx);

/// Changes who keeps a database's key-encryption key: from a file to an HSM, or from one key of an
/// HSM to another. The key itself stays, so a copy that somebody has of the file, or of the
/// database and the old HSM key, still opens what it opened: destroy them. Who has the database
/// open goes on, and needs the new options after a restart or fork().
/// @param options  as the database is opened now, required.
/// @param to       UID of the AES-256 key that wraps from now on, in one of its HSMs.
/// Errors: those of jwekms_open(); not_found (no such database), conflict (changed by another
/// process meanwhile).
jwekms_status jwekms_rewrap_database(const jwekms_open_options* options, const char* to,
                                     size_t to_len, jwekms_error* error);

/// Receives how far a long task has come, in records.
/// @param data  as given with the callback.
/// Called from the thread that does the task. Must return: no exception, no longjmp.
typedef void (*jwekms_progress_callback)(void* data, uint64_t done, uint64_t total);

/// Gives a database a new key-encryption key, kept where the one before was, and seals every record
/// anew under it. All or nothing: what ends in the middle, by kill -9 too, has changed nothing and
/// can be begun again. Nobody may have the database open meanwhile. The old key file becomes
/// `kek_path` + ".old": old copies of the database open with it alone; destroy it with them, for
/// there is no other rotation while it is there. With `key_encryption_key`, old copies hold their
/// own key, for the HSM to unwrap.
/// @param options      as the database is opened, required. Not with `kek`, which the caller would
///                     have to replace.
/// @param on_progress  NULL: nobody is told.
/// Errors: those of jwekms_open(); not_found (no such database), bad_request (`kek`), conflict (the
/// old file of an earlier rotation), unavailable (somebody has the database open).
jwekms_status jwekms_rotate_kek(const jwekms_open_options* options,
                                jwekms_progress_callback on_progress, void* data,
                                jwekms_error* error);

/// @}

// ---- Principals ---------------------------------------------------------------------------------
/// @defgroup c_principals Principals
/// A context of jwekms_open() acts for the host, the program that it is part of, which may do
/// everything. One that acts for a principal authorises every call:
///
/// An admin, of everything (jwekms_open_options) or of one HSM (jwekms_hsm_options), may do
/// everything with the keys there. A key in the database belongs to the principal who made,
/// imported or unwrapped it: the owner may do everything with it. Anybody else may do what they, or
/// all principals, were granted, and is refused what they were not: forbidden if the key is there,
/// not_found if it is not. A key that the host made without an owner has none, as no key in an HSM
/// has. Everybody may make keys in the database; in an HSM admins alone may. To destroy a key takes
/// its owner or an admin. Public halves are for everybody, but to have them encrypted with takes
/// the permission to encrypt. Lists show the keys with which the principal may do something.
/// So every function that names a key may fail with forbidden; the comments below do not repeat it.
/// @{

/// A context that acts for a principal, the name of somebody whom the host has authenticated.
/// Cheap: it shares all that `ctx` has open. The two are closed each, in any order.
/// @param ctx        acts for the host.
/// @param principal  1 to 256 bytes of UTF-8 without control characters; not "*".
/// @param acting     receives a handle, to be closed with jwekms_close().
/// Errors: bad_request (the name), forbidden (`ctx` acts for a principal already).
jwekms_status jwekms_on_behalf_of(const jwekms_ctx* ctx, const char* principal,
                                  size_t principal_len, jwekms_ctx** acting, jwekms_error* error);

/// What a grant allows with one key. Whoever was granted anything may also describe the key.
enum {
  JWEKMS_MAY_DECRYPT = 1,   ///< Of a reencryption, the first half.
  JWEKMS_MAY_ENCRYPT = 2,   ///< With the public half, too; of a reencryption, the second half.
  JWEKMS_MAY_UNWRAP = 4,    ///< Keep a CEK that the key unwraps.
  JWEKMS_MAY_DESCRIBE = 8,  ///< See its metadata.
  JWEKMS_MAY_MANAGE = 16,   ///< States and aliases. Does not destroy.
  JWEKMS_MAY_GRANT = 32     ///< Hand on what one was granted, see all grants, revoke any.
};

/// Lets a principal, or all ("*"), do exactly these things with a key, wherever it lives. Replaces
/// any earlier grant to them. Grants are kept in the database.
/// @param uid          a UID, not an alias.
/// @param permissions  JWEKMS_MAY_..., or-ed together; one at least.
/// Errors: bad_request (also: no database), not_found, forbidden, unavailable.
jwekms_status jwekms_grant(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                           const char* principal, size_t principal_len, uint32_t permissions,
                           jwekms_error* error);

/// Takes back what a principal, or all ("*"), was granted. Other processes see it within
/// `cache_ttl_ms`. Errors: those of jwekms_grant(); not_found also when there was no grant.
jwekms_status jwekms_revoke(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                            const char* principal, size_t principal_len, jwekms_error* error);

/// The grants of one key, as they were when the handle was made, in the order of the names' bytes.
typedef struct jwekms_grant_list jwekms_grant_list;

/// Lists a key's grants. For the owner, admins, and who was granted JWEKMS_MAY_GRANT.
/// @param list  receives a handle, to be freed with jwekms_grant_list_free().
/// Errors: those of jwekms_grant().
jwekms_status jwekms_list_grants(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                                 jwekms_grant_list** list, jwekms_error* error);

/// How many they are; 0 for a NULL handle.
size_t jwekms_grant_list_count(const jwekms_grant_list* list);
/// To whom one of the grants is. NUL-terminated, valid until the list is freed.
/// @param index  below jwekms_grant_list_count(); NULL is returned for any other.
/// @param len    receives its length; may be NULL.
const char* jwekms_grant_list_principal(const jwekms_grant_list* list, size_t index, size_t* len);
/// What it allows: JWEKMS_MAY_..., or-ed together; 0 for an index that there is not. New ones may
/// come.
uint32_t jwekms_grant_list_permissions(const jwekms_grant_list* list, size_t index);

/// Frees a list of grants.
void jwekms_grant_list_free(jwekms_grant_list* list);

/// @}

// ---- Tokens -------------------------------------------------------------------------------------
/// @defgroup c_tokens Tokens
/// Decryption, encryption, and both in one call.
/// @{

/// Which key jwekms_decrypt() uses.
typedef struct jwekms_decrypt_options {
  uint32_t struct_size;
  uint32_t flags;  ///< 0: none has a name yet.
  /// UID or alias of the key, for tokens with no `kid` (JWEKMS_ALLOW_MISSING_KID) or with an
  /// issuer's own. Picks the recipient of a general serialization. Default: the token's `kid`.
  const char* key;
  size_t key_len;
} jwekms_decrypt_options;

/// Initialises a jwekms_decrypt_options: all defaults.
#define JWEKMS_DECRYPT_OPTIONS_INIT \
  { sizeof(jwekms_decrypt_options), 0, 0, 0 }

/// Decrypts one JWE. RFC 7516 §5.2. A JWE says nothing about who made it: what decrypts is not
/// thereby authentic.
/// @param token  compact, flattened or general serialization.
/// @param out    receives the plaintext; what follows it there has no meaning. The bound is as many
/// bytes as the plaintext can have, and room for a tag, which spares what an HSM decrypts a copy.
/// Errors: bad_request, too_large, unsupported_algorithm, not_found, forbidden, crypto_failure (key
/// of the wrong kind), decryption_failed, unavailable, buffer_too_small.
jwekms_status jwekms_decrypt(const jwekms_ctx* ctx, const char* token, size_t token_len,
                             const jwekms_decrypt_options* options, uint8_t* out, size_t* out_len,
                             jwekms_error* error);

/// For jwekms_encrypt_options.serialization (RFC 7516 §7).
enum {
  JWEKMS_COMPACT = 0,   ///< Five base64url segments.
  JWEKMS_FLATTENED = 1  ///< A JSON object with one recipient.
};

/// What kind of token jwekms_encrypt() makes, and for which key.
typedef struct jwekms_encrypt_options {
  uint32_t struct_size;
  int32_t serialization;  ///< Default JWEKMS_COMPACT.
  const char* key;        ///< UID or alias, required; becomes the header's `kid` as it stands.
  size_t key_len;
  const char* alg;  ///< Default "RSA-OAEP-256".
  size_t alg_len;
  const char* enc;  ///< Default "A256GCM".
  size_t enc_len;
  const uint8_t* aad;  ///< The `aad` member, before base64url; flattened only. Default: none.
  size_t aad_len;
} jwekms_encrypt_options;

/// Initialises a jwekms_encrypt_options: all defaults.
#define JWEKMS_ENCRYPT_OPTIONS_INIT \
  { sizeof(jwekms_encrypt_options), 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/// Makes one JWE under a fresh CEK, or with "dir" under the key itself. RFC 7516 §5.1.
/// @param options  required, for its `key`.
/// @param out      receives the token, ASCII unless the key's name is not.
/// Errors: bad_request, unsupported_algorithm, not_found, forbidden (the key is not active),
/// crypto_failure, unavailable, buffer_too_small.
jwekms_status jwekms_encrypt(const jwekms_ctx* ctx, const uint8_t* plaintext, size_t plaintext_len,
                             const jwekms_encrypt_options* options, char* out, size_t* out_len,
                             jwekms_error* error);

/// Decrypts under one key and encrypts under another; the plaintext never leaves the library.
/// @param from  as for jwekms_decrypt().
/// @param to    as for jwekms_encrypt().
/// @param out   receives the new token.
/// Errors: those of both.
jwekms_status jwekms_reencrypt(const jwekms_ctx* ctx, const char* token, size_t token_len,
                               const jwekms_decrypt_options* from, const jwekms_encrypt_options* to,
                               char* out, size_t* out_len, jwekms_error* error);

/// @}

// ---- Key metadata -------------------------------------------------------------------------------
/// @defgroup c_key_info Key metadata
/// What anybody may know of a key.
/// @{

/// All that anybody may know of a key, as it was when the handle was made.
///
/// A handle with a function for each member, because a call that makes or changes a key must not be
/// repeated to learn a size; because nothing but integers and pointers crosses into ctypes, cgo or
/// purego, and no layout has to be copied there; because a new member is a new symbol, which a
/// binding can look for; and because UIDs are bytes, which JSON could not carry.
///
/// Functions that return text return a pointer into the handle, NUL-terminated, valid until the
/// handle is freed, and its length in `*len` where `len` is not NULL. None returns NULL, except
/// for a NULL handle.
typedef struct jwekms_key_info jwekms_key_info;

/// Key types: `kty` of RFC 7518 §6.1.
enum {
  JWEKMS_KEY_TYPE_RSA = 1,  ///< Unwraps CEKs (RFC 7518 §4.3).
  JWEKMS_KEY_TYPE_OCT = 2   ///< Symmetric; a CEK for "dir".
};

/// The life of a key, which goes forward only.
enum {
  JWEKMS_KEY_ACTIVE = 1,       ///< Decrypts and encrypts.
  JWEKMS_KEY_DEACTIVATED = 2,  ///< Decrypts, does not encrypt.
  JWEKMS_KEY_COMPROMISED = 3,  ///< Decrypts only with JWEKMS_ALLOW_COMPROMISED.
  /// Gone. In a database its UID stays taken; a label of an HSM may be used again.
  JWEKMS_KEY_DESTROYED = 4
};

/// The UID: the key's one name that never changes.
const char* jwekms_key_info_uid(const jwekms_key_info* info, size_t* len);
/// JWEKMS_KEY_TYPE_..., or 0 for a NULL handle. New types may come.
int32_t jwekms_key_info_type(const jwekms_key_info* info);
/// Modulus of an RSA key, length of a symmetric one, in bits.
uint32_t jwekms_key_info_bits(const jwekms_key_info* info);
/// The only `alg`s that the key serves, separated by spaces.
const char* jwekms_key_info_algs(const jwekms_key_info* info, size_t* len);
/// The only `enc` that a symmetric key serves; "" for any of its size, and for other types.
const char* jwekms_key_info_enc(const jwekms_key_info* info, size_t* len);
/// JWEKMS_KEY_ACTIVE or another state, or 0 for a NULL handle.
int32_t jwekms_key_info_state(const jwekms_key_info* info);
/// Whether the key may decrypt at all: 1 or 0. From a JWK's `key_ops` (RFC 7517 §4.3); says nothing
/// of the state.
int32_t jwekms_key_info_may_decrypt(const jwekms_key_info* info);
/// Whether the key may encrypt at all, likewise.
int32_t jwekms_key_info_may_encrypt(const jwekms_key_info* info);
/// For a CEK that jwekms_unwrap_key() kept, the UID of the key that had wrapped it; else "".
const char* jwekms_key_info_parent(const jwekms_key_info* info, size_t* len);
/// The principal whose key it is, see jwekms_on_behalf_of(); "" for a key without an owner.
const char* jwekms_key_info_owner(const jwekms_key_info* info, size_t* len);
/// Seconds since 1970-01-01T00:00:00Z; 0 where nobody knows, as of keys in an HSM.
int64_t jwekms_key_info_created_at(const jwekms_key_info* info);
/// Rises with each change of the key's record; 1 where there is none, as of keys in an HSM.
uint64_t jwekms_key_info_version(const jwekms_key_info* info);
/// Names that lead to the key beside its UID; 0 for a NULL handle.
size_t jwekms_key_info_alias_count(const jwekms_key_info* info);
/// One of them.
/// @param index  below jwekms_key_info_alias_count(); NULL is returned for any other.
const char* jwekms_key_info_alias(const jwekms_key_info* info, size_t index, size_t* len);

/// Frees metadata.
void jwekms_key_info_free(jwekms_key_info* info);

/// @}

// ---- Keys ---------------------------------------------------------------------------------------
/// @defgroup c_keys Keys
/// Where a function has a parameter `info`, it receives a handle, to be freed with
/// jwekms_key_info_free(); it may be NULL when the metadata is not wanted. A change that is
/// acknowledged is durable.
/// @{

/// The key that jwekms_create_key() makes.
typedef struct jwekms_create_key_options {
  uint32_t struct_size;
  int32_t type;     ///< Default JWEKMS_KEY_TYPE_RSA.
  uint32_t bits;    ///< RSA: 2048 (default), 3072 or 4096. Symmetric: from `enc`.
  uint32_t flags;   ///< 0: none has a name yet.
  const char* uid;  ///< "hsm::<model>::<slot>::<label>": made in that HSM. Default: a random one.
  size_t uid_len;
  const char* algs;  ///< Separated by spaces. Default: all that fit the type.
  size_t algs_len;
  const char* enc;  ///< Symmetric only. Default "A256GCM".
  size_t enc_len;
  const char* owner;  ///< Principal whose key it is to be. Default: none; for a principal, itself.
  size_t owner_len;
  const char* const* aliases;  ///< `alias_count` pointers, and as many lengths.
  const size_t* alias_lens;
  size_t alias_count;
} jwekms_create_key_options;

/// Initialises a jwekms_create_key_options: all defaults.
#define JWEKMS_CREATE_KEY_OPTIONS_INIT \
  { sizeof(jwekms_create_key_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/// Makes a key.
/// Errors: bad_request, unsupported_algorithm (a name is unknown; the HSM makes no such key),
/// crypto_failure (bits below `rsa_min_bits`), conflict, unavailable.
jwekms_status jwekms_create_key(const jwekms_ctx* ctx, const jwekms_create_key_options* options,
                                jwekms_key_info** info, jwekms_error* error);

/// Formats of jwekms_import_key().
enum {
  JWEKMS_KEY_FORMAT_JWK = 1,  ///< Private or symmetric JWK, JSON (RFC 7517).
  JWEKMS_KEY_FORMAT_PEM = 2,  ///< PKCS#8 (RFC 5208) or PKCS#1 (RFC 8017).
  JWEKMS_KEY_FORMAT_DER = 3,  ///< The same, without the armour.
  JWEKMS_KEY_FORMAT_RAW = 4   ///< The bytes of a symmetric key.
};

/// How jwekms_import_key() reads a key, and what it becomes.
typedef struct jwekms_import_key_options {
  uint32_t struct_size;
  int32_t format;             ///< Default JWEKMS_KEY_FORMAT_JWK.
  const uint8_t* passphrase;  ///< Of an encrypted PEM. The caller wipes its own copy.
  size_t passphrase_len;
  const char* uid;  ///< Default: the JWK's `kid`, or a random one.
  size_t uid_len;
  const char* algs;  ///< Separated by spaces. Default: the JWK's, or all that fit the type.
  size_t algs_len;
  const char* enc;  ///< Binds a symmetric key to one `enc`.
  size_t enc_len;
  const char* owner;  ///< Principal whose key it is to be. Default: none; for a principal, itself.
  size_t owner_len;
  const char* const* aliases;  ///< `alias_count` pointers, and as many lengths.
  const size_t* alias_lens;
  size_t alias_count;
} jwekms_import_key_options;

/// Initialises a jwekms_import_key_options: all defaults.
#define JWEKMS_IMPORT_KEY_OPTIONS_INIT \
  { sizeof(jwekms_import_key_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/// Takes in a key from elsewhere.
/// @param data  the key in the format of the options. The caller wipes its own copy.
/// Errors: bad_request, unsupported_algorithm (a name is unknown), crypto_failure (not a key for
/// encryption, or too small), conflict, unavailable.
jwekms_status jwekms_import_key(const jwekms_ctx* ctx, const uint8_t* data, size_t data_len,
                                const jwekms_import_key_options* options, jwekms_key_info** info,
                                jwekms_error* error);

/// For jwekms_unwrap_key_options.flags.
enum {
  /// Keep the CEK where the key that unwraps it lives: an HSM unwraps it to an object of its own,
  /// and it is never here. A `uid` that begins with "hsm::" asks for the same.
  JWEKMS_STORE_IN_HSM = 1
};

/// How jwekms_unwrap_key() keeps a CEK.
typedef struct jwekms_unwrap_key_options {
  uint32_t struct_size;
  uint32_t flags;   ///< JWEKMS_STORE_IN_HSM or 0.
  const char* key;  ///< UID or alias of the key that unwraps. Default: the token's `kid`.
  size_t key_len;
  const char* uid;  ///< Of the key that is made. Default: a random one.
  size_t uid_len;
  const char* owner;  ///< Principal whose key it is to be. Default: none; for a principal, itself.
  size_t owner_len;
  const char* const* aliases;  ///< `alias_count` pointers, and as many lengths.
  const size_t* alias_lens;
  size_t alias_count;
} jwekms_unwrap_key_options;

/// Initialises a jwekms_unwrap_key_options: all defaults.
#define JWEKMS_UNWRAP_KEY_OPTIONS_INIT \
  { sizeof(jwekms_unwrap_key_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/// Unwraps a token's CEK and keeps it as a managed key for "dir" (RFC 7518 §4.5), bound to the
/// token's `enc`. Its UID is the `kid` of later "dir" tokens.
/// @param token  a whole token, or a JSON object with `protected` and `encrypted_key` alone.
/// Errors: bad_request, too_large, unsupported_algorithm (an `alg` that wraps nothing), not_found,
/// forbidden, decryption_failed, crypto_failure (size of the CEK), conflict, unavailable.
jwekms_status jwekms_unwrap_key(const jwekms_ctx* ctx, const char* token, size_t token_len,
                                const jwekms_unwrap_key_options* options, jwekms_key_info** info,
                                jwekms_error* error);

/// Looks a key up.
/// @param kid  a UID or an alias.
/// Errors: bad_request, not_found, unavailable, internal_error (a damaged record).
jwekms_status jwekms_describe_key(const jwekms_ctx* ctx, const char* kid, size_t kid_len,
                                  jwekms_key_info** info, jwekms_error* error);

/// Moves a key's life forward. JWEKMS_KEY_DESTROYED erases it for good.
/// @param uid    a UID, not an alias.
/// @param state  JWEKMS_KEY_...
/// Errors: bad_request (a step back, an unknown state), not_found, unavailable.
jwekms_status jwekms_set_key_state(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                                   int32_t state, jwekms_key_info** info, jwekms_error* error);

/// Gives a key another name, for the `kid` of an issuer.
/// Errors: bad_request, not_found, conflict, unavailable.
jwekms_status jwekms_add_alias(const jwekms_ctx* ctx, const char* uid, size_t uid_len,
                               const char* alias, size_t alias_len, jwekms_error* error);

/// Takes a name away again. Errors: bad_request, not_found, unavailable.
jwekms_status jwekms_remove_alias(const jwekms_ctx* ctx, const char* alias, size_t alias_len,
                                  jwekms_error* error);

/// The public half of a key as a JWK, JSON (RFC 7517 §4), with `kid` the UID. Its size can be asked
/// for, or an ample buffer be given at once.
/// @param kid  a UID or an alias.
/// Errors: bad_request, not_found, crypto_failure (a symmetric key), unavailable,
/// buffer_too_small.
jwekms_status jwekms_public_jwk(const jwekms_ctx* ctx, const char* kid, size_t kid_len, char* out,
                                size_t* out_len, jwekms_error* error);

/// The public halves of all active RSA keys that may encrypt, as a JWK Set, JSON (RFC 7517 §5),
/// except those of a jwekms_provider, which lists none. A key that is of no use is left out; while
/// the database or an HSM is out of reach there is no set, so that nobody takes its keys for gone.
/// The set may grow between a question for its size and the call: try again on
/// JWEKMS_BUFFER_TOO_SMALL.
/// Errors: unavailable, buffer_too_small.
jwekms_status jwekms_public_jwks(const jwekms_ctx* ctx, char* out, size_t* out_len,
                                 jwekms_error* error);

/// @}

// ---- Listing ------------------------------------------------------------------------------------
/// @defgroup c_listing Listing
/// Which keys there are.
/// @{

/// A page of keys in UID order, as they were when the handle was made.
typedef struct jwekms_key_list jwekms_key_list;

/// Which page jwekms_list_keys() shows.
typedef struct jwekms_list_keys_options {
  uint32_t struct_size;
  uint32_t limit;     ///< Keys on a page, 1 to 1000. Default 100.
  const char* after;  ///< The last UID of the page before. Default: the first page.
  size_t after_len;
  const char* prefix;  ///< Of a provider's UIDs: whose keys. Default: the database's.
  size_t prefix_len;
} jwekms_list_keys_options;

/// Initialises a jwekms_list_keys_options: all defaults.
#define JWEKMS_LIST_KEYS_OPTIONS_INIT \
  { sizeof(jwekms_list_keys_options), 0, 0, 0, 0, 0 }

/// Lists keys, without the destroyed ones.
/// @param list  receives a handle, to be freed with jwekms_key_list_free().
/// Errors: bad_request, not_found (nobody owns the prefix), unavailable.
jwekms_status jwekms_list_keys(const jwekms_ctx* ctx, const jwekms_list_keys_options* options,
                               jwekms_key_list** list, jwekms_error* error);

/// Keys on the page; 0 for a NULL handle.
size_t jwekms_key_list_count(const jwekms_key_list* list);

/// 1 if there are keys beyond the page, else 0.
int32_t jwekms_key_list_more(const jwekms_key_list* list);

/// One key of the page.
/// @param index  below jwekms_key_list_count().
/// @param info   receives a handle of its own, to be freed with jwekms_key_info_free(), before the
///               list or after it.
/// Errors: bad_request (no such index), unavailable.
jwekms_status jwekms_key_list_get(const jwekms_key_list* list, size_t index, jwekms_key_info** info,
                                  jwekms_error* error);

/// Frees a page. What jwekms_key_list_get() gave lives on.
void jwekms_key_list_free(jwekms_key_list* list);

/// @}

// ---- Doctor -------------------------------------------------------------------------------------
/// @defgroup c_doctor Doctor
/// What the HSM at hand can do.
/// @{

/// For jwekms_finding.verdict. New values may come.
enum {
  JWEKMS_FINDING_FACT = 1,    ///< `how` is what the token says of itself.
  JWEKMS_FINDING_CAN = 2,     ///< `how` is by what call or mechanism.
  JWEKMS_FINDING_CANNOT = 3,  ///< `how` is the CKR_... code, `means` what follows.
  JWEKMS_FINDING_WARNING = 4  ///< `how` is what was seen, `means` what to do about it.
};

/// One thing about a token. The library sets `struct_size`: to a larger value when it is newer than
/// the caller's header, and members beyond it are not there. Text is NUL-terminated.
typedef struct jwekms_finding {
  uint32_t struct_size;
  int32_t verdict;   ///< JWEKMS_FINDING_...
  uint64_t slot;     ///< jwekms_hsm_slot.number.
  const char* what;  ///< Such as "RSA-OAEP-256: decrypt, CEK in the HSM". The texts stay the same.
  size_t what_len;
  const char* how;  ///< As the verdict has it.
  size_t how_len;
  const char* means;  ///< "" where nothing follows.
  size_t means_len;
  /// 1 if the `cek_boundary` of the options cannot do without it, under the default policy; else 0.
  int32_t needed;
  uint32_t reserved;  ///< 0.
} jwekms_finding;

/// Receives one finding; it and its texts are valid during the call only.
/// @param data  as given to jwekms_doctor().
/// Must return: no exception, no longjmp.
typedef void (*jwekms_finding_callback)(void* data, const jwekms_finding* finding);

/// Tries out what each slot of an HSM can do, with keys that are made for it and destroyed again,
/// and tells what that means for this library. Takes seconds, or minutes on a small card. A slot
/// that is out of reach is an error, and never a finding that it cannot do something.
/// @param options   required.
/// @param callback  required; called from this thread once the whole examination has succeeded.
/// Errors: bad_request (options), unavailable (module or token out of reach, or a PIN refused,
/// which is not tried again), internal_error.
jwekms_status jwekms_doctor(const jwekms_hsm_options* options, jwekms_finding_callback callback,
                            void* data, jwekms_error* error);

/// @}

// ---- REST service -------------------------------------------------------------------------------
/// @defgroup c_service REST service
/// The REST API as a function.
/// @{

/// An answer of the REST API. It may hold a plaintext, and is wiped when it is freed.
///
/// Functions that return text return a pointer into the handle, NUL-terminated, valid until the
/// handle is freed, and its length in `*len` where `len` is not NULL. None returns NULL, except for
/// a NULL handle.
typedef struct jwekms_response jwekms_response;

/// Serves one request of the REST API, which examples/rest_server/openapi.json describes: JSON in,
/// status and JSON out. No network: a host with an HTTP server of its own puts it under its routes.
/// @param method    as it stands in HTTP: "POST".
/// @param target    path and query as they came, percent-encoded.
/// @param body      JSON; not given where there is none.
/// @param response  receives a handle, to be freed with jwekms_response_free().
/// @return JWEKMS_OK whenever there is an answer, whatever its status: what failed, and why, stands
///         in the answer. Errors: bad_request (`response` or `ctx` is NULL), unavailable (memory).
jwekms_status jwekms_service_call(const jwekms_ctx* ctx, const char* method, size_t method_len,
                                  const char* target, size_t target_len, const char* body,
                                  size_t body_len, jwekms_response** response, jwekms_error* error);

/// The HTTP status, or 0 for a NULL handle.
int32_t jwekms_response_http_status(const jwekms_response* response);
/// The value of the `Content-Type` header.
const char* jwekms_response_content_type(const jwekms_response* response, size_t* len);
/// JSON. Not to be logged.
const char* jwekms_response_body(const jwekms_response* response, size_t* len);
/// For a 405, the value of the `Allow` header; else "".
const char* jwekms_response_allow(const jwekms_response* response, size_t* len);

/// For logs and metrics: why it failed, or JWEKMS_OK.
jwekms_status jwekms_response_error(const jwekms_response* response);
/// For logs and metrics: "decrypt", "encrypt", "reencrypt", "unwrap_key", "add_key", "list_keys",
/// "describe_key", "change_key", "destroy_key", "public_jwks" or "kmip"; "" when there is no such
/// path or method. New ones may come.
const char* jwekms_response_operation(const jwekms_response* response, size_t* len);
/// For logs: the key, as the request names it, bytes that a stranger chose, or the UID of one that
/// was made; "" when there is none.
const char* jwekms_response_kid(const jwekms_response* response, size_t* len);

/// Frees a response, and wipes it.
void jwekms_response_free(jwekms_response* response);
/// @}

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif

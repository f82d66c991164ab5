// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"strings"
	"time"
	"unsafe"
)

// KeyType is the kty of RFC 7518 §6.1.
type KeyType int32

const (
	KeyTypeRSA KeyType = 1
	KeyTypeOct KeyType = 2 // Symmetric; a CEK for "dir".
)

// KeyState is where a key stands in its life, which goes forward only.
type KeyState int32

const (
	KeyActive      KeyState = 1
	KeyDeactivated KeyState = 2 // Decrypts, does not encrypt.
	KeyCompromised KeyState = 3 // Decrypts only with Policy.AllowCompromised.
	// KeyDestroyed: gone. In a database its UID stays taken; a label of an HSM may be used again.
	KeyDestroyed KeyState = 4
)

func (t KeyType) String() string { return oneOf(int32(t), "", "RSA", "oct") }

func (s KeyState) String() string {
	return oneOf(int32(s), "", "active", "deactivated", "compromised", "destroyed")
}

func oneOf(value int32, names ...string) string {
	if value <= 0 || int(value) >= len(names) {
		return "unknown"
	}
	return names[value]
}

// KeyInfo is all that anybody may know of a key, as it was when the call was made.
type KeyInfo struct {
	UID        string
	Type       KeyType
	Bits       int      // Modulus of an RSA key, length of a symmetric one.
	Algs       []string // The only ones that the key serves.
	Enc        string   // The only one that a symmetric key serves; "": any of its size.
	State      KeyState
	MayDecrypt bool // From a JWK's key_ops (RFC 7517 §4.3); says nothing of the state.
	MayEncrypt bool
	Parent     string // Of a CEK that UnwrapKey kept: the UID of the key that had wrapped it.
	Owner      string
	CreatedAt  time.Time // 1970-01-01 UTC where nobody knows, as of keys in an HSM.
	Version    uint64    // Rises with each change of the key's record.
	Aliases    []string
}

// CreateKeyOptions of CreateKey. What is zero takes its default.
type CreateKeyOptions struct {
	Type    KeyType  // Default KeyTypeRSA.
	Bits    int      // RSA: 2048 (default), 3072 or 4096. Symmetric: from Enc.
	UID     string   // "hsm::<model>::<slot>::<label>": made in that HSM. Default: a random one.
	Algs    []string // Default: all that fit the type.
	Enc     string   // Symmetric only. Default "A256GCM".
	Owner   string
	Aliases []string
}

// KeyFormat is how a key that is imported is written.
type KeyFormat int32

const (
	FormatJWK KeyFormat = 1 // Private or symmetric JWK, JSON (RFC 7517).
	FormatPEM KeyFormat = 2 // PKCS#8 (RFC 5208) or PKCS#1 (RFC 8017).
	FormatDER KeyFormat = 3 // The same, without the armour.
	FormatRaw KeyFormat = 4 // The bytes of a symmetric key.
)

// ImportKeyOptions of ImportKey. What is zero takes its default.
type ImportKeyOptions struct {
	Format     KeyFormat // Default FormatJWK.
	Passphrase Secret    // Of an encrypted PEM. The caller wipes its own copy.
	UID        string    // Default: the JWK's kid, or a random one.
	Algs       []string  // Default: the JWK's, or all that fit the type.
	Enc        string    // Binds a symmetric key to one.
	Owner      string
	Aliases    []string
}

// UnwrapKeyOptions of UnwrapKey. What is zero takes its default.
type UnwrapKeyOptions struct {
	Key string // UID or alias of the key that unwraps. Default: the token's kid.
	UID string // Of the key that is made. Default: a random one.
	// Keep the CEK where the key that unwraps it lives: an HSM unwraps it to an object of its own, and
	// it is never here. A UID that begins with "hsm::" asks for the same.
	StoreInHSM bool
	Owner      string
	Aliases    []string
}

// ListKeysOptions of ListKeys. What is zero takes its default.
type ListKeysOptions struct {
	Limit  int    // Keys on a page, 1 to 1000. Default 100.
	After  string // The last UID of the page before. Default: the first page.
	Prefix string // Whose keys: "hsm::softhsm2::", or a provider's. Default: the database's.
}

// KeyPage is a page of keys in UID order.
type KeyPage struct {
	Keys []KeyInfo
	More bool // There are keys beyond the page.
}

// CreateKey makes a key.
// Errors: ErrBadRequest, ErrUnsupportedAlgorithm (a name is unknown; the HSM makes no such key),
// ErrCryptoFailure (bits below RSAMinBits), ErrConflict, ErrForbidden, ErrUnavailable.
func (k *Kms) CreateKey(ctx context.Context, options CreateKeyOptions) (KeyInfo, error) {
	var v values
	c := &cCreateKeyOptions{
		structSize: uint32(unsafe.Sizeof(cCreateKeyOptions{})),
		kind:       int32(options.Type),
		bits:       v.uint32("Bits", options.Bits),
		uid:        spanOf(options.UID),
		algs:       spanOf(v.words("Algs", options.Algs)),
		enc:        spanOf(options.Enc),
		owner:      spanOf(options.Owner),
		aliases:    spansOf(options.Aliases),
	}
	if v.err != nil {
		return KeyInfo{}, v.err
	}
	return k.keyInfo(ctx, fnCreateKey, k.handle(), uintptr(unsafe.Pointer(c)))
}

// ImportKey takes in a key from elsewhere, in the format of the options. The caller wipes its own
// copy of it. Errors: ErrBadRequest, ErrUnsupportedAlgorithm (a name is unknown), ErrCryptoFailure
// (not a key for encryption, or too small), ErrConflict, ErrForbidden, ErrUnavailable.
func (k *Kms) ImportKey(ctx context.Context, key []byte, options ImportKeyOptions) (KeyInfo, error) {
	var v values
	c := &cImportKeyOptions{
		structSize: uint32(unsafe.Sizeof(cImportKeyOptions{})),
		format:     int32(options.Format),
		passphrase: v.secret("Passphrase", options.Passphrase),
		uid:        spanOf(options.UID),
		algs:       spanOf(v.words("Algs", options.Algs)),
		enc:        spanOf(options.Enc),
		owner:      spanOf(options.Owner),
		aliases:    spansOf(options.Aliases),
	}
	if v.err != nil {
		return KeyInfo{}, v.err
	}
	return k.keyInfo(ctx, fnImportKey, k.handle(), uintptr(unsafe.Pointer(bytesData(key))),
		uintptr(len(key)), uintptr(unsafe.Pointer(c)))
}

// UnwrapKey unwraps a token's CEK and keeps it as a managed key for "dir" (RFC 7518 §4.5), bound to
// the token's enc. Its UID is the kid of later "dir" tokens. The token is a whole one, or a JSON
// object with protected and encrypted_key alone.
//
// Errors: ErrBadRequest, ErrTooLarge, ErrUnsupportedAlgorithm (an alg that wraps nothing),
// ErrNotFound, ErrForbidden, ErrDecryptionFailed, ErrCryptoFailure (size of the CEK), ErrConflict,
// ErrUnavailable.
func (k *Kms) UnwrapKey(ctx context.Context, token string, options UnwrapKeyOptions) (KeyInfo, error) {
	c := &cUnwrapKeyOptions{
		structSize: uint32(unsafe.Sizeof(cUnwrapKeyOptions{})),
		flags:      flag(options.StoreInHSM, 1),
		key:        spanOf(options.Key),
		uid:        spanOf(options.UID),
		owner:      spanOf(options.Owner),
		aliases:    spansOf(options.Aliases),
	}
	return k.keyInfo(ctx, fnUnwrapKey, k.handle(), uintptr(unsafe.Pointer(stringData(token))),
		uintptr(len(token)), uintptr(unsafe.Pointer(c)))
}

// DescribeKey looks a key up by its UID or an alias.
// Errors: ErrBadRequest, ErrNotFound, ErrForbidden, ErrUnavailable, ErrInternal (a damaged record).
func (k *Kms) DescribeKey(ctx context.Context, kid string) (KeyInfo, error) {
	return k.keyInfo(ctx, fnDescribeKey, k.handle(), uintptr(unsafe.Pointer(stringData(kid))),
		uintptr(len(kid)))
}

// SetKeyState moves the life of the key with this UID forward. KeyDestroyed erases it for good.
// Errors: ErrBadRequest (a step back, an unknown state), ErrNotFound, ErrForbidden, ErrUnavailable.
func (k *Kms) SetKeyState(ctx context.Context, uid string, state KeyState) (KeyInfo, error) {
	return k.keyInfo(ctx, fnSetKeyState, k.handle(), uintptr(unsafe.Pointer(stringData(uid))),
		uintptr(len(uid)), uintptr(state))
}

// AddAlias gives the key with this UID another name, for the kid of an issuer.
// Errors: ErrBadRequest, ErrNotFound, ErrConflict, ErrForbidden, ErrUnavailable.
func (k *Kms) AddAlias(ctx context.Context, uid, alias string) error {
	return k.command(ctx, fnAddAlias, k.handle(), uintptr(unsafe.Pointer(stringData(uid))),
		uintptr(len(uid)), uintptr(unsafe.Pointer(stringData(alias))), uintptr(len(alias)))
}

// RemoveAlias takes a name away again.
// Errors: ErrBadRequest, ErrNotFound, ErrForbidden, ErrUnavailable.
func (k *Kms) RemoveAlias(ctx context.Context, alias string) error {
	return k.command(ctx, fnRemoveAlias, k.handle(), uintptr(unsafe.Pointer(stringData(alias))),
		uintptr(len(alias)))
}

// Whoever asks for the size of a public half has it looked up, and audited, twice.
const (
	publicJWKSize  = 8192    // RSA-16384 under the longest of names is half of it.
	publicJWKSSize = 1 << 20 // A thousand keys and more.
)

// PublicJWK is the public half of a key, by UID or alias, as a JWK, JSON (RFC 7517 §4), with kid the
// UID. Errors: ErrBadRequest, ErrNotFound, ErrCryptoFailure (a symmetric key), ErrUnavailable.
func (k *Kms) PublicJWK(ctx context.Context, kid string) ([]byte, error) {
	return k.output(ctx, publicJWKSize, fnPublicJWK, k.handle(), uintptr(unsafe.Pointer(stringData(kid))),
		uintptr(len(kid)))
}

// PublicJWKS is the public halves of all active RSA keys as a JWK Set, JSON (RFC 7517 §5).
// Errors: ErrUnavailable.
func (k *Kms) PublicJWKS(ctx context.Context) ([]byte, error) {
	jwks, err := k.output(ctx, publicJWKSSize, fnPublicJWKS, k.handle())
	return append([]byte(nil), jwks...), err // which need not hold on to all that room
}

// ListKeys lists keys, a page at a time, without the destroyed ones.
// Errors: ErrBadRequest, ErrNotFound (nobody owns the prefix), ErrUnavailable.
func (k *Kms) ListKeys(ctx context.Context, options ListKeysOptions) (KeyPage, error) {
	var v values
	c := &cListKeysOptions{
		structSize: uint32(unsafe.Sizeof(cListKeysOptions{})),
		limit:      v.uint32("Limit", options.Limit),
		after:      spanOf(options.After),
		prefix:     spanOf(options.Prefix),
	}
	if v.err != nil {
		return KeyPage{}, v.err
	}
	list, err := k.object(ctx, fnListKeys, k.handle(), uintptr(unsafe.Pointer(c)))
	if err != nil {
		return KeyPage{}, err
	}
	defer call(fnKeyListFree, list)
	count := call(fnKeyListCount, list)
	page := KeyPage{Keys: make([]KeyInfo, count), More: int32(call(fnKeyListMore, list)) != 0}
	for i := range page.Keys {
		info, err := k.object(ctx, fnKeyListGet, list, uintptr(i))
		if err != nil {
			return KeyPage{}, err
		}
		page.Keys[i] = takeKeyInfo(info)
	}
	return page, nil
}

// command calls a function whose last argument is the error.
//
//go:uintptrescapes
func (k *Kms) command(ctx context.Context, fn function, in ...uintptr) error {
	failure := new(cError)
	return k.run(ctx, func() error {
		return tryWith(fn, failure, in, uintptr(unsafe.Pointer(failure)))
	})
}

// object calls a function whose arguments end with a handle to be received, and the error.
//
//go:uintptrescapes
func (k *Kms) object(ctx context.Context, fn function, in ...uintptr) (uintptr, error) {
	var out struct {
		handle  uintptr
		failure cError
	}
	err := k.run(ctx, func() error {
		return tryWith(fn, &out.failure, in, uintptr(unsafe.Pointer(&out.handle)),
			uintptr(unsafe.Pointer(&out.failure)))
	})
	return out.handle, err
}

// keyInfo is object for a jwekms_key_info.
//
//go:uintptrescapes
func (k *Kms) keyInfo(ctx context.Context, fn function, in ...uintptr) (KeyInfo, error) {
	info, err := k.object(ctx, fn, in...)
	if err != nil {
		return KeyInfo{}, err
	}
	return takeKeyInfo(info), nil
}

// takeKeyInfo copies a jwekms_key_info and frees it.
func takeKeyInfo(info uintptr) KeyInfo {
	defer call(fnKeyInfoFree, info)
	key := KeyInfo{
		UID:        textIn(fnKeyInfoUID, info),
		Type:       KeyType(call(fnKeyInfoType, info)),
		Bits:       int(uint32(call(fnKeyInfoBits, info))),
		Algs:       strings.Fields(textIn(fnKeyInfoAlgs, info)),
		Enc:        textIn(fnKeyInfoEnc, info),
		State:      KeyState(call(fnKeyInfoState, info)),
		MayDecrypt: int32(call(fnKeyInfoMayDecrypt, info)) != 0,
		MayEncrypt: int32(call(fnKeyInfoMayEncrypt, info)) != 0,
		Parent:     textIn(fnKeyInfoParent, info),
		Owner:      textIn(fnKeyInfoOwner, info),
		CreatedAt:  time.Unix(int64(call(fnKeyInfoCreatedAt, info)), 0),
		Version:    uint64(call(fnKeyInfoVersion, info)),
		Aliases:    make([]string, call(fnKeyInfoAliasCount, info)),
	}
	for i := range key.Aliases {
		key.Aliases[i] = textIn(fnKeyInfoAlias, info, uintptr(i))
	}
	return key
}

// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"errors"
	"unsafe"
)

// DecryptOptions say with which key.
type DecryptOptions struct {
	// UID or alias, for tokens with no kid (Policy.AllowMissingKid) or with an issuer's own. Picks the
	// recipient of a general serialization. Default: the token's kid.
	Key string
}

// Serialization is how a JWE is written (RFC 7516 §7).
type Serialization int32

const (
	Compact   Serialization = 0 // Five base64url segments.
	Flattened Serialization = 1 // A JSON object with one recipient.
)

// EncryptOptions say to which key, and how.
type EncryptOptions struct {
	Key           string // UID or alias, required; becomes the header's kid as it stands.
	Alg           string // Default "RSA-OAEP-256".
	Enc           string // Default "A256GCM".
	Serialization Serialization
	AAD           []byte // The aad member, before base64url; Flattened only.
}

// Decrypt decrypts one JWE, RFC 7516 §5.2: compact, flattened or general. A JWE says nothing about
// who made it: what decrypts is not thereby authentic.
//
// Errors: ErrBadRequest, ErrTooLarge, ErrUnsupportedAlgorithm, ErrNotFound, ErrForbidden,
// ErrCryptoFailure (key of the wrong kind), ErrDecryptionFailed, ErrUnavailable.
func (k *Kms) Decrypt(ctx context.Context, token string, options *DecryptOptions) ([]byte, error) {
	c := options.toC()
	size := len(token)/4*3 + 1
	if k != nil && k.allowsZip {
		size = askSize
	}
	return k.output(ctx, size, fnDecrypt, k.handle(), uintptr(unsafe.Pointer(stringData(token))),
		uintptr(len(token)), uintptr(unsafe.Pointer(c)))
}

// DecryptInto is Decrypt into memory of the caller's, who may want to lock or wipe it. All of it is
// zero after a failure.
//
// It returns the number of bytes written; with ErrBufferTooSmall no key was used, nothing was
// verified, and the number is how many are enough. An empty plaintext asks for it.
func (k *Kms) DecryptInto(ctx context.Context, plaintext []byte, token string,
	options *DecryptOptions) (int, error) {
	c := options.toC()
	var out struct {
		length  uintptr
		failure cError
	}
	out.length = uintptr(len(plaintext))
	err := k.run(ctx, func() error {
		return try(fnDecrypt, &out.failure, k.handle(), uintptr(unsafe.Pointer(stringData(token))),
			uintptr(len(token)), uintptr(unsafe.Pointer(c)), uintptr(unsafe.Pointer(bytesData(plaintext))),
			uintptr(unsafe.Pointer(&out.length)), uintptr(unsafe.Pointer(&out.failure)))
	})
	if err == nil && len(plaintext) == 0 {
		err = &Error{Code: ErrBufferTooSmall, Text: "no buffer"}
	}
	return int(out.length), err
}

// Encrypt makes one JWE under a fresh CEK, or with "dir" under the key itself. RFC 7516 §5.1.
//
// Errors: ErrBadRequest, ErrUnsupportedAlgorithm, ErrNotFound, ErrForbidden (the key is not active),
// ErrCryptoFailure, ErrUnavailable.
func (k *Kms) Encrypt(ctx context.Context, plaintext []byte, options EncryptOptions) (string, error) {
	c := options.toC()
	token, err := k.output(ctx, askSize, fnEncrypt, k.handle(),
		uintptr(unsafe.Pointer(bytesData(plaintext))), uintptr(len(plaintext)), uintptr(unsafe.Pointer(c)))
	return stringOf(token), err
}

// Reencrypt decrypts under one key and encrypts under another; the plaintext never leaves the
// library. Errors: those of Decrypt and Encrypt.
func (k *Kms) Reencrypt(ctx context.Context, token string, from *DecryptOptions,
	to EncryptOptions) (string, error) {
	cFrom, cTo := from.toC(), to.toC()
	made, err := k.output(ctx, askSize, fnReencrypt, k.handle(),
		uintptr(unsafe.Pointer(stringData(token))), uintptr(len(token)), uintptr(unsafe.Pointer(cFrom)),
		uintptr(unsafe.Pointer(cTo)))
	return stringOf(made), err
}

func (o *DecryptOptions) toC() *cDecryptOptions {
	if o == nil {
		return nil
	}
	return &cDecryptOptions{
		structSize: uint32(unsafe.Sizeof(cDecryptOptions{})),
		key:        spanOf(o.Key),
	}
}

func (o *EncryptOptions) toC() *cEncryptOptions {
	return &cEncryptOptions{
		structSize:    uint32(unsafe.Sizeof(cEncryptOptions{})),
		serialization: int32(o.Serialization),
		key:           spanOf(o.Key),
		alg:           spanOf(o.Alg),
		enc:           spanOf(o.Enc),
		aad:           bytesOf(o.AAD),
	}
}

// askSize has output ask the library for the size first, which for tokens touches no key.
const askSize = 0

// output calls a function whose arguments end with out, out_len and error. A size that is too small
// costs a second call, and a second event in the audit.
//
//go:uintptrescapes
func (k *Kms) output(ctx context.Context, size int, fn function, in ...uintptr) ([]byte, error) {
	var out struct {
		length  uintptr
		failure cError
	}
	var buffer []byte
	err := k.run(ctx, func() error {
		for {
			out.length = uintptr(size)
			buffer = make([]byte, size)
			err := tryWith(fn, &out.failure, in, uintptr(unsafe.Pointer(bytesData(buffer))),
				uintptr(unsafe.Pointer(&out.length)), uintptr(unsafe.Pointer(&out.failure)))
			if size != askSize && !errors.Is(err, ErrBufferTooSmall) {
				return err
			}
			// Where the question failed, so does the call, which is audited.
			if size = int(out.length); size == 0 {
				size = 1
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return buffer[:out.length:out.length], nil
}

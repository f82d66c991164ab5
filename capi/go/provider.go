// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"crypto/rsa"
	"time"
)

// ProviderOptions puts a Provider into a Kms.
type ProviderOptions struct {
	// What the UIDs of its keys begin with, such as "vault::", and differs from those of other
	// providers; the longest that fits wins. "": the names that nobody else takes, where there is no
	// database. Must not begin with "hsm::" or be a beginning of it.
	Prefix   string
	Admins   []string // Principals who may do everything with the keys here; "*" is all of them.
	Provider Provider
}

// Provider has keys of the program's own: in a cloud KMS, a vault, a smart card. Tokens whose kid
// begins with its prefix are decrypted, and made, with its keys, under the same policy,
// authorisation, grants and audit as all others.
//
// What the keys can do is said by further methods: Unwrapper, Wrapper, ContentDecrypter,
// ContentEncrypter, PublicKeyer. Releaser is told when a key is no longer used. Three ways lead to a
// CEK:
//   - An RSA key gives the CEK to the library: Unwrapper. It is then in wiped memory of the library
//     for one call, and what the provider returned is wiped.
//   - An RSA key with CEKStays does not: ContentDecrypter decrypts the content, too.
//   - A symmetric key is the CEK itself ("dir"): ContentDecrypter and ContentEncrypter.
//
// Errors. The library knows a Code, wherever it stands in the error's chain: ErrNotFound,
// ErrForbidden, ErrUnsupportedAlgorithm, ErrUnavailable, and, of Unwrap and DecryptContent alone,
// ErrDecryptionFailed for whatever is wrong with what stands in the token. So does it rsa.ErrDecryption,
// which is ErrDecryptionFailed, and a net.Error or an error of a context, which are ErrUnavailable.
// All else, and a panic, is ErrInternal. Never report an outage as a bad token, nor a bad token as
// anything else: who sends tokens can see it. They can see, too, how long it took: a provider
// decrypts in the same time whatever the padding.
//
// All methods are called from several goroutines at a time, also for one key. The context is that of
// the call on the Kms; a call lasts as long as its provider does, and without a deadline remote ones
// need a timeout of their own. Slices that a method is given are C's: valid during the call, not to
// be kept, or written to. A method may call a Kms, also the one that called it, but not close that
// one; and must return: no runtime.Goexit.
//
// A Provider that is an io.Closer is the library's once Open has succeeded: it is closed once for each
// Open, after the last Release, by the Close of the last Kms over it, that of OnBehalfOf included, and
// on its goroutine, or on any for a Kms that was forgotten. Close may not use a Kms that has this
// provider. Its error becomes that of Kms.Close; a panic is logged. When Open fails, and from
// RewrapDatabase and RotateKEK, the provider is still the caller's.
type Provider interface {
	// Resolve looks a key up. The kid begins with the prefix; a stranger may have chosen it. The
	// library asks anew in each call: a provider whose look-ups are slow keeps what it has found, and so
	// decides how fast a revocation is seen.
	Resolve(ctx context.Context, kid string) (*ProvidedKey, error)
}

// Unwrapper is a Provider whose RSA keys give CEKs to the library.
type Unwrapper interface {
	// Unwrap gives the CEK, which is copied and then wiped. A size other than cek.Size is the token's
	// fault.
	Unwrap(ctx context.Context, key *ProvidedKey, cek *WrappedCEK) ([]byte, error)
}

// Wrapper is a Provider that wraps CEKs itself. Without it the library does, with the public half
// that PublicKeyer gives.
type Wrapper interface {
	// Wrap wraps a fresh CEK; of a key with CEKStays, where it is nil, makes one and wraps it. It gives
	// the encrypted_key, which has as many bytes as the modulus.
	Wrap(ctx context.Context, key *ProvidedKey, wanted *WrappedCEK, cek []byte) ([]byte, error)
}

// ContentDecrypter is a Provider that decrypts content, under a symmetric key or under the CEK that
// it unwraps first.
type ContentDecrypter interface {
	// DecryptContent gives the plaintext, which is copied and then wiped.
	DecryptContent(ctx context.Context, key *ProvidedKey, cek *WrappedCEK,
		content *SealedContent) ([]byte, error)
}

// ContentEncrypter is a Provider that encrypts content, under a symmetric key or under the CEK that
// Wrap has just made and that cek.EncryptedKey holds.
type ContentEncrypter interface {
	// EncryptContent sets content.Ciphertext and content.Tag. content.IV holds random bytes: it encrypts
	// under them, or sets an IV of its own. No IV may come twice under one key: with random ones a
	// provider stops at 2^32 (NIST SP 800-38D §8.3), with ErrForbidden; the library does not count.
	EncryptContent(ctx context.Context, key *ProvidedKey, cek *WrappedCEK, plaintext []byte,
		content *SealedContent) error
}

// PublicKeyer is a Provider that shows the public halves of its RSA keys.
type PublicKeyer interface {
	PublicKey(ctx context.Context, key *ProvidedKey) (*rsa.PublicKey, error)
}

// Releaser is a Provider that is told when a key is given back, be it to count, to close a session, or
// to forget a handle.
type Releaser interface {
	// Release comes once for each Resolve that returned a key and no error, with that very key, when
	// nothing uses it any more, and also where the library did not like what it says. As a rule that is
	// at the end of the call that resolved it, on its goroutine; but it may be any. A panic is logged, and
	// changes nothing for the call.
	Release(key *ProvidedKey)
}

// ProvidedKey is what a Provider tells of a key. One that contradicts itself is ErrInternal.
type ProvidedKey struct {
	Type KeyType // Required.
	Bits int     // Required. RSA: modulus, 1024 to 16384. Symmetric: 128, 192 or 256.
	// The key's one name: grants are for it, whatever name was asked for. It begins with the provider's
	// prefix. Default: the name that was asked for.
	UID       string
	Algs      []string  // Default: all that fit the type.
	Enc       string    // Symmetric: the one that the key serves. Default: any of its size.
	State     KeyState  // Default KeyActive. Destroyed is ErrNotFound.
	CreatedAt time.Time // Zero: 1970-01-01T00:00:00Z.
	Version   uint64    // Rises with each change. Default 1.
	CEKStays  bool      // RSA: CEKs never come here, nor can UnwrapKey keep one.
	NoDecrypt bool      // Not for decryption and unwrapping.
	NoEncrypt bool      // Not for encryption.
	Handle    any       // The provider's own.
}

// WrappedCEK is a CEK as it stands in a token, or will.
type WrappedCEK struct {
	Alg  string // One that the key serves.
	Enc  string
	Size int // Bytes of the CEK, as Enc has it.
	// Of a token whose encrypted_key is to be unwrapped, the kid that it came with; else "". Bytes that
	// a stranger chose, and not what says which key it is.
	Kid string
	// Of a token that is decrypted: bytes that a stranger chose. Of one that is made: what Wrap gave.
	// Empty with "dir", and in Wrap itself.
	EncryptedKey []byte
}

// SealedContent is encrypted content. The sizes of IV and Tag are those of the enc.
type SealedContent struct {
	IV         []byte
	AAD        []byte // RFC 7516 §5.1 step 14: ASCII, to be authenticated as it stands.
	Ciphertext []byte
	Tag        []byte
}

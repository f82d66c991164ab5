// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // of the algs below
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"
)

// Decrypters is a Provider of RSA keys that are each a crypto.Decrypter, as packages for TPMs,
// PKCS#11 and cloud KMSs give them, or an *rsa.PrivateKey. The function finds the one whose UID this
// is: ErrNotFound where there is none. It is asked in each call, with the call's context, to which it
// can bind what it returns; several goroutines may use that at a time.
//
// They unwrap RSA-OAEP, with rsa.OAEPOptions; the library encrypts with their public halves. Whoever
// has something to close, or to release, embeds the function beside it:
//
//	struct {
//		jwekms.Decrypters
//		io.Closer
//	}
//
// Errors, of the function and of Decrypt: rsa.ErrDecryption is ErrDecryptionFailed, a Code anywhere
// in the chain is itself, and all else is ErrUnavailable, since nobody knows better. So where a package
// has another error for a wrong ciphertext (CKR_ENCRYPTED_DATA_INVALID), it is to be translated to
// rsa.ErrDecryption by a Decrypter around its own, or who sends tokens can make outages. A ciphertext of
// another size than the modulus does not come that far. A key that is not an RSA one is
// ErrUnsupportedAlgorithm.
type Decrypters func(ctx context.Context, uid string) (crypto.Decrypter, error)

var oaepHashes = map[string]crypto.Hash{
	"RSA-OAEP":     crypto.SHA1,
	"RSA-OAEP-256": crypto.SHA256,
	"RSA-OAEP-384": crypto.SHA384,
	"RSA-OAEP-512": crypto.SHA512,
}

// Resolve finds a key; its Handle is the crypto.Decrypter.
func (d Decrypters) Resolve(ctx context.Context, kid string) (*ProvidedKey, error) {
	key, err := d(ctx, kid)
	if err != nil {
		return nil, orUnavailable(err)
	}
	if key == nil {
		return nil, ErrInternal
	}
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return nil, ErrUnsupportedAlgorithm
	}
	return &ProvidedKey{Type: KeyTypeRSA, Bits: public.N.BitLen(), Handle: key}, nil
}

// Unwrap has the key decrypt the encrypted_key.
func (d Decrypters) Unwrap(_ context.Context, key *ProvidedKey, cek *WrappedCEK) ([]byte, error) {
	hash, ok := oaepHashes[cek.Alg]
	if !ok {
		return nil, ErrUnsupportedAlgorithm
	}
	decrypter := key.Handle.(crypto.Decrypter)
	if len(cek.EncryptedKey) != decrypter.Public().(*rsa.PublicKey).Size() {
		return nil, ErrDecryptionFailed
	}
	plain, err := decrypter.Decrypt(rand.Reader, cek.EncryptedKey, &rsa.OAEPOptions{Hash: hash})
	return plain, orUnavailable(err)
}

// PublicKey is the key's own.
func (d Decrypters) PublicKey(_ context.Context, key *ProvidedKey) (*rsa.PublicKey, error) {
	return key.Handle.(crypto.Decrypter).Public().(*rsa.PublicKey), nil
}

// orUnavailable takes an error that would be ErrInternal of other providers for an outage.
func orUnavailable(err error) error {
	var code Code
	if err == nil || errors.As(err, &code) || errors.Is(err, rsa.ErrDecryption) {
		return err
	}
	return fmt.Errorf("%w: %v", ErrUnavailable, err)
}

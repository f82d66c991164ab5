// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log"

	"jwekms"
)

// tpmKey is a key of a package for TPMs, which has an error of its own for a wrong ciphertext.
type tpmKey struct{ crypto.Decrypter }

func (k tpmKey) Decrypt(random io.Reader, ciphertext []byte, options crypto.DecrypterOpts) ([]byte, error) {
	plain, err := k.Decrypter.Decrypt(random, ciphertext, options)
	if errors.Is(err, errTPMValue) {
		err = rsa.ErrDecryption // and no outage
	}
	return plain, err
}

var errTPMValue = errors.New("TPM_RC_VALUE")

func ExampleDecrypters() {
	inbox, err := rsa.GenerateKey(rand.Reader, 2048) // stands for what the TPM has
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	keys := jwekms.Decrypters(func(ctx context.Context, uid string) (crypto.Decrypter, error) {
		if uid != "tpm::inbox" {
			return nil, jwekms.ErrNotFound
		}
		return tpmKey{inbox}, nil
	})
	kms, err := jwekms.Open(jwekms.Options{
		Providers: []jwekms.ProviderOptions{{Prefix: "tpm::", Provider: keys}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer kms.Close()
	token, err := kms.Encrypt(ctx, []byte("hello"), jwekms.EncryptOptions{Key: "tpm::inbox"})
	if err != nil {
		log.Fatal(err)
	}
	payload, err := kms.Decrypt(ctx, token, nil)
	fmt.Println(string(payload), err)
	// Output: hello <nil>
}

// SPDX-License-Identifier: Apache-2.0

//go:build hsm

package jwekms_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"jwekms"
)

func ExampleHSM() {
	defer inTemporaryFolder()()
	if err := os.WriteFile("pin", []byte(os.Getenv("JWEKMS_TEST_SOFTHSM2_PIN")), 0o600); err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	options := jwekms.Options{
		HSMs: []jwekms.HSM{{
			Model:       "softhsm2", // utimaco, proteccio, crypt2pay, smartcardhsm, other
			Slots:       []jwekms.HSMSlot{{TokenLabel: "jwekms", PIN: []byte("file:pin")}},
			CEKBoundary: jwekms.CEKInHSM, // CEKs are never in this process
		}},
		Policy: jwekms.Policy{Algs: []string{"RSA-OAEP", "dir"}}, // what SoftHSM can do in this boundary
	}

	// Once: an AES-256 key in the HSM, to guard a new database. Without the HSM nobody opens it.
	kms, err := jwekms.Open(options)
	if err != nil {
		log.Fatal(err)
	}
	kek, err := kms.CreateKey(ctx, jwekms.CreateKeyOptions{UID: "hsm::softhsm2::0::kek", Type: jwekms.KeyTypeOct})
	kms.Close()
	if err != nil {
		log.Fatal(err)
	}
	options.Database, options.KeyEncryptionKey = "keys-hsm.db", kek.UID

	kms, err = jwekms.Open(options)
	if err != nil {
		log.Fatal(err)
	}
	defer kms.Close() // before main returns
	// Such a UID: made in the HSM.
	key, err := kms.CreateKey(ctx, jwekms.CreateKeyOptions{UID: "hsm::softhsm2::0::inbox"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := kms.Encrypt(ctx, []byte("hello"), jwekms.EncryptOptions{Key: key.UID, Alg: "RSA-OAEP"})
	if err != nil {
		log.Fatal(err)
	}
	payload, err := kms.Decrypt(ctx, token, nil)
	fmt.Println(string(payload), err)
	// Output: hello <nil>
}

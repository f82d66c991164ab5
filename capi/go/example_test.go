// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"jwekms"
)

// inTemporaryFolder is where the examples have their databases.
func inTemporaryFolder() (leave func()) {
	before, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "jwekms-")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Chdir(folder); err != nil {
		log.Fatal(err)
	}
	return func() { os.Chdir(before); os.RemoveAll(folder) }
}

func Example() {
	defer inTemporaryFolder()()
	ctx := context.Background()

	kms, err := jwekms.Open(jwekms.Options{Database: "keys.db"}) // and keys.db.kek, on first use
	if err != nil {
		log.Fatal(err)
	}
	defer kms.Close()
	key, err := kms.CreateKey(ctx, jwekms.CreateKeyOptions{})
	if err != nil {
		log.Fatal(err)
	}

	// What a sender would send; its kid says which key.
	token, err := kms.Encrypt(ctx, []byte("hello"), jwekms.EncryptOptions{Key: key.UID})
	if err != nil {
		log.Fatal(err)
	}
	payload, err := kms.Decrypt(ctx, token, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(payload))
	// Output: hello
}

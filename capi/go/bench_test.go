// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"bytes"
	"context"
	"testing"

	"jwekms"
)

// BenchmarkDecryptDir is what tests/bench/README.md measures beside C: 1 KiB under "dir".
func BenchmarkDecryptDir(b *testing.B) {
	ctx := context.Background()
	kms := open(b, jwekms.Options{})
	key, err := kms.CreateKey(ctx, jwekms.CreateKeyOptions{Type: jwekms.KeyTypeOct})
	if err != nil {
		b.Fatal(err)
	}
	token, err := kms.Encrypt(ctx, bytes.Repeat([]byte("x"), 1024),
		jwekms.EncryptOptions{Key: key.UID, Alg: "dir"})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Decrypt", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; i++ {
			if _, err := kms.Decrypt(ctx, token, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("DecryptInto", func(b *testing.B) {
		b.ReportAllocs()
		plaintext := make([]byte, 1100)
		for i := 0; i < b.N; i++ {
			if _, err := kms.DecryptInto(ctx, plaintext, token, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	loop := compile(b, "loop.c", "-O2", "-shared", "-fPIC")
	b.Run("C", func(b *testing.B) {
		if status, err := jwekms.DecryptLoop(loop, kms, token, b.N); status != 0 || err != nil {
			b.Fatal(status, err)
		}
	})
}

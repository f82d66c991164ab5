// SPDX-License-Identifier: Apache-2.0

// Package gojose holds the Go binding to go-jose, both ways. It is a module of its own, so that
// those who use the binding need no go-jose. Debian 12's Go takes an older one: go1.19.mod.
package gojose

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"jwekms"
)

var (
	rsaAlgs = []jose.KeyAlgorithm{jose.RSA_OAEP, jose.RSA_OAEP_256}
	encs    = map[jose.ContentEncryption]int{jose.A128GCM: 16, jose.A192GCM: 24, jose.A256GCM: 32}
)

func open(t *testing.T) *jwekms.Kms {
	t.Helper()
	kms, err := jwekms.Open(jwekms.Options{Database: filepath.Join(t.TempDir(), "keys.db"), KEK: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kms.Close() })
	return kms
}

// opensEmpty is false for the go-jose of go1.19.mod, which opens no empty plaintext, not even its own.
var opensEmpty = !strings.HasPrefix(runtime.Version(), "go1.19")

// each runs a test for each algorithm with keys that both sides have.
func each(t *testing.T, body func(t *testing.T, kms *jwekms.Kms, public, private jose.JSONWebKey,
	alg jose.KeyAlgorithm, enc jose.ContentEncryption)) {
	kms := open(t)
	add := func(key any, kid string) jose.JSONWebKey {
		jwk := jose.JSONWebKey{Key: key, KeyID: kid}
		text, err := json.Marshal(jwk)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kms.ImportKey(context.Background(), text, jwekms.ImportKeyOptions{}); err != nil {
			t.Fatal(err)
		}
		return jwk
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private := add(rsaKey, "rsa")
	for enc, size := range encs {
		for _, alg := range rsaAlgs {
			t.Run(string(alg)+" "+string(enc), func(t *testing.T) { body(t, kms, private.Public(), private, alg, enc) })
		}
		oct := make([]byte, size)
		rand.Read(oct)
		key := add(oct, string(enc))
		t.Run("dir "+string(enc), func(t *testing.T) { body(t, kms, key, key, jose.DIRECT, enc) })
	}
}

var plaintexts = [][]byte{{}, []byte("text"), bytes.Repeat([]byte("x"), 100000)}

func TestGoJoseEncrypts(t *testing.T) {
	each(t, func(t *testing.T, kms *jwekms.Kms, public, _ jose.JSONWebKey, alg jose.KeyAlgorithm,
		enc jose.ContentEncryption) {
		encrypter, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: public.Key, KeyID: public.KeyID}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, plaintext := range plaintexts {
			object, err := encrypter.EncryptWithAuthData(plaintext, []byte("aad"))
			if err != nil {
				t.Fatal(err)
			}
			flattened := object.FullSerialize()
			object, err = encrypter.Encrypt(plaintext)
			if err != nil {
				t.Fatal(err)
			}
			compact, err := object.CompactSerialize()
			if err != nil {
				t.Fatal(err)
			}
			for _, token := range []string{compact, flattened} {
				got, err := kms.Decrypt(context.Background(), token, nil)
				if err != nil || !bytes.Equal(got, plaintext) {
					t.Errorf("%d bytes of %d, %v", len(got), len(plaintext), err)
				}
			}
		}
	})
}

func TestGoJoseDecrypts(t *testing.T) {
	each(t, func(t *testing.T, kms *jwekms.Kms, _, private jose.JSONWebKey, alg jose.KeyAlgorithm,
		enc jose.ContentEncryption) {
		for _, plaintext := range plaintexts {
			if len(plaintext) == 0 && !opensEmpty {
				continue
			}
			for _, to := range []jwekms.EncryptOptions{{}, {Serialization: jwekms.Flattened, AAD: []byte("aad")}} {
				to.Key, to.Alg, to.Enc = private.KeyID, string(alg), string(enc)
				token, err := kms.Encrypt(context.Background(), plaintext, to)
				if err != nil {
					t.Fatal(err)
				}
				object, err := jose.ParseEncrypted(token, []jose.KeyAlgorithm{alg}, []jose.ContentEncryption{enc})
				if err != nil {
					t.Fatal(err)
				}
				got, err := object.Decrypt(private.Key)
				if err != nil || !bytes.Equal(got, plaintext) || string(object.GetAuthData()) != string(to.AAD) {
					t.Errorf("%d bytes of %d, %v", len(got), len(plaintext), err)
				}
			}
		}
	})
}

func TestNotForUs(t *testing.T) {
	kms := open(t)
	key := make([]byte, 16)
	_, err := kms.ImportKey(context.Background(), key, jwekms.ImportKeyOptions{Format: jwekms.FormatRaw, UID: "k"})
	if err != nil {
		t.Fatal(err)
	}
	for alg, wanted := range map[jose.KeyAlgorithm]jwekms.Code{jose.A128KW: jwekms.ErrUnsupportedAlgorithm,
		jose.DIRECT: jwekms.ErrDecryptionFailed} {
		other := append([]byte{1}, key[1:]...)
		encrypter, err := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: alg, Key: other, KeyID: "k"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		object, err := encrypter.Encrypt([]byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		token, err := object.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kms.Decrypt(context.Background(), token, nil); !errors.Is(err, wanted) {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

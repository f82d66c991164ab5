// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"jwekms"
)

// only is a provider that finds one key, whatever it is asked for.
func only(key crypto.Decrypter) jwekms.Decrypters {
	return func(context.Context, string) (crypto.Decrypter, error) { return key, nil }
}

// scripted is a key that answers as the test says.
type scripted struct {
	public  crypto.PublicKey
	decrypt func() ([]byte, error)
}

func (s *scripted) Public() crypto.PublicKey { return s.public }

func (s *scripted) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return s.decrypt()
}

func TestDecrypterAmongAThousandGoroutines(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	before := jwekms.Registered()
	kms := openWith(t, "d::", only(private))
	var group sync.WaitGroup
	for i := 0; i < 1000; i++ {
		plaintext, good := fmt.Sprint("plaintext ", i), i%2 == 0
		token := encrypt(t, kms, plaintext, jwekms.EncryptOptions{Key: fmt.Sprint("d::", i)})
		if !good {
			dot := strings.IndexByte(token, '.') + 1
			token = token[:dot] + flip(token[dot:])
		}
		group.Add(1)
		go func() {
			defer group.Done()
			got, err := kms.Decrypt(background, token, nil)
			if good && (err != nil || string(got) != plaintext) {
				t.Errorf("%q, %v", got, err)
			}
			if !good && !errors.Is(err, jwekms.ErrDecryptionFailed) {
				t.Error(err)
			}
		}()
	}
	group.Wait()
	kms.Close()
	if now := jwekms.Registered(); now != before {
		t.Errorf("%d things are not released", now-before)
	}
}

func TestAlgsOfADecrypter(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	algs := []string{"RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"}
	kms := open(t, jwekms.Options{Policy: jwekms.Policy{Algs: algs},
		Providers: []jwekms.ProviderOptions{{Prefix: "d::", Provider: only(private)}}})
	// The same key in the database: the library's own OAEP is the measure.
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	_, err = kms.ImportKey(background, der, jwekms.ImportKeyOptions{Format: jwekms.FormatDER, UID: "own"})
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range algs {
		for from, to := range map[string]string{"d::k": "own", "own": "d::k", "d::a": "d::b"} {
			token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: from, Alg: alg})
			got, err := kms.Decrypt(background, token, &jwekms.DecryptOptions{Key: to})
			if err != nil || string(got) != "text" {
				t.Errorf("%s, %s to %s: %q, %v", alg, from, to, got, err)
			}
		}
		token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "d::k", Alg: alg})
		dot := strings.IndexByte(token, '.') + 1
		_, err := kms.Decrypt(background, token[:dot]+flip(token[dot:]), nil)
		want(t, err, jwekms.ErrDecryptionFailed)
	}
}

func TestErrorsOfADecrypter(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := &scripted{public: &private.PublicKey}
	var found crypto.Decrypter = key
	var notFound error
	kms := openWith(t, "d::", jwekms.Decrypters(func(context.Context, string) (crypto.Decrypter, error) {
		return found, notFound
	}))
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "d::k"})
	for _, one := range []struct {
		err             error
		decrypt, lookUp jwekms.Code
	}{
		{rsa.ErrDecryption, jwekms.ErrDecryptionFailed, jwekms.ErrInternal},
		{fmt.Errorf("the TPM: %w", rsa.ErrDecryption), jwekms.ErrDecryptionFailed, jwekms.ErrInternal},
		{errors.New("CKR_DEVICE_REMOVED"), jwekms.ErrUnavailable, jwekms.ErrUnavailable},
		{context.DeadlineExceeded, jwekms.ErrUnavailable, jwekms.ErrUnavailable},
		{jwekms.ErrForbidden, jwekms.ErrForbidden, jwekms.ErrForbidden},
		{fmt.Errorf("gone: %w", jwekms.ErrNotFound), jwekms.ErrNotFound, jwekms.ErrNotFound},
	} {
		key.decrypt = func() ([]byte, error) { return nil, one.err }
		if _, err := kms.Decrypt(background, token, nil); jwekms.CodeOf(err) != one.decrypt {
			t.Errorf("Decrypt, %v: %v, wanted %v", one.err, err, one.decrypt)
		}
		notFound = one.err
		if _, err := kms.DescribeKey(background, "d::k"); jwekms.CodeOf(err) != one.lookUp {
			t.Errorf("look-up, %v: %v, wanted %v", one.err, err, one.lookUp)
		}
		notFound = nil
	}

	// What no such key can have encrypted is no affair of the key's: it might call that an outage.
	key.decrypt = func() ([]byte, error) { return nil, errors.New("CKR_ENCRYPTED_DATA_LEN_RANGE") }
	parts := strings.Split(token, ".")
	for _, encrypted := range []string{parts[1][:40], parts[1] + "AAAA"} {
		_, err := kms.Decrypt(background, strings.Join(append([]string{parts[0], encrypted}, parts[2:]...), "."), nil)
		want(t, err, jwekms.ErrDecryptionFailed)
	}

	found = nil
	_, err = kms.DescribeKey(background, "d::k")
	want(t, err, jwekms.ErrInternal)
	found = &scripted{public: &ecdsa.PublicKey{}}
	_, err = kms.DescribeKey(background, "d::k")
	want(t, err, jwekms.ErrUnsupportedAlgorithm)
}

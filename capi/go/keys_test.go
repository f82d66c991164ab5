// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"reflect"
	"testing"
	"time"

	"jwekms"
)

func TestKeys(t *testing.T) {
	kms := open(t, jwekms.Options{})
	before := time.Now().Add(-2 * time.Second)
	key := createKey(t, kms, jwekms.CreateKeyOptions{UID: "a", Bits: 3072, Algs: []string{"RSA-OAEP"},
		Owner: "alice", Aliases: []string{"one", "two"}})
	if key.CreatedAt.Before(before) || key.CreatedAt.After(time.Now()) {
		t.Error(key.CreatedAt)
	}
	made := key.CreatedAt
	wanted := jwekms.KeyInfo{UID: "a", Type: jwekms.KeyTypeRSA, Bits: 3072, Algs: []string{"RSA-OAEP"},
		State: jwekms.KeyActive, MayDecrypt: true, MayEncrypt: true, Owner: "alice", CreatedAt: made,
		Version: 1, Aliases: []string{"one", "two"}}
	if !reflect.DeepEqual(key, wanted) {
		t.Errorf("%+v", key)
	}
	if err := kms.AddAlias(background, "a", "three"); err != nil {
		t.Error(err)
	}
	want(t, kms.AddAlias(background, "a", "one"), jwekms.ErrConflict)
	if err := kms.RemoveAlias(background, "one"); err != nil {
		t.Error(err)
	}
	key, err := kms.DescribeKey(background, "three")
	if err != nil || key.UID != "a" || len(key.Aliases) != 2 || key.Version <= 1 {
		t.Errorf("%+v, %v", key, err)
	}
	for _, state := range []jwekms.KeyState{jwekms.KeyDeactivated, jwekms.KeyCompromised, jwekms.KeyDestroyed} {
		if key, err = kms.SetKeyState(background, "a", state); err != nil || key.State != state {
			t.Errorf("%v: %v, %v", state, key.State, err)
		}
	}
	_, err = kms.DescribeKey(background, "a")
	want(t, err, jwekms.ErrNotFound)
	_, err = kms.CreateKey(background, jwekms.CreateKeyOptions{Bits: -1})
	want(t, err, jwekms.ErrBadRequest)
}

func TestNames(t *testing.T) {
	for got, wanted := range map[string]string{
		jwekms.KeyTypeRSA.String(): "RSA", jwekms.KeyTypeOct.String(): "oct", jwekms.KeyType(9).String(): "unknown",
		jwekms.KeyActive.String(): "active", jwekms.KeyDestroyed.String(): "destroyed",
		jwekms.KeyState(0).String(): "unknown", jwekms.FindingWarning.String(): "warning",
		jwekms.ErrTooLarge.String(): "too_large", jwekms.Code(99).String(): "internal_error",
		jwekms.Code(-1).Error(): "jwekms: internal_error",
	} {
		if got != wanted {
			t.Errorf("%s, wanted %s", got, wanted)
		}
	}
}

func TestImport(t *testing.T) {
	kms := open(t, jwekms.Options{})
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	armoured := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	encrypted, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY",
		x509.MarshalPKCS1PrivateKey(private), []byte("open sesame"), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	jwk := `{"kty":"oct","kid":"jwk","alg":"dir","k":"` + base64.RawURLEncoding.EncodeToString(make([]byte, 16)) + `"}`
	for _, one := range []struct {
		uid     string
		key     []byte
		options jwekms.ImportKeyOptions
	}{
		{"jwk", []byte(jwk), jwekms.ImportKeyOptions{}},
		{"der", der, jwekms.ImportKeyOptions{Format: jwekms.FormatDER, UID: "der"}},
		{"pem", armoured, jwekms.ImportKeyOptions{Format: jwekms.FormatPEM, UID: "pem"}},
		{"passphrase", pem.EncodeToMemory(encrypted), jwekms.ImportKeyOptions{Format: jwekms.FormatPEM,
			UID: "passphrase", Passphrase: []byte("open sesame")}},
		{"raw", make([]byte, 24), jwekms.ImportKeyOptions{Format: jwekms.FormatRaw, UID: "raw", Enc: "A192GCM"}},
	} {
		if key, err := kms.ImportKey(background, one.key, one.options); err != nil || key.UID != one.uid {
			t.Errorf("%s: %+v, %v", one.uid, key, err)
		}
	}

	// The public half is the key's that went in.
	text, err := kms.PublicJWK(background, "der")
	if err != nil {
		t.Fatal(err)
	}
	var public struct{ Kid, Kty, N string }
	if err := json.Unmarshal(text, &public); err != nil || public.Kid != "der" ||
		public.N != base64.RawURLEncoding.EncodeToString(private.N.Bytes()) {
		t.Errorf("%s, %v", text, err)
	}
	var set struct{ Keys []struct{ Kid string } }
	if text, err = kms.PublicJWKS(background); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) != 3 {
		t.Errorf("%s, %v", text, err)
	}
	_, err = kms.PublicJWK(background, "raw")
	want(t, err, jwekms.ErrCryptoFailure)
}

func TestListKeys(t *testing.T) {
	kms := open(t, jwekms.Options{})
	for _, uid := range []string{"a", "b", "c"} {
		createKey(t, kms, jwekms.CreateKeyOptions{Type: jwekms.KeyTypeOct, UID: uid, Aliases: []string{uid + uid}})
	}
	var got []string
	options := jwekms.ListKeysOptions{Limit: 2}
	for pages := 1; ; pages++ {
		page, err := kms.ListKeys(background, options)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range page.Keys {
			got = append(got, key.UID+key.Aliases[0])
		}
		if page.More != (pages == 1) {
			t.Errorf("page %d: more %v", pages, page.More)
		}
		if !page.More {
			break
		}
		options.After = page.Keys[len(page.Keys)-1].UID
	}
	if !reflect.DeepEqual(got, []string{"aaa", "bbb", "ccc"}) {
		t.Error(got)
	}
	_, err := kms.ListKeys(background, jwekms.ListKeysOptions{Prefix: "hsm::softhsm2::"})
	want(t, err, jwekms.ErrNotFound)
}

func TestUnwrapKey(t *testing.T) {
	kms := open(t, jwekms.Options{})
	key := createKey(t, kms, jwekms.CreateKeyOptions{})
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: key.UID, Enc: "A128GCM"})
	cek, err := kms.UnwrapKey(background, token, jwekms.UnwrapKeyOptions{UID: "kept"})
	if err != nil || cek.UID != "kept" || cek.Parent != key.UID || cek.Enc != "A128GCM" || cek.Bits != 128 {
		t.Fatalf("%+v, %v", cek, err)
	}
	later := encrypt(t, kms, "later", jwekms.EncryptOptions{Key: "kept", Alg: "dir", Enc: "A128GCM"})
	if got, err := kms.Decrypt(background, later, nil); err != nil || string(got) != "later" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestGrants(t *testing.T) {
	kms := open(t, jwekms.Options{Admins: []string{"root"}})
	as := func(name string) *jwekms.Kms {
		acting, err := kms.OnBehalfOf(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { acting.Close() })
		return acting
	}
	alice, bob, root := as("alice"), as("bob"), as("root")
	key := createKey(t, alice, jwekms.CreateKeyOptions{})
	if key.Owner != "alice" {
		t.Error(key.Owner)
	}
	token := encrypt(t, alice, "text", jwekms.EncryptOptions{Key: key.UID})
	_, err := bob.Decrypt(background, token, nil)
	want(t, err, jwekms.ErrForbidden)
	if err := alice.Grant(background, key.UID, "bob", jwekms.MayDecrypt|jwekms.MayDescribe); err != nil {
		t.Fatal(err)
	}
	if got, err := bob.Decrypt(background, token, nil); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	grants, err := root.Grants(background, key.UID)
	if err != nil || !reflect.DeepEqual(grants,
		[]jwekms.Grant{{Principal: "bob", Permissions: jwekms.MayDecrypt | jwekms.MayDescribe}}) {
		t.Errorf("%+v, %v", grants, err)
	}
	_, err = bob.Grants(background, key.UID)
	want(t, err, jwekms.ErrForbidden)
	if err := alice.Revoke(background, key.UID, "bob"); err != nil {
		t.Error(err)
	}
	_, err = bob.Decrypt(background, token, nil)
	want(t, err, jwekms.ErrForbidden)
	_, err = bob.OnBehalfOf("alice")
	want(t, err, jwekms.ErrForbidden)
}

func TestServiceCall(t *testing.T) {
	kms := open(t, jwekms.Options{})
	answer, err := kms.ServiceCall(background, "POST", "/v1/crypto/keys", []byte(`{"kty":"oct","kid":"k"}`))
	if err != nil || answer.Status/100 != 2 || answer.Operation == "" || answer.Err != nil ||
		answer.ContentType != "application/json" || !json.Valid(answer.Body) {
		t.Fatalf("%+v %s, %v", answer, answer.Body, err)
	}
	answer, err = kms.ServiceCall(background, "GET", "/v1/crypto/keys/nobody", nil)
	if err != nil || answer.Status != 404 || !errors.Is(answer.Err, jwekms.ErrNotFound) || answer.Kid != "nobody" {
		t.Errorf("%+v, %v", answer, err)
	}
	answer, err = kms.ServiceCall(background, "PUT", "/v1/crypto/decrypt", nil)
	if err != nil || answer.Status != 405 || answer.Allow != "POST" {
		t.Errorf("%+v, %v", answer, err)
	}
}

// Tokens that go-jose made, from the project's vectors, and what the default policy says of each.
func TestGoJoseVectors(t *testing.T) {
	text, err := os.ReadFile("../../tests/vectors/gojose.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Keys  []json.RawMessage
		Cases []struct {
			ID, Kid, Expect, Serialization string
			JWE                            string `json:"jwe"`
			KeySelect                      string `json:"key_select"`
			ExpectCore                     string `json:"expect_core"`
			PlaintextB64u                  string `json:"plaintext_b64u"`
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	kms := open(t, jwekms.Options{})
	for _, key := range vectors.Keys {
		var kind struct{ Kty string }
		json.Unmarshal(key, &kind)
		if kind.Kty == "EC" {
			continue // not among the algorithms of the default policy
		}
		if _, err := kms.ImportKey(background, key, jwekms.ImportKeyOptions{}); err != nil {
			t.Error(err)
		}
	}
	decrypted := 0
	for _, one := range vectors.Cases {
		if one.ExpectCore != "" || one.Serialization == "general" {
			continue
		}
		options := &jwekms.DecryptOptions{}
		if one.KeySelect != "header" {
			options.Key = one.Kid
		}
		got, err := kms.Decrypt(background, one.JWE, options)
		if err != nil || base64.RawURLEncoding.EncodeToString(got) != one.PlaintextB64u {
			t.Errorf("%s: %v", one.ID, err)
		}
		decrypted++
	}
	if decrypted < 50 {
		t.Errorf("%d tokens alone", decrypted)
	}
}

func TestRotateKEK(t *testing.T) {
	options := jwekms.Options{Database: t.TempDir() + "/keys.db", BusyTimeout: 50 * time.Millisecond,
		OnWarning: func(string) {}}
	want(t, jwekms.RotateKEK(background, options, nil), jwekms.ErrNotFound)
	kms := open(t, options)
	key := createKey(t, kms, jwekms.CreateKeyOptions{})
	want(t, jwekms.RotateKEK(background, options, nil), jwekms.ErrUnavailable)
	kms.Close()

	before := jwekms.Registered()
	var done, total uint64
	if err := jwekms.RotateKEK(background, options, func(d, t uint64) { done, total = d, t }); err != nil {
		t.Fatal(err)
	}
	if done != 1 || total != 1 || jwekms.Registered() != before {
		t.Errorf("%d of %d, %d registered", done, total, jwekms.Registered()-before)
	}
	kms = open(t, options)
	if _, err := kms.DescribeKey(background, key.UID); err != nil {
		t.Error(err)
	}
	kms.Close()
	want(t, jwekms.RotateKEK(background, options, nil), jwekms.ErrConflict)
	cancelled, cancel := context.WithCancel(background)
	cancel()
	want(t, jwekms.RotateKEK(cancelled, options, nil), context.Canceled)
}

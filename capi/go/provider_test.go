// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"jwekms"
)

func TestMain(m *testing.M) {
	if os.Getenv("JWEKMS_TEST_KEY_SERVICE") != "" {
		serveKeys()
	}
	os.Exit(m.Run())
}

// serveKeys is the other process: it has a key "remote::k", prints where it listens, and ends with its
// standard input. The key "remote::slow" is the same, after three seconds; of what is asked of "remote::torn"
// half is answered.
func serveKeys() {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/key", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("name") {
		case "remote::k", "remote::slow", "remote::torn":
			json.NewEncoder(w).Encode(private.PublicKey)
		default:
			http.NotFound(w, r)
		}
	})
	http.HandleFunc("/unwrap", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		encrypted, _ := io.ReadAll(r.Body)
		cek, err := unwrap(private, query.Get("alg"), encrypted)
		if err != nil {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		switch query.Get("name") {
		case "remote::slow":
			time.Sleep(3 * time.Second)
		case "remote::torn":
			w.Header().Set("Content-Length", fmt.Sprint(len(cek)))
			cek = cek[1:]
		}
		w.Write(cek)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go http.Serve(listener, nil)
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func unwrap(key crypto.Decrypter, alg string, encrypted []byte) ([]byte, error) {
	hash := crypto.SHA1
	if alg == "RSA-OAEP-256" {
		hash = crypto.SHA256
	}
	return key.Decrypt(rand.Reader, encrypted, &rsa.OAEPOptions{Hash: hash})
}

// startKeyService starts the other process.
func startKeyService(t testing.TB) (url string, stop func()) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "JWEKMS_TEST_KEY_SERVICE=1")
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop = func() { once.Do(func() { input.Close(); command.Wait() }) }
	t.Cleanup(stop)
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), stop
}

func openWith(t testing.TB, prefix string, provider jwekms.Provider) *jwekms.Kms {
	t.Helper()
	return open(t, jwekms.Options{Providers: []jwekms.ProviderOptions{{Prefix: prefix, Provider: provider}}})
}

func TestKeysInAnotherProcess(t *testing.T) {
	url, stop := startKeyService(t)
	kms := openWith(t, "remote::", remoteKeys(url))
	for _, alg := range []string{"RSA-OAEP", "RSA-OAEP-256"} {
		token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "remote::k", Alg: alg})
		if got, err := kms.Decrypt(background, token, nil); err != nil || string(got) != "text" {
			t.Errorf("%s: %q, %v", alg, got, err)
		}
		dot := strings.IndexByte(token, '.') + 1
		_, err := kms.Decrypt(background, token[:dot]+flip(token[dot:]), nil)
		want(t, err, jwekms.ErrDecryptionFailed)
		_, err = kms.Decrypt(background, token, &jwekms.DecryptOptions{Key: "remote::nobody"})
		want(t, err, jwekms.ErrNotFound)
		kept, err := kms.UnwrapKey(background, token, jwekms.UnwrapKeyOptions{})
		if err != nil || kept.Parent != "remote::k" {
			t.Errorf("%+v, %v", kept, err)
		}
	}

	// A deadline reaches the provider: the call ends with it, and says so.
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "remote::slow"})
	short, cancel := context.WithTimeout(background, 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := kms.Decrypt(short, token, nil)
	want(t, err, jwekms.ErrUnavailable)
	want(t, err, context.DeadlineExceeded)
	if took := time.Since(begun); took > 2500*time.Millisecond {
		t.Error(took)
	}
	if got, err := kms.Decrypt(background, token, nil); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}

	torn := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "remote::torn"})
	_, err = kms.Decrypt(background, torn, nil)
	want(t, err, jwekms.ErrUnavailable)

	stop()
	_, err = kms.Decrypt(background, token, nil)
	want(t, err, jwekms.ErrUnavailable)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// faulty is a provider that does as the test says.
type faulty struct {
	jwekms.Decrypters
	resolve func(ctx context.Context, kid string) (*jwekms.ProvidedKey, error)
	unwrap  func(ctx context.Context) ([]byte, error)
}

func (f *faulty) Resolve(ctx context.Context, kid string) (*jwekms.ProvidedKey, error) {
	if f.resolve != nil {
		return f.resolve(ctx, kid)
	}
	return f.Decrypters.Resolve(ctx, kid)
}

func (f *faulty) Unwrap(ctx context.Context, key *jwekms.ProvidedKey, cek *jwekms.WrappedCEK) ([]byte, error) {
	return f.unwrap(ctx)
}

func TestErrorsOfAProvider(t *testing.T) {
	quiet(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	provider := &faulty{Decrypters: only(private)}
	kms := openWith(t, "f::", provider)
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "f::k"})
	_, noHost := net.Dial("unix", "/nowhere")
	for _, one := range []struct {
		err    error
		wanted jwekms.Code
	}{
		{jwekms.ErrNotFound, jwekms.ErrNotFound},
		{fmt.Errorf("the vault: %w", jwekms.ErrForbidden), jwekms.ErrForbidden},
		{jwekms.ErrUnavailable, jwekms.ErrUnavailable},
		{jwekms.ErrDecryptionFailed, jwekms.ErrDecryptionFailed},
		{jwekms.ErrBadRequest, jwekms.ErrDecryptionFailed},
		{rsa.ErrDecryption, jwekms.ErrDecryptionFailed},
		{context.Canceled, jwekms.ErrUnavailable},
		{noHost, jwekms.ErrUnavailable},
		{errors.New("a fault"), jwekms.ErrInternal},
		{jwekms.Code(99), jwekms.ErrInternal},
		{jwekms.CodeOf(nil), jwekms.ErrInternal}, // an error, whatever its value
		{nil, jwekms.ErrDecryptionFailed},        // no CEK at all
	} {
		provider.unwrap = func(context.Context) ([]byte, error) { return nil, one.err }
		if _, err := kms.Decrypt(background, token, nil); jwekms.CodeOf(err) != one.wanted {
			t.Errorf("%v: %v, wanted %v", one.err, err, one.wanted)
		}
	}
	for name, cek := range map[string][]byte{"short": make([]byte, 16), "long": make([]byte, 100)} {
		provider.unwrap = func(context.Context) ([]byte, error) { return cek, nil }
		if _, err := kms.Decrypt(background, token, nil); jwekms.CodeOf(err) != jwekms.ErrDecryptionFailed {
			t.Errorf("%s: %v", name, err)
		}
	}

	// What a provider returned is wiped.
	cek := bytes.Repeat([]byte{1}, 32)
	provider.unwrap = func(context.Context) ([]byte, error) { return cek, nil }
	kms.Decrypt(background, token, nil)
	if !bytes.Equal(cek, make([]byte, 32)) {
		t.Errorf("%x", cek)
	}

	for name, fault := range map[string]func() ([]byte, error){
		"value": func() ([]byte, error) { panic("secret") },
		"index": func() ([]byte, error) { return cek[len(cek)+1:], nil },
		"nil":   func() ([]byte, error) { var p *faulty; return nil, p.unwrap2() },
	} {
		provider.unwrap = func(context.Context) ([]byte, error) { return fault() }
		if _, err := kms.Decrypt(background, token, nil); jwekms.CodeOf(err) != jwekms.ErrInternal {
			t.Errorf("panic, %s: %v", name, err)
		}
	}

	for _, key := range []*jwekms.ProvidedKey{nil, {}, {Type: jwekms.KeyTypeRSA}, {Type: jwekms.KeyTypeRSA, Bits: -1},
		{Type: jwekms.KeyTypeRSA, Bits: 2048, UID: strings.Repeat("u", 300)},
		{Type: jwekms.KeyTypeRSA, Bits: 2048, Algs: []string{""}},
		{Type: jwekms.KeyTypeRSA, Bits: 2048, UID: "another prefix"}} {
		provider.resolve = func(context.Context, string) (*jwekms.ProvidedKey, error) { return key, nil }
		_, err := kms.DescribeKey(background, "f::k")
		want(t, err, jwekms.ErrInternal)
	}
	provider.resolve = func(context.Context, string) (*jwekms.ProvidedKey, error) { panic("fault") }
	_, err = kms.DescribeKey(background, "f::k")
	want(t, err, jwekms.ErrInternal)

	_, err = jwekms.Open(jwekms.Options{Providers: []jwekms.ProviderOptions{{Prefix: "p::"}}})
	want(t, err, jwekms.ErrBadRequest)
	before := jwekms.Registered()
	_, err = jwekms.Open(jwekms.Options{Providers: []jwekms.ProviderOptions{
		{Prefix: "hsm::", Provider: provider}}})
	want(t, err, jwekms.ErrBadRequest)
	if jwekms.Registered() != before {
		t.Error("a provider that was not taken is still there")
	}
}

func (f *faulty) unwrap2() error { return f.unwrapError() }

func (f *faulty) unwrapError() error { _, err := f.unwrap(background); return err }

// A provider may call the Kms that called it, has the context of its own call while it does, and is
// told when that Kms was closed meanwhile.
func TestProviderThatCallsItsKms(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	type name struct{}
	provider := &faulty{Decrypters: only(private)}
	kms := openWith(t, "f::", provider)
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "f::k"})
	inside, closed := make(chan bool, 1), make(chan bool)
	depth := 0
	provider.resolve = func(ctx context.Context, kid string) (*jwekms.ProvidedKey, error) {
		switch {
		case kid == "f::inner" && ctx.Value(name{}) != "inner":
			t.Errorf("within: %v", ctx.Value(name{}))
		case kid == "f::k" && ctx.Value(name{}) == "outer":
			kms.DescribeKey(context.WithValue(background, name{}, "inner"), "f::inner")
		}
		return provider.Decrypters.Resolve(ctx, kid)
	}
	provider.unwrap = func(ctx context.Context) ([]byte, error) {
		depth++
		_, err := kms.DescribeKey(context.WithValue(background, name{}, "inner"), "f::inner")
		if depth == 1 && err != nil {
			t.Error(err)
		}
		if depth == 2 {
			inside <- true
			for !errors.Is(err, jwekms.ErrClosed) {
				_, err = kms.DescribeKey(background, "f::k")
			}
		}
		if ctx.Value(name{}) != "outer" {
			t.Errorf("outside: %v", ctx.Value(name{}))
		}
		return nil, jwekms.ErrForbidden
	}
	outer := context.WithValue(background, name{}, "outer")
	_, err = kms.Decrypt(outer, token, nil)
	want(t, err, jwekms.ErrForbidden)
	go func() { <-inside; kms.Close(); close(closed) }()
	_, err = kms.Decrypt(outer, token, nil) // goes on until it ends
	want(t, err, jwekms.ErrForbidden)
	<-closed
}

// cloud is a provider whose CEKs and keys stay with it: "c::rsa" and "c::oct".
type cloud struct {
	private *rsa.PrivateKey
	oct     []byte
	seen    *jwekms.WrappedCEK
}

func (c *cloud) Resolve(_ context.Context, kid string) (*jwekms.ProvidedKey, error) {
	switch kid {
	case "c::rsa", "c::alias":
		return &jwekms.ProvidedKey{Type: jwekms.KeyTypeRSA, Bits: 2048, UID: "c::rsa", CEKStays: true,
			Algs: []string{"RSA-OAEP", "RSA-OAEP-256"}, CreatedAt: time.Unix(1e9, 0), Version: 7}, nil
	case "c::oct":
		return &jwekms.ProvidedKey{Type: jwekms.KeyTypeOct, Bits: 256, Enc: "A256GCM"}, nil
	case "c::old":
		return &jwekms.ProvidedKey{Type: jwekms.KeyTypeOct, Bits: 256, State: jwekms.KeyDeactivated}, nil
	}
	return nil, jwekms.ErrNotFound
}

func (c *cloud) PublicKey(context.Context, *jwekms.ProvidedKey) (*rsa.PublicKey, error) {
	return &c.private.PublicKey, nil
}

func (c *cloud) Wrap(_ context.Context, _ *jwekms.ProvidedKey, wanted *jwekms.WrappedCEK, cek []byte) ([]byte, error) {
	if cek != nil {
		return nil, errors.New("a CEK came")
	}
	cek = make([]byte, wanted.Size)
	rand.Read(cek)
	hash := sha1.New()
	if wanted.Alg == "RSA-OAEP-256" {
		hash = sha256.New()
	}
	return rsa.EncryptOAEP(hash, rand.Reader, &c.private.PublicKey, cek, nil)
}

func (c *cloud) gcm(key *jwekms.ProvidedKey, cek *jwekms.WrappedCEK) (cipher.AEAD, error) {
	secret := c.oct
	if key.Type == jwekms.KeyTypeRSA {
		var err error
		if secret, err = unwrap(c.private, cek.Alg, cek.EncryptedKey); err != nil {
			return nil, err
		}
		if len(secret) != cek.Size {
			return nil, jwekms.ErrDecryptionFailed
		}
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (c *cloud) DecryptContent(_ context.Context, key *jwekms.ProvidedKey, cek *jwekms.WrappedCEK,
	content *jwekms.SealedContent) ([]byte, error) {
	c.seen = &jwekms.WrappedCEK{Alg: cek.Alg, Enc: cek.Enc, Size: cek.Size, Kid: cek.Kid}
	gcm, err := c.gcm(key, cek)
	if err != nil {
		return nil, err
	}
	sealed := append(append([]byte(nil), content.Ciphertext...), content.Tag...)
	plaintext, err := gcm.Open(nil, content.IV, sealed, content.AAD)
	if err != nil {
		return nil, jwekms.ErrDecryptionFailed
	}
	return plaintext, nil
}

func (c *cloud) EncryptContent(_ context.Context, key *jwekms.ProvidedKey, cek *jwekms.WrappedCEK,
	plaintext []byte, content *jwekms.SealedContent) error {
	gcm, err := c.gcm(key, cek)
	if err != nil {
		return err
	}
	if string(plaintext) == "no code" {
		return jwekms.Code(0)
	}
	if string(plaintext) == "own IV" {
		content.IV = []byte("an IV of 12.")
	}
	sealed := gcm.Seal(nil, content.IV, plaintext, content.AAD)
	content.Ciphertext, content.Tag = sealed[:len(plaintext)], sealed[len(plaintext):]
	if string(plaintext) == "short tag" {
		content.Tag = content.Tag[1:]
	}
	return nil
}

func TestKeysAndCEKsThatStay(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	provider := &cloud{private: private, oct: make([]byte, 32)}
	kms := openWith(t, "c::", provider)
	for _, plaintext := range []string{"", "text", strings.Repeat("x", 100000), "own IV"} {
		for alg, key := range map[string]string{"RSA-OAEP": "c::rsa", "RSA-OAEP-256": "c::alias", "dir": "c::oct"} {
			token := encrypt(t, kms, plaintext, jwekms.EncryptOptions{Key: key, Alg: alg})
			got, err := kms.Decrypt(background, token, nil)
			if err != nil || string(got) != plaintext {
				t.Errorf("%s: %d bytes, %v", alg, len(got), err)
			}
			wanted := jwekms.WrappedCEK{Alg: alg, Enc: "A256GCM", Size: 32}
			if alg != "dir" {
				wanted.Kid = key
			}
			if fmt.Sprint(*provider.seen) != fmt.Sprint(wanted) {
				t.Errorf("%+v", *provider.seen)
			}
			_, err = kms.Decrypt(background, token[:len(token)-10]+flip(token[len(token)-10:]), nil)
			want(t, err, jwekms.ErrDecryptionFailed)
		}
	}
	_, err = kms.Encrypt(background, []byte("short tag"), jwekms.EncryptOptions{Key: "c::oct", Alg: "dir"})
	want(t, err, jwekms.ErrInternal)
	_, err = kms.Encrypt(background, []byte("no code"), jwekms.EncryptOptions{Key: "c::oct", Alg: "dir"})
	want(t, err, jwekms.ErrInternal)
	_, err = kms.Encrypt(background, nil, jwekms.EncryptOptions{Key: "c::old", Alg: "dir"})
	want(t, err, jwekms.ErrForbidden)
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "c::rsa"})
	_, err = kms.UnwrapKey(background, token, jwekms.UnwrapKeyOptions{})
	want(t, err, jwekms.ErrForbidden)
	key, err := kms.DescribeKey(background, "c::alias")
	if err != nil || key.UID != "c::rsa" || key.Version != 7 || key.CreatedAt.Unix() != 1e9 || len(key.Algs) != 2 {
		t.Errorf("%+v, %v", key, err)
	}
	if jwk, err := kms.PublicJWK(background, "c::rsa"); err != nil || !strings.Contains(string(jwk), `"c::rsa"`) {
		t.Errorf("%s, %v", jwk, err)
	}
}

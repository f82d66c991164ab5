// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"jwekms"
)

// counted keeps account of what was resolved and not yet released, and of how often it was closed.
type counted struct {
	jwekms.Decrypters
	t       *testing.T
	resolve func(*jwekms.ProvidedKey)
	release func()
	close   func() error

	mu     sync.Mutex
	keys   map[*jwekms.ProvidedKey]bool
	total  int
	closed int
}

func newCounted(t *testing.T) *counted {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &counted{Decrypters: only(private), t: t, keys: map[*jwekms.ProvidedKey]bool{},
		resolve: func(*jwekms.ProvidedKey) {}, release: func() {}, close: func() error { return nil }}
}

func (c *counted) Resolve(ctx context.Context, kid string) (*jwekms.ProvidedKey, error) {
	key, err := c.Decrypters.Resolve(ctx, kid)
	if kid == "c::nobody" {
		return key, jwekms.ErrNotFound // with an error there is nothing to release
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resolve(key)
	c.keys[key] = true
	c.total++
	return key, err
}

func (c *counted) Release(key *jwekms.ProvidedKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.keys[key] || c.closed != 0 {
		c.t.Errorf("released: %v, closed: %d", key, c.closed)
	}
	delete(c.keys, key)
	c.release()
}

func (c *counted) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
	return c.close()
}

// nothingHeld fails unless there were this many look-ups since the last time, or more, and all that
// was found is released.
func (c *counted) nothingHeld(after string, lookUps int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total < lookUps || len(c.keys) != 0 {
		c.t.Errorf("%s: %d keys found, %d not released", after, c.total, len(c.keys))
	}
	c.total = 0
}

func TestEachKeyIsReleasedOnce(t *testing.T) {
	provider := newCounted(t)
	kms := openWith(t, "c::", provider)
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "c::k"})
	provider.nothingHeld("Encrypt", 1)
	if _, err := kms.Decrypt(background, token, nil); err != nil {
		t.Error(err)
	}
	provider.nothingHeld("Decrypt", 1)
	if _, err := kms.Reencrypt(background, token, nil, jwekms.EncryptOptions{Key: "c::other"}); err != nil {
		t.Error(err)
	}
	provider.nothingHeld("Reencrypt", 2)
	if _, err := kms.UnwrapKey(background, token, jwekms.UnwrapKeyOptions{}); err != nil {
		t.Error(err)
	}
	provider.nothingHeld("UnwrapKey", 1)
	_, err := kms.DescribeKey(background, "c::nobody")
	want(t, err, jwekms.ErrNotFound)
	provider.nothingHeld("not found", 0)

	// What the library refuses: a wrong prefix in C, too long a name before.
	for _, uid := range []string{"another prefix", strings.Repeat("u", 300)} {
		provider.resolve = func(key *jwekms.ProvidedKey) { key.UID = uid }
		_, err := kms.DescribeKey(background, "c::k")
		want(t, err, jwekms.ErrInternal)
		provider.nothingHeld("refused", 1)
	}
	provider.resolve = func(*jwekms.ProvidedKey) {}

	var group sync.WaitGroup
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := kms.Decrypt(background, token, nil); err != nil {
				t.Error(err)
			}
		}()
	}
	group.Wait()
	provider.nothingHeld("goroutines", 100)
}

func TestProviderIsClosedOnce(t *testing.T) {
	fault := errors.New("a fault")
	provider, other := newCounted(t), newCounted(t)
	provider.close = func() error { return fault }
	options := jwekms.Options{Providers: []jwekms.ProviderOptions{
		{Prefix: "c::", Provider: provider}, {Prefix: "o::", Provider: other}}}
	kms := open(t, options)
	alice, err := kms.OnBehalfOf("alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := kms.Close(); err != nil || provider.closed != 0 {
		t.Errorf("before the last: %d times, %v", provider.closed, err)
	}
	want(t, alice.Close(), fault)
	if err := alice.Close(); err != nil {
		t.Error(err)
	}
	if provider.closed != 1 || other.closed != 1 {
		t.Errorf("%d and %d times", provider.closed, other.closed)
	}

	// Of an Open that fails it is still the caller's.
	options.Providers[1].Prefix = "hsm::"
	_, err = jwekms.Open(options)
	want(t, err, jwekms.ErrBadRequest)
	if provider.closed != 1 {
		t.Error("closed by an Open that failed")
	}

	// To embed io.Closer is enough.
	embedded := struct {
		jwekms.Decrypters
		io.Closer
	}{func(context.Context, string) (crypto.Decrypter, error) { return nil, jwekms.ErrNotFound }, other}
	openWith(t, "c::", embedded).Close()
	if other.closed != 2 {
		t.Errorf("%d times", other.closed)
	}
}

func TestPanicsAtTheEnd(t *testing.T) {
	quiet(t)
	before := jwekms.Registered()
	provider := newCounted(t)
	provider.release = func() { panic("Release") }
	provider.close = func() error { panic("Close") }
	kms := openWith(t, "c::", provider)
	token := encrypt(t, kms, "text", jwekms.EncryptOptions{Key: "c::k"})
	if got, err := kms.Decrypt(background, token, nil); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	provider.resolve = func(key *jwekms.ProvidedKey) { key.UID = strings.Repeat("u", 300) }
	_, err := kms.DescribeKey(background, "c::k")
	want(t, err, jwekms.ErrInternal)
	provider.nothingHeld("panics", 3)
	if err := kms.Close(); err != nil || provider.closed != 1 {
		t.Errorf("%d times, %v", provider.closed, err)
	}
	if now := jwekms.Registered(); now != before {
		t.Errorf("%d things are not released", now-before)
	}
}

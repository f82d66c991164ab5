// SPDX-License-Identifier: Apache-2.0

package jwekms_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"jwekms"
)

// remoteKeys is a provider of RSA keys that live in another process, behind HTTP.
type remoteKeys struct {
	prefix, url string
}

// Resolve asks the service for the public half, which tells whether there is such a key.
func (r *remoteKeys) Resolve(ctx context.Context, kid string) (*jwekms.ProvidedKey, error) {
	name := url.PathEscape(strings.TrimPrefix(kid, r.prefix))
	text, err := r.call(ctx, "GET", "/keys/"+name, nil)
	if err != nil {
		return nil, err
	}
	public := new(rsa.PublicKey)
	if err := json.Unmarshal(text, public); err != nil {
		return nil, err
	}
	return &jwekms.ProvidedKey{Type: jwekms.KeyTypeRSA, Bits: public.N.BitLen(), UID: kid,
		Handle: &remoteKey{name, public}}, nil
}

type remoteKey struct {
	name   string
	public *rsa.PublicKey
}

// PublicKey lets the library encrypt by itself.
func (r *remoteKeys) PublicKey(_ context.Context, key *jwekms.ProvidedKey) (*rsa.PublicKey, error) {
	return key.Handle.(*remoteKey).public, nil
}

// Unwrap has the service decrypt an encrypted_key.
func (r *remoteKeys) Unwrap(ctx context.Context, key *jwekms.ProvidedKey, cek *jwekms.WrappedCEK) ([]byte, error) {
	return r.call(ctx, "POST", "/keys/"+key.Handle.(*remoteKey).name+"/unwrap?alg="+cek.Alg, cek.EncryptedKey)
}

// call returns what the service answers. Errors of net/http say "unavailable" by themselves.
func (r *remoteKeys) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return io.ReadAll(response.Body)
	case http.StatusNotFound:
		return nil, jwekms.ErrNotFound
	case http.StatusUnprocessableEntity:
		return nil, jwekms.ErrDecryptionFailed
	}
	return nil, fmt.Errorf("%s: %w", response.Status, jwekms.ErrUnavailable)
}

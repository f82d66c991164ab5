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
	"time"

	"jwekms"
)

// remoteKeys is a provider of RSA keys that live in another process, behind HTTP at this URL.
type remoteKeys string

var client = http.Client{Timeout: 10 * time.Second} // where the caller's context has no deadline

// Resolve asks the service for the public half, which tells whether there is such a key.
func (r remoteKeys) Resolve(ctx context.Context, kid string) (*jwekms.ProvidedKey, error) {
	public := new(rsa.PublicKey)
	text, err := r.call(ctx, "/key", url.Values{"name": {kid}}, nil)
	if err == nil {
		err = json.Unmarshal(text, public)
	}
	if err != nil {
		return nil, err
	}
	return &jwekms.ProvidedKey{Type: jwekms.KeyTypeRSA, Bits: public.Size() * 8, UID: kid, Handle: public}, nil
}

// PublicKey lets the library encrypt by itself.
func (r remoteKeys) PublicKey(_ context.Context, key *jwekms.ProvidedKey) (*rsa.PublicKey, error) {
	return key.Handle.(*rsa.PublicKey), nil
}

// Unwrap has the service decrypt an encrypted_key.
func (r remoteKeys) Unwrap(ctx context.Context, key *jwekms.ProvidedKey, cek *jwekms.WrappedCEK) ([]byte, error) {
	return r.call(ctx, "/unwrap", url.Values{"name": {key.UID}, "alg": {cek.Alg}}, cek.EncryptedKey)
}

// call returns what the service answers. What keeps it from answering is an outage, and no bad token.
func (r remoteKeys) call(ctx context.Context, path string, query url.Values, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, "POST", string(r)+path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err // of net/http: the library knows it as ErrUnavailable
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	switch {
	case err == nil && response.StatusCode == http.StatusOK:
		return answer, nil
	case response.StatusCode == http.StatusNotFound:
		return nil, jwekms.ErrNotFound
	case response.StatusCode == http.StatusUnprocessableEntity:
		return nil, jwekms.ErrDecryptionFailed
	}
	return nil, fmt.Errorf("%s: %w", response.Status, jwekms.ErrUnavailable)
}

// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"unsafe"

	"github.com/ebitengine/purego"
)

func makeProviderCallbacks() {
	callbacks.resolve = purego.NewCallback(onResolve)
	callbacks.release = purego.NewCallback(onRelease)
	callbacks.unwrap = purego.NewCallback(onUnwrap)
	callbacks.wrap = purego.NewCallback(onWrap)
	callbacks.decrypt = purego.NewCallback(onDecrypt)
	callbacks.encrypt = purego.NewCallback(onEncrypt)
	callbacks.publicJWK = purego.NewCallback(onPublicJWK)
	callbacks.destroy = purego.NewCallback(onDestroy)
}

// provider is one that C has, until onDestroy, and the hooks of the Open that gave it.
type provider struct {
	Provider
	hooks *hooks
}

func providerOf(number uintptr) Provider { return registered.get(number).(*provider).Provider }

// toC gives the table of a provider, registered under c.data: what it does not offer stays NULL.
func (o *ProviderOptions) toC(h *hooks) (*cProvider, error) {
	if o.Provider == nil {
		return nil, badRequest("no Provider")
	}
	c := &cProvider{
		structSize: uint32(unsafe.Sizeof(cProvider{})),
		prefix:     spanOf(o.Prefix),
		admins:     spansOf(o.Admins),
		resolve:    callbacks.resolve,
		release:    callbacks.release,
		destroy:    callbacks.destroy,
	}
	if _, ok := o.Provider.(Unwrapper); ok {
		c.unwrap = callbacks.unwrap
	}
	if _, ok := o.Provider.(Wrapper); ok {
		c.wrap = callbacks.wrap
	}
	if _, ok := o.Provider.(ContentDecrypter); ok {
		c.decrypt = callbacks.decrypt
	}
	if _, ok := o.Provider.(ContentEncrypter); ok {
		c.encrypt = callbacks.encrypt
	}
	if _, ok := o.Provider.(PublicKeyer); ok {
		c.publicJWK = callbacks.publicJWK
	}
	c.data = registered.add(&provider{o.Provider, h})
	return c, nil
}

// statusOf is what C is told of an error of a provider's.
func statusOf(err error) Code {
	var code Code
	var network net.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return code.known() // never 0, which is no failure
	case errors.Is(err, rsa.ErrDecryption):
		return ErrDecryptionFailed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &network):
		return ErrUnavailable
	default:
		return ErrInternal
	}
}

// provided calls a provider, and makes a status of what comes of it.
func provided(where string, body func(ctx context.Context) error) (status uintptr) {
	status = uintptr(ErrInternal) // for a panic
	defer shield(where)
	return uintptr(statusOf(body(callersContext())))
}

// give copies a provider's output to C's memory of that size.
func give(output []byte, to, size uintptr, length *uintptr) error {
	if uintptr(len(output)) > size {
		return ErrInternal
	}
	copy(view(to, size), output)
	*length = uintptr(len(output))
	return nil
}

func wipe(secret []byte) {
	for i := range secret {
		secret[i] = 0
	}
}

func keyOf(number uintptr) *ProvidedKey { return registered.get(number).(*ProvidedKey) }

func onResolve(data, kid, kidLength uintptr, out *cProvidedKey) uintptr {
	return provided("Resolve", func(ctx context.Context) error {
		name := textOf(kid, kidLength)
		key, err := providerOf(data).Resolve(ctx, name)
		if err != nil {
			return err
		}
		if key == nil {
			return ErrInternal
		}
		if err := key.toC(out); err != nil {
			release(data, key) // C will not
			return err
		}
		out.key = registered.add(key) // until onRelease, which comes for each success
		return nil
	})
}

func (k *ProvidedKey) toC(c *cProvidedKey) error {
	var v values
	c.flags = flag(k.CEKStays, 1) | flag(k.NoDecrypt, 2) | flag(k.NoEncrypt, 4)
	c.kind, c.bits, c.state = int32(k.Type), v.uint32("Bits", k.Bits), int32(k.State)
	if !k.CreatedAt.IsZero() {
		c.createdAt = k.CreatedAt.Unix()
	}
	c.version = k.Version
	algs := v.words("Algs", k.Algs)
	if len(k.UID) > len(c.uid) || len(algs) > len(c.algs) || len(k.Enc) > len(c.enc) || v.err != nil {
		return ErrInternal
	}
	c.uidLen = uintptr(copy(c.uid[:], k.UID))
	c.algsLen = uintptr(copy(c.algs[:], algs))
	c.encLen = uintptr(copy(c.enc[:], k.Enc))
	return nil
}

func onRelease(data, number uintptr) {
	key := keyOf(number)
	registered.remove(number)
	release(data, key)
}

func release(data uintptr, key *ProvidedKey) {
	defer shield("Release")
	if releaser, ok := providerOf(data).(Releaser); ok {
		releaser.Release(key)
	}
}

func onDestroy(data uintptr) {
	defer shield("Close")
	destroyed := registered.get(data).(*provider)
	registered.remove(data)
	if closer, ok := destroyed.Provider.(io.Closer); ok {
		if err := closer.Close(); err != nil && destroyed.hooks.closing == nil {
			destroyed.hooks.closing = err
		}
	}
}

func onUnwrap(data, key uintptr, wrapped *cProvidedCEK, out uintptr, length *uintptr) uintptr {
	return provided("Unwrap", func(ctx context.Context) error {
		cek, err := providerOf(data).(Unwrapper).Unwrap(ctx, keyOf(key), wrapped.toGo())
		defer wipe(cek)
		if err != nil {
			return err
		}
		if len(cek) > maxCEKSize {
			return ErrDecryptionFailed
		}
		return give(cek, out, maxCEKSize, length)
	})
}

func onWrap(data, key uintptr, wanted *cProvidedCEK, cek, out uintptr, length *uintptr) uintptr {
	return provided("Wrap", func(ctx context.Context) error {
		var secret []byte // C's, who wipes it
		if cek != 0 {
			secret = view(cek, uintptr(wanted.size))
		}
		encrypted, err := providerOf(data).(Wrapper).Wrap(ctx, keyOf(key), wanted.toGo(), secret)
		if err != nil {
			return err
		}
		return give(encrypted, out, maxEncryptedKeySize, length)
	})
}

func onDecrypt(data, key uintptr, cek *cProvidedCEK, content *cSealedContent, out uintptr,
	length *uintptr) uintptr {
	return provided("DecryptContent", func(ctx context.Context) error {
		plaintext, err := providerOf(data).(ContentDecrypter).DecryptContent(ctx, keyOf(key),
			cek.toGo(), &SealedContent{
				IV:         content.iv.bytes(),
				AAD:        content.aad.bytes(),
				Ciphertext: content.ciphertext.bytes(),
				Tag:        content.tag.bytes(),
			})
		defer wipe(plaintext)
		if err != nil {
			return err
		}
		return give(plaintext, out, content.ciphertext.length, length)
	})
}

func onEncrypt(data, key uintptr, cek *cProvidedCEK, sealing *cSealing) uintptr {
	return provided("EncryptContent", func(ctx context.Context) error {
		content := &SealedContent{IV: sealing.iv.bytes(), AAD: sealing.aad.bytes()}
		err := providerOf(data).(ContentEncrypter).EncryptContent(ctx, keyOf(key), cek.toGo(),
			sealing.plaintext.bytes(), content)
		if err != nil {
			return err
		}
		for _, part := range [...]struct {
			from []byte
			to   cText
		}{{content.IV, sealing.iv}, {content.Ciphertext, sealing.ciphertext}, {content.Tag, sealing.tag}} {
			if uintptr(len(part.from)) != part.to.length {
				return ErrInternal
			}
			copy(part.to.bytes(), part.from)
		}
		return nil
	})
}

func onPublicJWK(data, key, out uintptr, length *uintptr) uintptr {
	return provided("PublicKey", func(ctx context.Context) error {
		public, err := providerOf(data).(PublicKeyer).PublicKey(ctx, keyOf(key))
		if err != nil {
			return err
		}
		base64url := base64.RawURLEncoding.EncodeToString
		jwk, err := json.Marshal(map[string]string{
			"kty": "RSA",
			"n":   base64url(public.N.Bytes()),
			"e":   base64url(big.NewInt(int64(public.E)).Bytes()),
		})
		if err != nil {
			return err
		}
		return give(jwk, out, maxJWKSize, length)
	})
}

func (c *cProvidedCEK) toGo() *WrappedCEK {
	return &WrappedCEK{
		Alg:          c.alg.String(),
		Enc:          c.enc.String(),
		Size:         int(c.size),
		Kid:          c.kid.String(),
		EncryptedKey: c.encryptedKey.bytes(),
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package jwekms decrypts JWE tokens (RFC 7516) without showing anybody the content encryption key
// (CEK) or the private key: they stay in an encrypted database, in an HSM, or with a Provider. It
// loads the C library jwekms when it is first used, without cgo.
//
// A Kms is shared freely by goroutines. Every failure has a Code, to be found with errors.Is; a
// token that does not decrypt is ErrDecryptionFailed, whatever is wrong with it, and never
// ErrUnavailable, which is for a database, an HSM or a provider out of reach.
//
// A context.Context is looked at before a call starts. What runs in the library then is not
// interrupted: the times that Options sets (HSM.SessionTimeout, BusyTimeout) bound how long it waits,
// and while it runs it holds a thread. A Provider gets the context of the call that it serves, and
// can give up by it; the call then fails with ErrUnavailable, and errors.Is finds the context's
// error in it, too.
//
// There is no crypto.Decrypter here, since for an RSA key that is something that returns what was
// encrypted: the CEK, which nobody is to see. It fits the other way round: Decrypters makes a
// Provider of keys that are a crypto.Decrypter.
package jwekms

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// Kms is an open key database, HSMs and providers, and the policy that guards them. Open gives one:
// every call on another, nil too, is ErrBadRequest. Close it; one that is forgotten is closed when the
// garbage collector finds it.
type Kms struct {
	opened       uintptr
	calls        calls
	hooks        *hooks
	hasProviders bool
	allowsZip    bool
}

// Open opens a Kms. It acts for the program itself, which may do everything; see OnBehalfOf.
//
// Errors: ErrBadRequest (options), ErrUnsupportedAlgorithm (a policy names what is unknown; the HSM
// cannot wrap with the KeyEncryptionKey), ErrUnavailable (database, key file or HSM out of reach, or
// a PIN refused), ErrNotFound (the HSM has no KeyEncryptionKey), ErrForbidden (others may read the
// KEKFile), ErrCryptoFailure (the key-encryption key is not this database's), ErrInternal; an error
// without a code when the library cannot be loaded.
func Open(options Options) (*Kms, error) {
	if err := loadDefault(); err != nil {
		return nil, err
	}
	c, hooks, err := options.toC()
	if err != nil {
		return nil, err
	}
	var out struct {
		handle  uintptr
		failure cError
	}
	err = try(fnOpen, &out.failure, uintptr(unsafe.Pointer(c)), uintptr(unsafe.Pointer(&out.handle)),
		uintptr(unsafe.Pointer(&out.failure)))
	if err != nil {
		hooks.abandon()
		return nil, err
	}
	return newKms(out.handle, hooks, len(options.Providers) > 0, options.Policy.AllowZip), nil
}

func newKms(handle uintptr, hooks *hooks, hasProviders, allowsZip bool) *Kms {
	k := &Kms{opened: handle, hooks: hooks, hasProviders: hasProviders, allowsZip: allowsZip}
	k.calls.idle = make(chan struct{})
	hooks.hold()
	runtime.SetFinalizer(k, func(k *Kms) { go k.Close() }) // closing may wait for an HSM
	return k
}

// handle is C's, and 0 where Open gave no Kms.
func (k *Kms) handle() uintptr {
	if k == nil {
		return 0
	}
	return k.opened
}

var errNotOpened = badRequest("the Kms was never opened")

// Close waits for the calls that are running and, if this is the last Kms over what was opened,
// wipes the keys that it held and closes the providers that are an io.Closer. Calls that come later
// get ErrClosed. It must not be called from within a call on the same Kms: by a Provider, OnAudit or
// OnWarning. A second Close does nothing.
//
// Errors: the first that a provider's Close gave, and k is closed all the same; ErrBadRequest (never
// opened).
func (k *Kms) Close() error {
	if k.handle() == 0 {
		return errNotOpened
	}
	if !k.calls.close() {
		return nil
	}
	runtime.SetFinalizer(k, nil)
	call(fnClose, k.handle())
	return k.hooks.letGo()
}

// OnBehalfOf gives a Kms that acts for a principal, somebody whom the program has authenticated:
// owners, admins and grants say what they may do, and every call is authorised. It is cheap, and
// shares all that k has open; the two are closed each, in any order.
//
// The principal is 1 to 256 bytes of UTF-8 without control characters, and not "*".
// Errors: ErrBadRequest (the name), ErrForbidden (k acts for a principal already).
func (k *Kms) OnBehalfOf(principal string) (*Kms, error) {
	var out struct {
		handle  uintptr
		failure cError
	}
	var acting *Kms
	err := k.run(context.Background(), func() error {
		err := try(fnOnBehalfOf, &out.failure, k.handle(), uintptr(unsafe.Pointer(stringData(principal))),
			uintptr(len(principal)), uintptr(unsafe.Pointer(&out.handle)),
			uintptr(unsafe.Pointer(&out.failure)))
		if err == nil {
			acting = newKms(out.handle, k.hooks, k.hasProviders, k.allowsZip)
		}
		return err
	})
	return acting, err
}

// run is how every call on a Kms goes to the library.
func (k *Kms) run(ctx context.Context, body func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if k.handle() == 0 {
		return errNotOpened
	}
	if !k.calls.enter() {
		return ErrClosed
	}
	defer k.leave()
	if k.hasProviders {
		outer := enterThread(ctx)
		defer leaveThread(outer)
	}
	err := body()
	if err != nil {
		noteCause(err, ctx.Err())
	}
	return err
}

// noteCause is for a provider that gave up by its context: the library saw an outage.
func noteCause(err, cause error) {
	var failure *Error
	if errors.As(err, &failure) && failure.Code == ErrUnavailable {
		failure.cause = cause
	}
}

func (k *Kms) leave() {
	k.calls.leave()
	runtime.KeepAlive(k) // no finalizer while a call runs
}

// calls counts the calls that are running, so that closing can wait for them. No lock: a provider
// may call the Kms that called it.
type calls struct {
	state atomic.Int64 // how many, and closedCalls once it is closed
	idle  chan struct{}
}

const closedCalls = 1 << 62

func (c *calls) enter() bool {
	for {
		n := c.state.Load()
		if n&closedCalls != 0 {
			return false
		}
		if c.state.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (c *calls) leave() {
	if c.state.Add(-1) == closedCalls {
		close(c.idle)
	}
}

// close is true for the one who has to close, when nobody is inside any more.
func (c *calls) close() bool {
	for {
		n := c.state.Load()
		if n&closedCalls != 0 {
			return false
		}
		if c.state.CompareAndSwap(n, n|closedCalls) {
			if n > 0 {
				<-c.idle
			}
			return true
		}
	}
}

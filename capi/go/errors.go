// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"errors"
	"fmt"
)

// Code says what kind of failure it was. It is an error itself, for errors.Is:
//
//	if errors.Is(err, jwekms.ErrNotFound) { ... }
type Code int32

// The codes; their values are those of jwekms_status.
const (
	ErrBadRequest           Code = 1  // Malformed token, header, key or argument.
	ErrForbidden            Code = 2  // The key's state, or the caller's rights, forbid this.
	ErrNotFound             Code = 3  // No such key, or it was destroyed.
	ErrConflict             Code = 4  // The UID or alias exists already.
	ErrTooLarge             Code = 5  // Input above a configured limit.
	ErrUnsupportedAlgorithm Code = 6  // alg, enc or zip unknown or not allowed here.
	ErrDecryptionFailed     Code = 7  // Wrong key, corrupted data, failed tag; never says which.
	ErrCryptoFailure        Code = 8  // CEK size does not fit enc; key of the wrong kind.
	ErrUnavailable          Code = 9  // Database, HSM or memory out of reach; may be retried.
	ErrInternal             Code = 10 // Anything else, damaged key records included.
	ErrBufferTooSmall       Code = 11 // Of DecryptInto alone; nothing was done.
)

// ErrClosed is what every call on a Kms gives after its Close.
var ErrClosed = errors.New("jwekms: the Kms is closed")

var codes = [...]struct {
	name string
	http int
}{
	ErrBadRequest:           {"bad_request", 400},
	ErrForbidden:            {"forbidden", 403},
	ErrNotFound:             {"not_found", 404},
	ErrConflict:             {"conflict", 409},
	ErrTooLarge:             {"too_large", 413},
	ErrUnsupportedAlgorithm: {"unsupported_algorithm", 422},
	ErrDecryptionFailed:     {"decryption_failed", 422},
	ErrCryptoFailure:        {"crypto_failure", 422},
	ErrUnavailable:          {"unavailable", 503},
	ErrInternal:             {"internal_error", 500},
	ErrBufferTooSmall:       {"buffer_too_small", 500},
}

// known turns a code from a newer library into what it has to be treated as.
func (c Code) known() Code {
	if c < ErrBadRequest || int(c) >= len(codes) {
		return ErrInternal
	}
	return c
}

// Error is "jwekms: " and the name.
func (c Code) Error() string { return "jwekms: " + c.String() }

// String is the name as the REST API's JSON bodies have it: "not_found".
func (c Code) String() string { return codes[c.known()].name }

// HTTPStatus is what the REST API answers with.
func (c Code) HTTPStatus() int { return codes[c.known()].http }

// Error tells of a call that failed. It holds no byte of input, of keys or of paths.
type Error struct {
	Code     Code
	Position int    // Byte offset in the text being read; 0 when it has no meaning.
	Text     string // English, for people.
	cause    error  // The context's, where that may be why.
}

func (e *Error) Error() string { return e.Code.Error() + ": " + e.Text }

// Unwrap makes errors.Is find the code.
func (e *Error) Unwrap() error { return e.Code }

// Is makes errors.Is find the context's error where a provider gave up by it.
func (e *Error) Is(target error) bool { return e.cause != nil && errors.Is(e.cause, target) }

// CodeOf is the code in an error of this package, and ErrInternal in any other; 0 in nil.
func CodeOf(err error) Code {
	var code Code
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return code
	default:
		return ErrInternal
	}
}

// statusError is a Code, or nil for JWEKMS_OK.
func statusError(status int32) error {
	if status == 0 {
		return nil
	}
	return Code(status).known()
}

func badRequest(format string, args ...any) error {
	return &Error{Code: ErrBadRequest, Text: fmt.Sprintf(format, args...)}
}

// take is a Go error from what a function left in its jwekms_error.
func (c *cError) take(status int32) error {
	return &Error{Code: Code(status).known(), Position: int(c.position), Text: text(c.text)}
}

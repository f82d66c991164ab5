// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"unsafe"
)

// Response is an answer of the REST API. Its body may hold a plaintext: not to be logged.
type Response struct {
	Status      int // HTTP's.
	ContentType string
	Body        []byte // JSON.
	Allow       string // For a 405, the value of the Allow header; else "".
	Err         error  // For logs and metrics: a Code, or nil.
	// For logs and metrics, the request: "decrypt", "add_key", "change_key" and the others that
	// examples/rest_server/README.md names; "" when there is no such path or method.
	Operation string
	Kid       string // For logs: the key, as the request names it, bytes that a stranger chose.
}

// ServiceCall serves one request of the REST API, which examples/rest_server/openapi.json describes:
// JSON in, status and JSON out. No network: a program with an HTTP server of its own puts it under
// its routes. The target is path and query as they came, percent-encoded; the body is nil where
// there is none.
//
// The error is nil whenever there is an answer, whatever its status. Errors: ErrUnavailable (memory).
func (k *Kms) ServiceCall(ctx context.Context, method, target string, body []byte) (*Response, error) {
	response, err := k.object(ctx, fnServiceCall, k.handle(), uintptr(unsafe.Pointer(stringData(method))),
		uintptr(len(method)), uintptr(unsafe.Pointer(stringData(target))), uintptr(len(target)),
		uintptr(unsafe.Pointer(bytesData(body))), uintptr(len(body)))
	if err != nil {
		return nil, err
	}
	defer call(fnResponseFree, response) // wipes
	answer := &Response{
		Status:      int(int32(call(fnResponseHTTPStatus, response))),
		ContentType: textIn(fnResponseContentType, response),
		Body:        bytesIn(fnResponseBody, response),
		Allow:       textIn(fnResponseAllow, response),
		Operation:   textIn(fnResponseOperation, response),
		Kid:         textIn(fnResponseKid, response),
		Err:         statusError(int32(call(fnResponseError, response))),
	}
	return answer, nil
}

// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Registered says how many things of Go's C has a number for.
func Registered() int {
	registered.mu.RLock()
	defer registered.mu.RUnlock()
	return len(registered.values)
}

// PublicJWKSIn is PublicJWKS with room for that many bytes at first.
func PublicJWKSIn(kms *Kms, size int) ([]byte, error) {
	return kms.output(context.Background(), size, fnPublicJWKS, kms.handle())
}

// DecryptLoop decrypts that many times in C, by testdata/loop.c, compiled to a shared object.
func DecryptLoop(compiled string, kms *Kms, token string, times int) (Code, error) {
	handle, err := purego.Dlopen(compiled, purego.RTLD_NOW)
	if err != nil {
		return 0, err
	}
	loop, err := purego.Dlsym(handle, "decrypt_loop")
	if err != nil {
		return 0, err
	}
	plaintext := make([]byte, len(token))
	status, _, _ := purego.SyscallN(loop, functionAddrs[fnDecrypt], kms.handle(),
		uintptr(unsafe.Pointer(stringData(token))), uintptr(len(token)),
		uintptr(unsafe.Pointer(&plaintext[0])), uintptr(len(plaintext)), uintptr(times))
	return Code(status), nil
}

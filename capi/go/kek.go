// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"unsafe"
)

// RewrapDatabase changes who keeps a database's key-encryption key: from a file to an HSM, or from
// one key of an HSM to another. The options are those that the database is opened with now; `to` is
// the UID of the AES-256 key that wraps from now on, in one of its HSMs. The key-encryption key
// itself stays, so a copy that somebody has of the file, or of the database and the old HSM key,
// still opens what it opened: destroy them. Who has the database open goes on, and needs the new
// options after a restart.
//
// Errors: those of Open; ErrNotFound (no such database), ErrConflict (changed by another process
// meanwhile).
func RewrapDatabase(ctx context.Context, options Options, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := loadDefault(); err != nil {
		return err
	}
	c, hooks, err := options.toC()
	if err != nil {
		return err
	}
	defer hooks.abandon()
	failure := new(cError)
	return try(fnRewrapDatabase, failure, uintptr(unsafe.Pointer(c)),
		uintptr(unsafe.Pointer(stringData(to))), uintptr(len(to)), uintptr(unsafe.Pointer(failure)))
}

// RotateKEK gives a database a new key-encryption key, kept where the one before was, and seals every
// record anew under it. All or nothing: what ends in the middle has changed nothing and can be begun
// again. Nobody may have the database open meanwhile. The old key file becomes KEKFile + ".old": old
// copies of the database open with it alone; destroy it with them, for there is no other rotation
// while it is there. With KeyEncryptionKey, old copies hold their own key, for the HSM to unwrap.
//
// The options are those that the database is opened with, without KEK, which the caller would have to
// replace. onProgress, unless it is nil, is told how many records are done, and of how many.
//
// Errors: those of Open; ErrNotFound (no such database), ErrBadRequest (KEK), ErrConflict (the old
// file of an earlier rotation), ErrUnavailable (somebody has the database open).
func RotateKEK(ctx context.Context, options Options, onProgress func(done, total uint64)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := loadDefault(); err != nil {
		return err
	}
	c, hooks, err := options.toC()
	if err != nil {
		return err
	}
	defer hooks.abandon()
	var callback, number uintptr
	if onProgress != nil {
		callback, number = callbacks.progress, registered.add(onProgress)
		defer registered.remove(number)
	}
	failure := new(cError)
	return try(fnRotateKEK, failure, uintptr(unsafe.Pointer(c)), callback, number,
		uintptr(unsafe.Pointer(failure)))
}

func onProgress(data, done, total uintptr) {
	defer shield("onProgress")
	registered.get(data).(func(done, total uint64))(uint64(done), uint64(total))
}

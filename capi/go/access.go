// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"context"
	"unsafe"
)

// Permission is what a grant allows with one key: one or more of the constants, or-ed together.
// Whoever was granted anything may also describe the key.
type Permission uint32

const (
	MayDecrypt  Permission = 1
	MayEncrypt  Permission = 2
	MayUnwrap   Permission = 4  // Keep a CEK that the key unwraps.
	MayDescribe Permission = 8  // See its metadata.
	MayManage   Permission = 16 // States and aliases. Does not destroy.
	MayGrant    Permission = 32 // Hand on what one was granted, see all grants, revoke any.
)

// Grant says what a principal, or with "*" all, may do.
type Grant struct {
	Principal   string
	Permissions Permission
}

// Grant lets a principal, or all ("*"), do exactly these things with the key with this UID, wherever
// it lives. Replaces any earlier grant to them. Errors: ErrBadRequest (also: no database),
// ErrNotFound, ErrForbidden, ErrUnavailable.
func (k *Kms) Grant(ctx context.Context, uid, principal string, permissions Permission) error {
	return k.command(ctx, fnGrant, k.handle(), uintptr(unsafe.Pointer(stringData(uid))),
		uintptr(len(uid)), uintptr(unsafe.Pointer(stringData(principal))), uintptr(len(principal)),
		uintptr(permissions))
}

// Revoke takes back what a principal, or all ("*"), was granted. Other processes see it within
// Options.CacheTTL. Errors: those of Grant; ErrNotFound also when there was no grant.
func (k *Kms) Revoke(ctx context.Context, uid, principal string) error {
	return k.command(ctx, fnRevoke, k.handle(), uintptr(unsafe.Pointer(stringData(uid))),
		uintptr(len(uid)), uintptr(unsafe.Pointer(stringData(principal))), uintptr(len(principal)))
}

// Grants lists the grants of one key in the order of the names' bytes: for its owner, admins, and
// who was granted MayGrant. Errors: those of Grant.
func (k *Kms) Grants(ctx context.Context, uid string) ([]Grant, error) {
	list, err := k.object(ctx, fnListGrants, k.handle(), uintptr(unsafe.Pointer(stringData(uid))),
		uintptr(len(uid)))
	if err != nil {
		return nil, err
	}
	defer call(fnGrantListFree, list)
	grants := make([]Grant, call(fnGrantListCount, list))
	for i := range grants {
		grants[i] = Grant{
			Principal:   textIn(fnGrantListPrincipal, list, uintptr(i)),
			Permissions: Permission(call(fnGrantListPermissions, list, uintptr(i))),
		}
	}
	return grants, nil
}

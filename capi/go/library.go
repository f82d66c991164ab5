// SPDX-License-Identifier: Apache-2.0

package jwekms

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

const (
	defaultLibrary = "libjwekms.so.0"
	abiVersion     = 1 // JWEKMS_ABI_VERSION
)

// The structs of layout.go are those of 64-bit machines: this does not compile on others.
const _ = uint(unsafe.Sizeof(uintptr(0)) - 8)

// function is one of the C functions that this package calls.
type function int

const (
	fnABIVersion function = iota
	fnVersionString
	fnStatusName
	fnStatusHTTP
	fnOpen
	fnClose
	fnRewrapDatabase
	fnRotateKEK
	fnOnBehalfOf
	fnGrant
	fnRevoke
	fnListGrants
	fnGrantListCount
	fnGrantListPrincipal
	fnGrantListPermissions
	fnGrantListFree
	fnDecrypt
	fnEncrypt
	fnReencrypt
	fnKeyInfoUID
	fnKeyInfoType
	fnKeyInfoBits
	fnKeyInfoAlgs
	fnKeyInfoEnc
	fnKeyInfoState
	fnKeyInfoMayDecrypt
	fnKeyInfoMayEncrypt
	fnKeyInfoParent
	fnKeyInfoOwner
	fnKeyInfoCreatedAt
	fnKeyInfoVersion
	fnKeyInfoAliasCount
	fnKeyInfoAlias
	fnKeyInfoFree
	fnCreateKey
	fnImportKey
	fnUnwrapKey
	fnDescribeKey
	fnSetKeyState
	fnAddAlias
	fnRemoveAlias
	fnPublicJWK
	fnPublicJWKS
	fnListKeys
	fnKeyListCount
	fnKeyListMore
	fnKeyListGet
	fnKeyListFree
	fnDoctor
	fnServiceCall
	fnResponseHTTPStatus
	fnResponseContentType
	fnResponseBody
	fnResponseAllow
	fnResponseError
	fnResponseOperation
	fnResponseKid
	fnResponseFree
	functionCount
)

var functionNames = [functionCount]string{
	fnABIVersion:           "jwekms_abi_version",
	fnVersionString:        "jwekms_version_string",
	fnStatusName:           "jwekms_status_name",
	fnStatusHTTP:           "jwekms_status_http",
	fnOpen:                 "jwekms_open",
	fnClose:                "jwekms_close",
	fnRewrapDatabase:       "jwekms_rewrap_database",
	fnRotateKEK:            "jwekms_rotate_kek",
	fnOnBehalfOf:           "jwekms_on_behalf_of",
	fnGrant:                "jwekms_grant",
	fnRevoke:               "jwekms_revoke",
	fnListGrants:           "jwekms_list_grants",
	fnGrantListCount:       "jwekms_grant_list_count",
	fnGrantListPrincipal:   "jwekms_grant_list_principal",
	fnGrantListPermissions: "jwekms_grant_list_permissions",
	fnGrantListFree:        "jwekms_grant_list_free",
	fnDecrypt:              "jwekms_decrypt",
	fnEncrypt:              "jwekms_encrypt",
	fnReencrypt:            "jwekms_reencrypt",
	fnKeyInfoUID:           "jwekms_key_info_uid",
	fnKeyInfoType:          "jwekms_key_info_type",
	fnKeyInfoBits:          "jwekms_key_info_bits",
	fnKeyInfoAlgs:          "jwekms_key_info_algs",
	fnKeyInfoEnc:           "jwekms_key_info_enc",
	fnKeyInfoState:         "jwekms_key_info_state",
	fnKeyInfoMayDecrypt:    "jwekms_key_info_may_decrypt",
	fnKeyInfoMayEncrypt:    "jwekms_key_info_may_encrypt",
	fnKeyInfoParent:        "jwekms_key_info_parent",
	fnKeyInfoOwner:         "jwekms_key_info_owner",
	fnKeyInfoCreatedAt:     "jwekms_key_info_created_at",
	fnKeyInfoVersion:       "jwekms_key_info_version",
	fnKeyInfoAliasCount:    "jwekms_key_info_alias_count",
	fnKeyInfoAlias:         "jwekms_key_info_alias",
	fnKeyInfoFree:          "jwekms_key_info_free",
	fnCreateKey:            "jwekms_create_key",
	fnImportKey:            "jwekms_import_key",
	fnUnwrapKey:            "jwekms_unwrap_key",
	fnDescribeKey:          "jwekms_describe_key",
	fnSetKeyState:          "jwekms_set_key_state",
	fnAddAlias:             "jwekms_add_alias",
	fnRemoveAlias:          "jwekms_remove_alias",
	fnPublicJWK:            "jwekms_public_jwk",
	fnPublicJWKS:           "jwekms_public_jwks",
	fnListKeys:             "jwekms_list_keys",
	fnKeyListCount:         "jwekms_key_list_count",
	fnKeyListMore:          "jwekms_key_list_more",
	fnKeyListGet:           "jwekms_key_list_get",
	fnKeyListFree:          "jwekms_key_list_free",
	fnDoctor:               "jwekms_doctor",
	fnServiceCall:          "jwekms_service_call",
	fnResponseHTTPStatus:   "jwekms_response_http_status",
	fnResponseContentType:  "jwekms_response_content_type",
	fnResponseBody:         "jwekms_response_body",
	fnResponseAllow:        "jwekms_response_allow",
	fnResponseError:        "jwekms_response_error",
	fnResponseOperation:    "jwekms_response_operation",
	fnResponseKid:          "jwekms_response_kid",
	fnResponseFree:         "jwekms_response_free",
}

// The library, once it is loaded. It stays loaded until the process ends, as Go's own code does.
var (
	loading       sync.Mutex
	loadedFrom    string
	functionAddrs [functionCount]uintptr // written once, before any of them is called
)

// Load says which file is the library: a path, or a name for dlopen to find. Whoever does not call
// it gets libjwekms.so.0. There is one library in a process: Load is called ahead of anything else
// here, and fails when another file was loaded already.
func Load(path string) error {
	loading.Lock()
	defer loading.Unlock()
	if loadedFrom != "" {
		if path != loadedFrom {
			return fmt.Errorf("jwekms: %s is loaded already", loadedFrom)
		}
		return nil
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return fmt.Errorf("jwekms: %w", err)
	}
	addrs, err := addresses(handle)
	if err != nil {
		purego.Dlclose(handle)
		return err
	}
	functionAddrs, loadedFrom = addrs, path
	return nil
}

func addresses(handle uintptr) (addrs [functionCount]uintptr, err error) {
	for fn, name := range functionNames {
		addrs[fn], err = purego.Dlsym(handle, name)
		if err != nil && function(fn) != fnABIVersion {
			return addrs, fmt.Errorf("jwekms: the library is older than this package: %w", err)
		}
		if err != nil {
			return addrs, fmt.Errorf("jwekms: %w", err)
		}
		if function(fn) == fnABIVersion {
			if version, _, _ := purego.SyscallN(addrs[fn]); uint32(version) != abiVersion {
				return addrs, errors.New("jwekms: the library has another ABI than this package")
			}
		}
	}
	return addrs, nil
}

func loadDefault() error {
	loading.Lock()
	loaded := loadedFrom != ""
	loading.Unlock()
	if loaded {
		return nil
	}
	return Load(defaultLibrary)
}

// Version is the library's, "0.1.0". It is empty when the library cannot be loaded.
func Version() string {
	if loadDefault() != nil {
		return ""
	}
	return text(call(fnVersionString))
}

// call is for functions that have no jwekms_error.
//
//go:uintptrescapes
func call(fn function, args ...uintptr) uintptr { return callWith(fn, nil, args...) }

// callWith is call with arguments ahead of the others, which somebody else keeps alive.
//
//go:uintptrescapes
func callWith(fn function, ahead []uintptr, args ...uintptr) uintptr {
	var all [maxArguments]uintptr
	n := copy(all[:], ahead)
	n += copy(all[n:], args)
	result, _, _ := purego.SyscallN(functionAddrs[fn], all[:n]...)
	return result
}

const maxArguments = 9 // of a C function

// try is for functions that return a jwekms_status. `failure` is their last argument, too.
//
//go:uintptrescapes
func try(fn function, failure *cError, args ...uintptr) error {
	return tryWith(fn, failure, nil, args...)
}

// tryWith is try with arguments ahead of the others, which somebody else keeps alive.
//
//go:uintptrescapes
func tryWith(fn function, failure *cError, ahead []uintptr, args ...uintptr) error {
	*failure = cError{structSize: uint32(unsafe.Sizeof(*failure))}
	if status := int32(callWith(fn, ahead, args...)); status != 0 {
		return failure.take(status)
	}
	return nil
}

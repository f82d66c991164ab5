# SPDX-License-Identifier: Apache-2.0
"""The structs of jwekms.h, member for member. A test compares them with the header's own layout."""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE, POINTER, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p,
)
from typing import Any, Dict, Iterable, List, Tuple, Type, TypeVar

_text_list = POINTER(c_char_p)
_size_list = POINTER(c_size_t)


def _texts(*names: str) -> Iterable[Tuple[str, Any]]:
    """A pointer and its length for each name. Bytes are text to ctypes here, NUL or not."""
    for name in names:
        yield name, c_char_p
        yield name + "_len", c_size_t


def _places(*names: str) -> Iterable[Tuple[str, Any]]:
    """The same for what the library gives. As text ctypes would read up to a NUL, and there is none."""
    for name in names:
        yield name, c_void_p
        yield name + "_len", c_size_t


class Error(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("code", c_int32), ("position", c_uint32),
        ("reserved", c_uint32), ("text", c_char_p),
    ]


class HsmSlot(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32), ("number", c_uint64),
        *_texts("token_label", "token_serial"),
        ("slot_id", c_uint64), *_texts("pin"), ("login", c_int32), ("reserved", c_uint32),
    ]


class HsmOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32),
        *_texts("model", "module_path", "init_args"),
        ("slots", POINTER(POINTER(HsmSlot))), ("slot_count", c_size_t),
        ("cek_boundary", c_int32), ("raw_rsa_fallback", c_int32),
        ("max_sessions", c_uint32), ("session_timeout_ms", c_uint32),
        ("admins", _text_list), ("admin_lens", _size_list), ("admin_count", c_size_t),
    ]


class AuditEvent(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("status", c_int32), ("time_ns", c_uint64),
        *_places("principal", "operation", "kid", "uid", "other"),
        ("permissions", c_uint32), ("reserved", c_uint32),
    ]


class ProvidedKey(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32), ("key", c_void_p), ("type", c_int32),
        ("bits", c_uint32), ("state", c_int32), ("reserved", c_uint32), ("created_at", c_int64),
        ("version", c_uint64), ("uid", c_char * 256), ("uid_len", c_size_t),
        ("algs", c_char * 512), ("algs_len", c_size_t), ("enc", c_char * 32), ("enc_len", c_size_t),
    ]


class ProvidedCek(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("size", c_uint32),
        *_places("alg", "enc", "kid", "encrypted_key"),
    ]


class SealedContent(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("reserved", c_uint32),
        *_places("iv", "aad", "ciphertext", "tag"),
    ]


class Sealing(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("reserved", c_uint32),
        *_places("plaintext", "aad", "iv", "ciphertext", "tag"),
    ]


_size = POINTER(c_size_t)
_cek = POINTER(ProvidedCek)


class Provider(ctypes.Structure):
    # In the callbacks a pointer to bytes is an integer or None.
    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32), *_texts("prefix"),
        ("admins", _text_list), ("admin_lens", _size_list), ("admin_count", c_size_t),
        ("data", c_void_p),
        ("resolve", CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, POINTER(ProvidedKey))),
        ("release", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("unwrap", CFUNCTYPE(c_int32, c_void_p, c_void_p, _cek, c_void_p, _size)),
        ("wrap", CFUNCTYPE(c_int32, c_void_p, c_void_p, _cek, c_void_p, c_void_p, _size)),
        ("decrypt", CFUNCTYPE(c_int32, c_void_p, c_void_p, _cek, POINTER(SealedContent), c_void_p,
                              _size)),
        ("encrypt", CFUNCTYPE(c_int32, c_void_p, c_void_p, _cek, POINTER(Sealing))),
        ("public_jwk", CFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p, _size)),
        ("after_fork", CFUNCTYPE(c_int32, c_void_p)),
        ("destroy", CFUNCTYPE(None, c_void_p)),
    ]


WarningCallback = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)
AuditCallback = CFUNCTYPE(None, c_void_p, POINTER(AuditEvent))


class OpenOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("policy_flags", c_uint32),
        *_texts("database_path", "kek_path", "kek", "policy_algs", "policy_encs",
                "openssl_properties", "openssl_config"),
        ("on_warning", WarningCallback), ("on_warning_data", c_void_p),
        ("rsa_min_bits", c_uint32), ("cache_ttl_ms", c_uint32), ("busy_timeout_ms", c_uint32),
        ("cache_entries", c_uint32), ("max_token_bytes", c_size_t),
        ("max_header_bytes", c_size_t), ("max_recipients", c_size_t),
        ("max_inflated_bytes", c_size_t), ("max_inflated_ratio", c_size_t),
        ("hsms", POINTER(POINTER(HsmOptions))), ("hsm_count", c_size_t),
        ("hsm_pools", _text_list), ("hsm_pool_lens", _size_list), ("hsm_pool_count", c_size_t),
        *_texts("key_encryption_key"),
        ("admins", _text_list), ("admin_lens", _size_list), ("admin_count", c_size_t),
        ("on_audit", AuditCallback), ("on_audit_data", c_void_p),
        ("providers", POINTER(POINTER(Provider))), ("provider_count", c_size_t),
    ]


class DecryptOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), *_texts("key")]


class EncryptOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("serialization", c_int32), *_texts("key", "alg", "enc", "aad"),
    ]


_aliases: List[Tuple[str, Any]] = [
    ("aliases", _text_list), ("alias_lens", _size_list), ("alias_count", c_size_t),
]


class CreateKeyOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("type", c_int32), ("bits", c_uint32), ("flags", c_uint32),
        *_texts("uid", "algs", "enc", "owner"), *_aliases,
    ]


class ImportKeyOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("format", c_int32),
        *_texts("passphrase", "uid", "algs", "enc", "owner"), *_aliases,
    ]


class UnwrapKeyOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32), *_texts("key", "uid", "owner"), *_aliases,
    ]


class ListKeysOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("limit", c_uint32), *_texts("after", "prefix")]


class Finding(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("verdict", c_int32), ("slot", c_uint64),
        *_texts("what", "how", "means"), ("needed", c_int32), ("reserved", c_uint32),
    ]


FindingCallback = CFUNCTYPE(None, c_void_p, POINTER(Finding))
ProgressCallback = CFUNCTYPE(None, c_void_p, c_uint64, c_uint64)

_Struct = TypeVar("_Struct", bound=ctypes.Structure)


def new(kind: Type[_Struct]) -> _Struct:
    """A struct with all defaults, which knows its size."""
    return kind(struct_size=ctypes.sizeof(kind))


# Return type and parameters of every function. A handle or pointer is c_void_p.
_P, _Z, _I, _U = c_void_p, c_size_t, c_int32, c_uint32
PROTOTYPES: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "version_string": (c_char_p, ()),
    "version_number": (_U, ()),
    "abi_version": (_U, ()),
    "status_name": (c_char_p, (_I,)),
    "status_http": (_I, (_I,)),
    "open": (_I, (_P, _P, _P)),
    "close": (None, (_P,)),
    "rewrap_database": (_I, (_P, _P, _Z, _P)),
    "rotate_kek": (_I, (_P, ProgressCallback, _P, _P)),
    "on_behalf_of": (_I, (_P, _P, _Z, _P, _P)),
    "grant": (_I, (_P, _P, _Z, _P, _Z, _U, _P)),
    "revoke": (_I, (_P, _P, _Z, _P, _Z, _P)),
    "list_grants": (_I, (_P, _P, _Z, _P, _P)),
    "grant_list_count": (_Z, (_P,)),
    "grant_list_principal": (_P, (_P, _Z, _P)),
    "grant_list_permissions": (_U, (_P, _Z)),
    "grant_list_free": (None, (_P,)),
    "decrypt": (_I, (_P, _P, _Z, _P, _P, _P, _P)),
    "encrypt": (_I, (_P, _P, _Z, _P, _P, _P, _P)),
    "reencrypt": (_I, (_P, _P, _Z, _P, _P, _P, _P, _P)),
    "key_info_uid": (_P, (_P, _P)),
    "key_info_type": (_I, (_P,)),
    "key_info_bits": (_U, (_P,)),
    "key_info_algs": (_P, (_P, _P)),
    "key_info_enc": (_P, (_P, _P)),
    "key_info_state": (_I, (_P,)),
    "key_info_may_decrypt": (_I, (_P,)),
    "key_info_may_encrypt": (_I, (_P,)),
    "key_info_parent": (_P, (_P, _P)),
    "key_info_owner": (_P, (_P, _P)),
    "key_info_created_at": (c_int64, (_P,)),
    "key_info_version": (c_uint64, (_P,)),
    "key_info_alias_count": (_Z, (_P,)),
    "key_info_alias": (_P, (_P, _Z, _P)),
    "key_info_free": (None, (_P,)),
    "create_key": (_I, (_P, _P, _P, _P)),
    "import_key": (_I, (_P, _P, _Z, _P, _P, _P)),
    "unwrap_key": (_I, (_P, _P, _Z, _P, _P, _P)),
    "describe_key": (_I, (_P, _P, _Z, _P, _P)),
    "set_key_state": (_I, (_P, _P, _Z, _I, _P, _P)),
    "add_alias": (_I, (_P, _P, _Z, _P, _Z, _P)),
    "remove_alias": (_I, (_P, _P, _Z, _P)),
    "public_jwk": (_I, (_P, _P, _Z, _P, _P, _P)),
    "public_jwks": (_I, (_P, _P, _P, _P)),
    "list_keys": (_I, (_P, _P, _P, _P)),
    "key_list_count": (_Z, (_P,)),
    "key_list_more": (_I, (_P,)),
    "key_list_get": (_I, (_P, _Z, _P, _P)),
    "key_list_free": (None, (_P,)),
    "doctor": (_I, (_P, FindingCallback, _P, _P)),
    "service_call": (_I, (_P, _P, _Z, _P, _Z, _P, _Z, _P, _P)),
    "response_http_status": (_I, (_P,)),
    "response_content_type": (_P, (_P, _P)),
    "response_body": (_P, (_P, _P)),
    "response_allow": (_P, (_P, _P)),
    "response_error": (_I, (_P,)),
    "response_operation": (_P, (_P, _P)),
    "response_kid": (_P, (_P, _P)),
    "response_free": (None, (_P,)),
}

# SPDX-License-Identifier: Apache-2.0
"""Options in Python's terms to the structs of the C ABI."""

from __future__ import annotations

import collections.abc
import ctypes
import logging
import os
from typing import Any, Callable, Iterable, Optional, Sequence, Tuple, TypedDict, Union

from . import _structs
from ._callbacks import callback
from ._errors import Status
from ._memory import (
    Inputs, Name, demand, join, put, put_list, put_numbers, put_place, text_at, unsigned,
)
from ._provider import Provider, provider_table
from ._types import Allow, AuditEvent, Hsm, HsmSlot, Permission
from ._typing import Buffer

StrPath = Union[str, "os.PathLike[str]"]

_log = logging.getLogger("jwekms")


class OpenOptions(TypedDict, total=False):
    """Keyword arguments of Kms(), rewrap_database() and rotate_kek().

    What is left out takes its default; an empty text, secret or list of algorithms is a BadRequest.
    """

    # Default: database_path + ".kek". Made with mode 0600 when the database is, unless it is there.
    # Refused: a link, a file of others than root and this user, one that group or others may use.
    kek_path: StrPath
    kek: Buffer  # 32 bytes, instead of a file
    key_encryption_key: Name  # UID of a key in an HSM, instead of both
    policy_algs: Union[str, Iterable[str]]  # and all others are refused
    policy_encs: Union[str, Iterable[str]]
    allow: Allow  # what the default policy refuses
    openssl_properties: str  # "fips=yes"
    openssl_config: StrPath
    on_warning: Callable[[str], None]  # default: logging.getLogger("jwekms").warning
    on_audit: Callable[[AuditEvent], None]
    rsa_min_bits: int
    cache_ttl_ms: int  # how long another process's revocation may go unseen
    busy_timeout_ms: int
    cache_entries: int
    max_token_bytes: int
    max_header_bytes: int
    max_recipients: int
    max_inflated_bytes: int
    max_inflated_ratio: int
    hsms: Sequence[Hsm]
    hsm_pools: Sequence[Union[str, Iterable[str]]]  # slots that hold the same keys
    admins: Sequence[Name]  # may do everything, see Kms.on_behalf_of()
    providers: Sequence[Provider]  # key providers of the program's own


_NUMBERS = ("rsa_min_bits", "cache_ttl_ms", "busy_timeout_ms", "cache_entries", "max_token_bytes",
            "max_header_bytes", "max_recipients", "max_inflated_bytes", "max_inflated_ratio")


def open_options(database_path: Optional[StrPath], options: OpenOptions,
                 inputs: Inputs) -> Tuple[_structs.OpenOptions, object]:
    """The struct, for the call, and what must live as long as the context."""
    unknown = options.keys() - OpenOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown option: {', '.join(sorted(unknown))}")
    out = _structs.new(_structs.OpenOptions)
    put_path(out, "database_path", database_path)
    put_path(out, "kek_path", options.get("kek_path"))
    put_path(out, "openssl_config", options.get("openssl_config"))
    put_secret(out, "kek", options.get("kek"), inputs)
    put(out, key_encryption_key=options.get("key_encryption_key"),
        policy_algs=join(options.get("policy_algs")), policy_encs=join(options.get("policy_encs")),
        openssl_properties=options.get("openssl_properties"))
    put_numbers(out, **{name: options.get(name) for name in _NUMBERS})  # type: ignore[arg-type]
    out.policy_flags = unsigned("allow", options.get("allow", Allow.NOTHING))
    out.on_warning = on_warning = _warning_callback(options.get("on_warning"))
    out.on_audit = on_audit = _audit_callback(options.get("on_audit"))
    put_pointers(out, "hsms", "hsm_count",
                 [hsm_options(each, inputs) for each in options.get("hsms") or ()])
    put_list(out, "hsm_pools", "hsm_pool", [join(pool) or "" for pool in options.get("hsm_pools") or ()])
    put_list(out, "admins", "admin", options.get("admins") or ())
    providers = [provider_table(each) for each in options.get("providers") or ()]
    put_pointers(out, "providers", "provider_count", providers)
    return out, (on_warning, on_audit, providers)


def hsm_options(hsm: Hsm, inputs: Inputs) -> _structs.HsmOptions:
    demand("hsms", hsm, Hsm)
    out = _structs.new(_structs.HsmOptions)
    put(out, model=hsm.model, init_args=hsm.init_args)
    put_path(out, "module_path", hsm.module_path)
    put_pointers(out, "slots", "slot_count", [_slot(each, inputs) for each in hsm.slots])
    put_list(out, "admins", "admin", hsm.admins)
    put_numbers(out, max_sessions=hsm.max_sessions, session_timeout_ms=hsm.session_timeout_ms,
                cek_boundary=hsm.cek_boundary)
    if hsm.raw_rsa_fallback is not None:
        out.raw_rsa_fallback = 1 if hsm.raw_rsa_fallback else 2
    out.flags = 1 if hsm.forbid_weak_keys else 0
    return out


def _slot(slot: HsmSlot, inputs: Inputs) -> _structs.HsmSlot:
    demand("slots", slot, HsmSlot)
    out = _structs.new(_structs.HsmSlot)
    put(out, token_label=slot.token_label, token_serial=slot.token_serial)
    put_secret(out, "pin", slot.pin, inputs)
    out.number = unsigned("number", slot.number, 64)
    if slot.slot_id is not None:
        out.slot_id = unsigned("slot_id", slot.slot_id, 64)
        out.flags = 1
    put_numbers(out, login=slot.login)
    return out


def put_path(struct: ctypes.Structure, name: str, path: Optional[StrPath]) -> None:
    if path is not None:
        data = os.fsencode(path)
        put_place(struct, name, data, len(data))


def put_secret(struct: ctypes.Structure, name: str, secret: Union[str, Buffer, None],
               inputs: Inputs) -> None:
    if secret is not None:
        put_place(struct, name, *inputs.add(secret))


def put_pointers(struct: ctypes.Structure, name: str, count: str, structs: Sequence[Any]) -> None:
    if structs:
        pointer = ctypes.POINTER(type(structs[0]))
        setattr(struct, name, (pointer * len(structs))(*map(ctypes.pointer, structs)))
        setattr(struct, count, len(structs))


def _warning_callback(function: Optional[Callable[[str], object]]) -> Any:
    tell = _log.warning if function is None else function
    demand("on_warning", tell, collections.abc.Callable)

    def call(_data: object, place: Optional[int], size: int) -> None:
        tell(text_at(place, size))

    return _structs.WarningCallback(callback(call, None))


def _audit_callback(function: Optional[Callable[[AuditEvent], object]]) -> Any:
    if function is None:
        return _structs.AuditCallback()
    demand("on_audit", function, collections.abc.Callable)

    def call(_data: object, event: Any) -> None:
        raw = event.contents
        function(AuditEvent(
            status=Status(raw.status),
            time_ns=raw.time_ns,
            principal=text_at(raw.principal, raw.principal_len),
            operation=text_at(raw.operation, raw.operation_len),
            kid=text_at(raw.kid, raw.kid_len),
            uid=text_at(raw.uid, raw.uid_len),
            other=text_at(raw.other, raw.other_len),
            permissions=Permission(raw.permissions),
        ))

    return _structs.AuditCallback(callback(call, None))

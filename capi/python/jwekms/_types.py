# SPDX-License-Identifier: Apache-2.0
"""What callers give and get: flags, enumerations and records."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import os
from typing import Optional, Sequence, Tuple, Union

from ._errors import Status
from ._memory import Name



class _OpenEnum(enum.IntEnum):
    """An enumeration that a newer library may know more of."""

    @classmethod
    def _missing_(cls, value: object) -> Optional[_OpenEnum]:
        return cls(0) if value != 0 else None


class KeyType(_OpenEnum):
    """``kty`` of RFC 7518, section 6.1."""

    UNKNOWN = 0
    RSA = 1
    OCT = 2  # symmetric; a CEK for "dir"


class KeyState(_OpenEnum):
    """The life of a key, which goes forward only."""

    UNKNOWN = 0
    ACTIVE = 1
    DEACTIVATED = 2  # decrypts, does not encrypt
    COMPROMISED = 3  # decrypts only with Allow.COMPROMISED
    DESTROYED = 4  # gone; in a database its UID stays taken, a label of an HSM may be used again


class KeyFormat(enum.IntEnum):
    """For Kms.import_key()."""

    JWK = 1
    PEM = 2  # PKCS#8 or PKCS#1
    DER = 3
    RAW = 4  # the bytes of a symmetric key


class Serialization(enum.IntEnum):
    """RFC 7516, section 7."""

    COMPACT = 0
    FLATTENED = 1


class Allow(enum.IntFlag):
    """What the default policy refuses."""

    NOTHING = 0
    MISSING_KID = 1  # tokens with no `kid`; the caller names the key instead
    UNPROTECTED = 2  # `alg`, `enc`, `kid` in any header
    ZIP = 4  # "zip":"DEF"; lengths then tell of contents
    COMPROMISED = 8  # decryption under keys marked compromised


class Permission(enum.IntFlag):
    """What a grant allows with one key. Whoever has any may also describe the key."""

    DECRYPT = 1
    ENCRYPT = 2
    UNWRAP = 4  # keep a CEK that the key unwraps
    DESCRIBE = 8  # see its metadata
    MANAGE = 16  # states and aliases; does not destroy
    GRANT = 32  # hand on what one was granted, see all grants, revoke any


class Login(enum.IntEnum):
    """How to log in to an HSM."""

    USER = 1  # CKU_USER, with the PIN
    NONE = 2  # keys that everybody may use; no PIN


class CekBoundary(enum.IntEnum):
    """Where a CEK is while a token is decrypted with a key in an HSM."""

    PROCESS = 1  # in wiped memory of this process, for the call
    HSM = 2  # never outside the HSM; where that cannot be, the call fails


@dataclasses.dataclass(frozen=True)
class HsmSlot:
    """One token of an HSM: by label and serial, by ``slot_id``, else by its position ``number``.

    ``number`` stands in the UIDs. ``pin`` is the PIN or where it is, "file:/path" or "env:NAME"; a
    bytearray can be wiped once the Kms is open.
    """

    number: int = 0
    token_label: Optional[str] = None
    token_serial: Optional[str] = None
    slot_id: Optional[int] = None
    pin: Union[str, bytes, bytearray, None] = dataclasses.field(default=None, repr=False)
    login: Optional[Login] = None


@dataclasses.dataclass(frozen=True)
class Hsm:
    """One HSM behind PKCS#11. What is None takes the library's default, see jwekms.h."""

    model: str
    slots: Sequence[HsmSlot]
    module_path: Union[str, os.PathLike[str], None] = None
    init_args: Optional[str] = None
    cek_boundary: Optional[CekBoundary] = None
    raw_rsa_fallback: Optional[bool] = None
    forbid_weak_keys: bool = False
    max_sessions: Optional[int] = None
    session_timeout_ms: Optional[int] = None
    admins: Sequence[Name] = ()


@dataclasses.dataclass(frozen=True)
class KeyInfo:
    """All that anybody may know of a key, as it was at the call."""

    uid: str
    type: KeyType
    bits: int
    algs: Tuple[str, ...]
    enc: Optional[str]  # the only one that a symmetric key serves; None: any of its size
    state: KeyState
    may_decrypt: bool
    may_encrypt: bool
    parent: Optional[str]  # of a CEK that was kept: the key that had wrapped it
    owner: Optional[str]
    created_at: datetime.datetime  # UTC; 1970-01-01 where nobody knows, as of keys in an HSM
    version: int  # rises with each change
    aliases: Tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class AuditEvent:
    """One call, after it was decided. Names of keys are bytes that a stranger may have chosen."""

    status: Status
    time_ns: int
    principal: str  # "": the host itself
    operation: str  # the C function without "jwekms_": "create_key", "destroy_key", "grants", ...
    kid: str  # as the caller or the token names the key
    uid: str  # of the key that was found, or made
    other: str
    permissions: Permission


class Verdict(_OpenEnum):
    UNKNOWN = 0
    FACT = 1  # `how` is what the token says of itself
    CAN = 2  # `how` is by what call or mechanism
    CANNOT = 3  # `how` is the CKR_... code, `means` what follows
    WARNING = 4  # `how` is what was seen, `means` what to do about it


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing about a token of an HSM."""

    verdict: Verdict
    slot: int
    what: str
    how: str
    means: str
    needed: bool  # the Hsm's `cek_boundary` cannot do without it


@dataclasses.dataclass(frozen=True)
class Response:
    """An answer of the REST API. ``body`` may hold a plaintext."""

    status: int
    content_type: str
    body: bytes = dataclasses.field(repr=False)
    allow: str  # for a 405, the value of the `Allow` header
    error: Status  # for logs and metrics: why it failed, or OK
    operation: str  # for logs and metrics, the request: "decrypt", "add_key", "change_key", ...
    kid: str  # for logs: bytes that a stranger chose

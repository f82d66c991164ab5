# SPDX-License-Identifier: Apache-2.0
"""Kms: an open key database, HSMs, and the policy that guards both."""

from __future__ import annotations

import atexit
import collections.abc
import ctypes
import datetime
import json
import os
import time
import weakref
from types import TracebackType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Type, Union

from . import _structs
from ._callbacks import callback, need_room, raise_escaped
from ._errors import BufferTooSmall, Status
from ._library import get as library
from ._memory import (
    Handle, Inputs, Name, Place, ask_bound, check, decode, demand, encode, encode_name, get_bound,
    get_handle, get_text, join, new_error, put, put_list, put_numbers, read_text, run, unsigned, writable,
)
from ._options import OpenOptions, StrPath, hsm_options, open_options, put_secret
from ._types import (
    Allow, Finding, Hsm, KeyFormat, KeyInfo, KeyState, KeyType, Permission, Response, Serialization,
    Verdict,
)
from ._typing import Buffer, Unpack

Token = Union[str, bytes, bytearray, memoryview]

# Whoever asks for the size of a public half has it looked up, and audited, twice.
_JWK_SIZE = 8192  # RSA-16384 under the longest of names is half of it
_JWKS_SIZE = 1 << 20  # a thousand keys and more; Python does not touch what is not used
_PAGE = 100


class Kms:
    """An open key database, HSMs, and the policy that guards both.

    Threads share it freely, a forked child goes on with it, and ``with`` closes it. Names are str,
    or bytes where they are no UTF-8. Errors are the JwekmsErrors that each method names; the
    header, jwekms.h, has more on all of them.
    """

    def __init__(self, database_path: Optional[StrPath] = None,
                 **options: Unpack[OpenOptions]) -> None:
        """Opens a database, a SQLite file that is made if absent, and the HSMs of the options.

        Raises BadRequest, UnsupportedAlgorithm, Unavailable, NotFound, Forbidden (others may read the
        key file), CryptoFailure.
        """
        self._handle: Optional[Handle] = None
        with Inputs() as inputs:
            struct, kept = open_options(database_path, options, inputs)
            self._adopt(get_handle(library().open, library().close, ctypes.byref(struct), kept=kept),
                        zip=bool(struct.policy_flags & Allow.ZIP), provided=struct.provider_count > 0)

    def _adopt(self, handle: Handle, zip: bool, provided: bool) -> None:
        self._handle = handle
        self._zip = zip
        self._provided = provided
        _open.add(self)
        _handles.add(handle)

    def _ctx(self) -> Handle:
        handle = self._handle
        if handle is None:
            raise ValueError("the Kms is closed")
        if self._provided:
            need_room()
        return handle

    def _info(self, function: Any, *arguments: object) -> KeyInfo:
        """Calls what returns a key's metadata, and reads them."""
        return _read(get_handle(function, library().key_info_free, self._ctx(), *arguments))

    def close(self) -> None:
        """Closes it. A call that another thread is in goes on, and the last of them closes."""
        self._handle = None
        raise_escaped()  # from the end of a provider

    @property
    def closed(self) -> bool:
        return self._handle is None

    def __enter__(self) -> Kms:
        self._ctx()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a Kms cannot be pickled: open one in each process, or fork")

    # ---- Tokens ----

    def decrypt(self, token: Token, *, key: Optional[Name] = None) -> bytes:
        """Decrypts one JWE, compact, flattened or general (RFC 7516, section 5.2).

        ``key`` is for tokens without a ``kid`` of ours, and picks a recipient. What decrypts is not
        thereby authentic. The bytes are the caller's; nothing of them is left elsewhere.
        Raises BadRequest, TooLarge, UnsupportedAlgorithm, NotFound, Forbidden, CryptoFailure,
        DecryptionFailed, Unavailable.
        """
        data = _token(token)
        # Without `zip` a plaintext is shorter than its base64url.
        size = (ask_bound(library().decrypt, self._ctx(), data, len(data), _from_key(key))
                if self._zip else len(data) * 3 // 4 + 1)
        out = bytearray(size)
        place = Place.from_buffer(out)
        try:
            used = self._decrypt(data, key, place, size)
            return bytes(memoryview(out)[:used])
        finally:
            ctypes.memset(place, 0, size)

    def decrypt_into(self, token: Token, buffer: Buffer, *, key: Optional[Name] = None) -> int:
        """Decrypts into the caller's writable buffer, which can be wiped; returns the bytes written.

        Raises as decrypt() does, and BufferTooSmall where the plaintext might not fit, which never is
        so at decrypt_bound().
        After any failure the whole buffer is zeroed.
        """
        return self._decrypt(_token(token), key, *writable(buffer))

    def _decrypt(self, token: bytes, key: Optional[Name], place: Any, size: int) -> int:
        used, error = ctypes.c_size_t(size), new_error()
        status = library().decrypt(self._ctx(), token, len(token),
                                   None if key is None else _from_key(key), place,
                                   ctypes.byref(used), ctypes.byref(error))
        if status == Status.BUFFER_TOO_SMALL:
            raise_escaped()
            raise BufferTooSmall("the buffer is too small", 0, used.value)
        check(status, error)
        return used.value

    def decrypt_bound(self, token: Token, *, key: Optional[Name] = None) -> int:
        """Bytes that suffice for decrypt_into(). No key is used, and nothing is verified."""
        data = _token(token)
        return get_bound(library().decrypt, self._ctx(), data, len(data), _from_key(key))

    def encrypt(self, plaintext: Buffer, key: Name, *, alg: Optional[str] = None,
                enc: Optional[str] = None, aad: Optional[Buffer] = None,
                serialization: Serialization = Serialization.COMPACT) -> str:
        """Makes one JWE under a fresh CEK, or with "dir" under the key itself.

        ``alg`` is "RSA-OAEP-256" and ``enc`` "A256GCM" if not given. ``aad`` is for FLATTENED alone.
        Raises BadRequest, UnsupportedAlgorithm, NotFound, Forbidden, CryptoFailure, Unavailable.
        """
        with Inputs() as inputs:
            place, size = inputs.add(_no_text(plaintext))
            options = _to_key(key, alg, enc, aad, serialization, inputs)
            return get_text(library().encrypt, self._ctx(), place, size, ctypes.byref(options))

    def reencrypt(self, token: Token, key: Name, *, from_key: Optional[Name] = None,
                  alg: Optional[str] = None, enc: Optional[str] = None,
                  aad: Optional[Buffer] = None,
                  serialization: Serialization = Serialization.COMPACT) -> str:
        """Decrypts under one key and encrypts under another; the plaintext never leaves the library.

        Raises as decrypt() and encrypt() do.
        """
        data = _token(token)
        with Inputs() as inputs:
            options = _to_key(key, alg, enc, aad, serialization, inputs)
            return get_text(library().reencrypt, self._ctx(), data, len(data), _from_key(from_key),
                            ctypes.byref(options))

    # ---- Keys ----

    def unwrap_key(self, token: Token, *, key: Optional[Name] = None, uid: Optional[Name] = None,
                   owner: Optional[Name] = None, aliases: Sequence[Name] = (),
                   store_in_hsm: bool = False) -> KeyInfo:
        """Unwraps a token's CEK and keeps it as a managed key for "dir", bound to the token's ``enc``.

        ``token`` is a whole one, or a JSON object with ``protected`` and ``encrypted_key`` alone.
        Raises BadRequest, TooLarge, UnsupportedAlgorithm, NotFound, Forbidden, DecryptionFailed,
        CryptoFailure, Conflict, Unavailable.
        """
        data, options = _token(token), _structs.new(_structs.UnwrapKeyOptions)
        put(options, key=key, uid=uid, owner=owner)
        put_list(options, "aliases", "alias", aliases)
        options.flags = 1 if store_in_hsm else 0
        return self._info(library().unwrap_key, data, len(data), ctypes.byref(options))

    def create_key(self, *, uid: Optional[Name] = None, type: KeyType = KeyType.RSA,
                   bits: Optional[int] = None, algs: Union[str, Iterable[str], None] = None,
                   enc: Optional[str] = None, owner: Optional[Name] = None,
                   aliases: Sequence[Name] = ()) -> KeyInfo:
        """Makes a key: RSA-2048, or a symmetric one for A256GCM, if nothing else is said.

        A UID that begins with "hsm::" is made in that HSM.
        Raises BadRequest, UnsupportedAlgorithm, CryptoFailure (bits below ``rsa_min_bits``), Conflict,
        Forbidden, Unavailable.
        """
        options = _structs.new(_structs.CreateKeyOptions)
        put(options, uid=uid, owner=owner, algs=join(algs), enc=enc)
        put_list(options, "aliases", "alias", aliases)
        put_numbers(options, bits=bits, type=type)
        return self._info(library().create_key, ctypes.byref(options))

    def import_key(self, data: Union[str, Buffer], *, format: KeyFormat = KeyFormat.JWK,
                   passphrase: Union[str, Buffer, None] = None, uid: Optional[Name] = None,
                   algs: Union[str, Iterable[str], None] = None, enc: Optional[str] = None,
                   owner: Optional[Name] = None, aliases: Sequence[Name] = ()) -> KeyInfo:
        """Takes in a key from elsewhere. The caller wipes its own copies, if they are bytearrays.

        Raises BadRequest, UnsupportedAlgorithm, CryptoFailure, Conflict, Unavailable.
        """
        options = _structs.new(_structs.ImportKeyOptions)
        with Inputs() as inputs:
            place, size = inputs.add(data)
            put_secret(options, "passphrase", passphrase, inputs)
            put(options, uid=uid, owner=owner, algs=join(algs), enc=enc)
            put_list(options, "aliases", "alias", aliases)
            put_numbers(options, format=format)
            return self._info(library().import_key, place, size, ctypes.byref(options))

    def describe_key(self, kid: Name) -> KeyInfo:
        """Looks a key up by UID or alias. Raises NotFound, Forbidden, Unavailable, InternalError."""
        name = encode_name(kid)
        return self._info(library().describe_key, name, len(name))

    def set_key_state(self, uid: Name, state: KeyState) -> KeyInfo:
        """Moves a key's life forward; DESTROYED erases it for good.

        Raises BadRequest (a step back), NotFound, Forbidden, Unavailable.
        """
        name = encode_name(uid)
        return self._info(library().set_key_state, name, len(name), unsigned("state", state))

    def add_alias(self, uid: Name, alias: Name) -> None:
        """Gives a key another name, for the ``kid`` of an issuer.

        Raises BadRequest, NotFound, Conflict, Forbidden, Unavailable.
        """
        name, other = encode_name(uid), encode_name(alias)
        run(library().add_alias, self._ctx(), name, len(name), other, len(other))

    def remove_alias(self, alias: Name) -> None:
        """Takes a name away again. Raises BadRequest, NotFound, Forbidden, Unavailable."""
        name = encode_name(alias)
        run(library().remove_alias, self._ctx(), name, len(name))

    def list_keys(self, *, prefix: Optional[Name] = None,
                  after: Optional[Name] = None) -> Iterator[KeyInfo]:
        """The keys in UID order, without the destroyed ones, fetched page by page.

        ``prefix`` says whose keys, "hsm::softhsm2::" for one; the database's if not given.
        ``after`` is the UID to go on from. Raises BadRequest, NotFound, Unavailable.
        """
        lib = library()
        while True:
            options = _structs.new(_structs.ListKeysOptions)
            put(options, prefix=prefix, after=after)
            options.limit = _PAGE
            page = get_handle(lib.list_keys, lib.key_list_free, self._ctx(), ctypes.byref(options))
            for index in range(lib.key_list_count(page)):
                info = _read(get_handle(lib.key_list_get, lib.key_info_free, page, index))
                yield info
                after = info.uid
            if not lib.key_list_more(page):
                return

    def public_jwk(self, kid: Name) -> Dict[str, Any]:
        """The public half of a key as a JWK (RFC 7517, section 4), with ``kid`` the UID.

        Raises NotFound, CryptoFailure (a symmetric key), Unavailable.
        """
        name = encode_name(kid)
        text = get_text(library().public_jwk, self._ctx(), name, len(name), size=_JWK_SIZE)
        jwk: Dict[str, Any] = json.loads(text)
        return jwk

    def public_jwks(self) -> Dict[str, Any]:
        """The public halves of all active RSA keys as a JWK Set, for senders. Raises Unavailable."""
        jwks: Dict[str, Any] = json.loads(get_text(library().public_jwks, self._ctx(), size=_JWKS_SIZE))
        return jwks

    # ---- Principals ----

    def on_behalf_of(self, principal: Name) -> Kms:
        """A Kms that acts for somebody whom the caller has authenticated, and authorises each call.

        Cheap; it shares what this one has open, and each is closed by itself.
        Raises BadRequest (the name), Forbidden (this one acts for a principal already).
        """
        name = encode_name(principal)
        acting = Kms.__new__(Kms)
        acting._handle = None
        acting._adopt(get_handle(library().on_behalf_of, library().close, self._ctx(), name,
                                 len(name), kept=self._ctx().kept), self._zip, self._provided)
        return acting

    def grant(self, uid: Name, principal: Name, permissions: Permission) -> None:
        """Lets a principal, or all ("*"), do exactly these things with a key, wherever it lives.

        Replaces any earlier grant to them.
        Raises BadRequest, NotFound, Forbidden, Unavailable.
        """
        name, who = encode_name(uid), encode_name(principal)
        run(library().grant, self._ctx(), name, len(name), who, len(who),
            unsigned("permissions", permissions))

    def revoke(self, uid: Name, principal: Name) -> None:
        """Takes back what a principal, or all ("*"), was granted. Raises as grant() does."""
        name, who = encode_name(uid), encode_name(principal)
        run(library().revoke, self._ctx(), name, len(name), who, len(who))

    def grants(self, uid: Name) -> Dict[str, Permission]:
        """Who was granted what with a key, for its owner, admins, and who may grant."""
        name, lib = encode_name(uid), library()
        grants = get_handle(lib.list_grants, lib.grant_list_free, self._ctx(), name, len(name))
        return {
            read_text(lib.grant_list_principal, grants, index):
                Permission(lib.grant_list_permissions(grants, index))
            for index in range(lib.grant_list_count(grants))
        }

    # ---- REST service ----

    def service_call(self, method: str, target: str, body: Union[str, Buffer, None] = None) -> Response:
        """Serves one request of the REST API: put it under the routes of an HTTP server.

        ``target`` is path and query as they came. What fails stands in the answer.
        """
        lib, verb, path = library(), encode(method), encode(target)
        with Inputs() as inputs:
            place, size = inputs.add(body) if body is not None else (None, 0)
            answer = get_handle(lib.service_call, lib.response_free, self._ctx(), verb, len(verb),
                                path, len(path), place, size)
        length = ctypes.c_size_t()
        content = lib.response_body(answer, ctypes.byref(length))
        return Response(
            status=lib.response_http_status(answer),
            content_type=read_text(lib.response_content_type, answer),
            body=ctypes.string_at(content, length.value),
            allow=read_text(lib.response_allow, answer),
            error=Status(lib.response_error(answer)),
            operation=read_text(lib.response_operation, answer),
            kid=read_text(lib.response_kid, answer),
        )


def rewrap_database(to: Name, database_path: StrPath, **options: Unpack[OpenOptions]) -> None:
    """Changes who keeps a database's key-encryption key, to a key of an HSM.

    ``to`` is the UID of the AES-256 key that wraps from now on; the rest is how the database is
    opened now. Raises as Kms() does, and NotFound, Conflict.
    """
    name = encode_name(to)
    with Inputs() as inputs:
        struct, _ = open_options(database_path, options, inputs)
        run(library().rewrap_database, ctypes.byref(struct), name, len(name))


def rotate_kek(database_path: StrPath, *, on_progress: Optional[Callable[[int, int], object]] = None,
               **options: Unpack[OpenOptions]) -> None:
    """Gives a database a new key-encryption key and seals every record anew under it, all or nothing.

    Nobody may have the database open. The old key file is kept beside the new one, with ".old" behind
    its name: destroy it with the old copies of the database. ``on_progress`` is told the records that
    are done, and all that there are. Raises as Kms() does, and NotFound, Conflict.
    """
    if on_progress is not None:
        demand("on_progress", on_progress, collections.abc.Callable)

    def tell(_data: object, done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(done, total)

    with Inputs() as inputs:
        struct, _ = open_options(database_path, options, inputs)
        run(library().rotate_kek, ctypes.byref(struct),
            _structs.ProgressCallback(callback(tell, None)), None)


def doctor(hsm: Hsm) -> List[Finding]:
    """Tries out what each slot of an HSM can do, with keys that are made for it and destroyed again.

    Takes seconds, or minutes on a small card. Raises BadRequest, Unavailable, InternalError.
    """
    findings: List[Finding] = []

    def add(_data: object, finding: Any) -> None:
        raw = finding.contents
        findings.append(Finding(
            verdict=Verdict(raw.verdict), slot=raw.slot, what=decode(raw.what),
            how=decode(raw.how), means=decode(raw.means), needed=bool(raw.needed),
        ))

    with Inputs() as inputs:
        struct = hsm_options(hsm, inputs)
        run(library().doctor, ctypes.byref(struct), _structs.FindingCallback(callback(add, None)),
            None)
    return findings


def _token(token: Token) -> bytes:
    if isinstance(token, (str, bytes)):
        return encode(token)
    return bytes(memoryview(token))  # no secret: a copy may stay


def _no_text(data: Buffer) -> Buffer:
    if isinstance(data, str):
        raise TypeError("a bytes-like object is required, not str")
    return data


def _from_key(key: Optional[Name]) -> Any:
    if key is None:
        return None
    options = _structs.new(_structs.DecryptOptions)
    put(options, key=key)
    return ctypes.byref(options)


def _to_key(key: Name, alg: Optional[str], enc: Optional[str], aad: Optional[Buffer],
            serialization: Serialization, inputs: Inputs) -> _structs.EncryptOptions:
    options = _structs.new(_structs.EncryptOptions)
    put(options, key=encode(key), alg=alg, enc=enc)
    if aad is not None:
        put_secret(options, "aad", _no_text(aad), inputs)
    options.serialization = unsigned("serialization", serialization)
    return options


def _read(info: Handle) -> KeyInfo:
    lib = library()
    return KeyInfo(
        uid=read_text(lib.key_info_uid, info),
        type=KeyType(lib.key_info_type(info)),
        bits=lib.key_info_bits(info),
        algs=tuple(read_text(lib.key_info_algs, info).split()),
        enc=read_text(lib.key_info_enc, info) or None,
        state=KeyState(lib.key_info_state(info)),
        may_decrypt=bool(lib.key_info_may_decrypt(info)),
        may_encrypt=bool(lib.key_info_may_encrypt(info)),
        parent=read_text(lib.key_info_parent, info) or None,
        owner=read_text(lib.key_info_owner, info) or None,
        created_at=datetime.datetime.fromtimestamp(lib.key_info_created_at(info),
                                                   datetime.timezone.utc),
        version=lib.key_info_version(info),
        aliases=tuple(read_text(lib.key_info_alias, info, index)
                      for index in range(lib.key_info_alias_count(info))),
    )


_open: weakref.WeakSet[Kms] = weakref.WeakSet()
_handles: weakref.WeakSet[Handle] = weakref.WeakSet()  # those that calls are still in among them
_LAST_CALLS_S = 5.0

# Calls of the parent's threads never end in a child.
os.register_at_fork(after_in_child=_handles.clear)


@atexit.register
def _close_all() -> None:
    """Closes what is open, as a context with HSMs must be, and waits for the last calls.

    Those are of daemon threads. Python ends a thread that wants to come back to it too late, and one
    that comes from a callback would end inside the library, and the process with it.
    """
    end = time.monotonic() + _LAST_CALLS_S
    while True:
        for kms in list(_open):
            kms._handle = None  # close() would raise what ends a provider, and leave the others open
        if not _handles or time.monotonic() > end:
            return
        time.sleep(0.005)

# SPDX-License-Identifier: Apache-2.0
"""Key providers of a program's own: a cloud KMS, a vault, anything that unwraps."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import json
import logging
from typing import Any, Callable, Dict, Iterable, Optional, Sequence, Union

from . import _structs
from ._callbacks import callback
from ._errors import BadRequest, InternalError, JwekmsError, Status
from ._memory import (
    Inputs, Name, Place, bytes_at, demand, encode, join, put, put_list, put_numbers, text_at, unsigned,
    wipe,
)
from ._types import KeyState, KeyType
from ._typing import Buffer

_log = logging.getLogger("jwekms")

_CEK_ROOM = 2048  # bytes that the library offers for a CEK, and for an encrypted_key
_JWK_ROOM = 16384
_CEK_STAYS, _NO_DECRYPT, _NO_ENCRYPT = 1, 2, 4


@dataclasses.dataclass(frozen=True)
class ProvidedKey:
    """What Provider.resolve() tells of a key."""

    key: Any  # handed to the other methods; whatever they need
    type: KeyType
    bits: int
    uid: Optional[Name] = None  # the key's one name; the name that was asked for, if None
    algs: Union[str, Iterable[str], None] = None  # all that fit the type, if None
    enc: Optional[str] = None  # the only one of a symmetric key; any of its size, if None
    state: KeyState = KeyState.ACTIVE
    created_at: int = 0  # seconds since 1970
    version: int = 1
    cek_stays: bool = False  # RSA: CEKs never come here; decrypt() and encrypt() do it all
    may_decrypt: bool = True
    may_encrypt: bool = True


@dataclasses.dataclass(frozen=True)
class WrappedCek:
    """A CEK as it stands in a token, or will: ``encrypted_key`` is empty with "dir" and in wrap()."""

    alg: str
    enc: str
    size: int  # of the CEK, in bytes
    kid: str  # as the token has it: what a stranger chose, and not what says which key it is
    encrypted_key: bytes


@dataclasses.dataclass(frozen=True)
class SealedContent:
    """Content to be decrypted."""

    iv: bytes
    aad: bytes
    ciphertext: bytes
    tag: bytes


@dataclasses.dataclass(frozen=True)
class Sealing:
    """Content to be encrypted, under ``iv`` or another that has never been used with the key."""

    plaintext: bytearray = dataclasses.field(repr=False)  # wiped when encrypt() has returned
    aad: bytes
    iv: bytes  # random
    tag_size: int


@dataclasses.dataclass(frozen=True)
class Sealed:
    """What encrypt() made; ``iv`` if it was another one."""

    ciphertext: Buffer
    tag: Buffer
    iv: Optional[Buffer] = None


class Provider:
    """Base of a key provider; jwekms_provider.h has the contract.

    A subclass sets ``prefix``, what the UIDs of its keys begin with, and has the methods that it can
    serve: resolve(), and unwrap() for RSA keys that give CEKs to this process, decrypt() and
    encrypt() for all others. They are called from any thread, several at a time.

    What they raise decides what the caller gets. NotFound, Forbidden, UnsupportedAlgorithm and
    Unavailable mean what they say. DecryptionFailed is whatever is wrong with a token, and nothing
    else is; of unwrap() nobody ever learns. An OSError, such as a ConnectionError or a TimeoutError,
    is Unavailable, and anything else InternalError; both go to the log of this package. But what is no
    Exception, such as KeyboardInterrupt, comes out of the Kms's call as it is.

    CEKs and plaintexts are best returned as bytearrays: those are wiped once they are copied.
    """

    prefix: Name = ""  # the names that nobody else takes, where there is no database
    admins: Sequence[Name] = ()  # principals who may do everything with the keys here

    def resolve(self, kid: str) -> ProvidedKey:
        """Looks a key up; ``kid`` begins with the prefix, and may be a stranger's. Raises NotFound."""
        raise NotImplementedError

    def release(self, key: Any) -> None:
        """Is told when nothing uses a key any more, once for each resolve()."""

    def unwrap(self, key: Any, wrapped: WrappedCek) -> Buffer:
        """Decrypts ``wrapped.encrypted_key``, in the same time whatever its padding."""
        raise NotImplementedError

    def wrap(self, key: Any, wanted: WrappedCek, cek: Optional[bytearray]) -> Buffer:
        """Wraps a CEK, or with ``cek_stays`` a new one of its own; returns the ``encrypted_key``.

        Where this is missing, the library wraps with the public key.
        """
        raise NotImplementedError

    def decrypt(self, key: Any, cek: WrappedCek, content: SealedContent) -> Buffer:
        """Decrypts content under a symmetric key, or under a CEK that stays."""
        raise NotImplementedError

    def encrypt(self, key: Any, cek: WrappedCek, content: Sealing) -> Sealed:
        """Encrypts content under a symmetric key, or under the CEK that wrap() has just made."""
        raise NotImplementedError

    def public_jwk(self, key: Any) -> Union[Dict[str, Any], str]:
        """The public half of an RSA key, as a JWK."""
        raise NotImplementedError

    def after_fork(self) -> None:
        """Comes before all others in a forked child: connections of the parent's are not its own.

        Once in each child for each Kms that was opened with this provider, when that Kms is first used.
        """

    def destroy(self) -> None:
        """Comes last, when the last Kms over this is closed."""


def provider_table(provider: Provider) -> _structs.Provider:
    """The table of callbacks, which keeps the provider alive."""
    demand("providers", provider, Provider)
    out = _structs.new(_structs.Provider)
    put(out, prefix=provider.prefix or None)
    put_list(out, "admins", "admin", provider.admins)
    callbacks, kinds = _Callbacks(provider), dict(_structs.Provider._fields_)  # type: ignore[arg-type]
    for member in ("resolve", "release", "unwrap", "wrap", "decrypt", "encrypt", "public_jwk",
                   "after_fork", "destroy"):
        # What a subclass has not is NULL; but what was resolved is always to be given back.
        inherited = getattr(type(provider), member) is getattr(Provider, member)
        if not inherited or member == "release":
            setattr(out, member, kinds[member](_answering(getattr(callbacks, member))))
    return out


def _answering(method: Callable[..., None]) -> Callable[..., int]:
    """A callback that tells the library what came of a method."""

    def call(_data: object, *arguments: Any) -> int:
        try:
            method(*arguments)
            return Status.OK
        except JwekmsError as error:
            return Status(error.code) or Status.INTERNAL_ERROR
        except (OSError, MemoryError):
            return _logged(Status.UNAVAILABLE, "a key provider is out of reach")
        except Exception:
            return _logged(Status.INTERNAL_ERROR, "a key provider failed")

    return callback(call, Status.UNAVAILABLE)


def _logged(status: Status, what: str) -> Status:
    try:
        _log.error(what, exc_info=True)
    except Exception:
        pass  # handlers and filters are the program's, and what they raise is no answer
    return status


class _Callbacks:
    """Pointers to Python's terms and back."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._keys: Dict[int, Any] = {}  # a handle is a number, and no pointer to be mistaken
        self._numbers = itertools.count(1)

    def resolve(self, kid: int, size: int, out: Any) -> None:
        found, number = self._provider.resolve(text_at(kid, size)), next(self._numbers)
        self._keys[number] = found.key
        try:
            _describe(found, out.contents)
            out.contents.key = number
        except BaseException:
            self.release(number)  # the library has none that it could give back
            raise

    def release(self, key: int) -> None:
        self._provider.release(self._keys.pop(key))

    def unwrap(self, key: int, wrapped: Any, out: int, out_size: Any) -> None:
        cek = self._provider.unwrap(self._keys[key], _cek(wrapped))
        out_size[0] = _give(cek, out, _CEK_ROOM)

    def wrap(self, key: int, wanted: Any, cek: Optional[int], out: int, out_size: Any) -> None:
        size = wanted.contents.size
        copy = _copy(cek, size) if cek else None
        try:
            made = self._provider.wrap(self._keys[key], _cek(wanted), copy)
            out_size[0] = _give(made, out, _CEK_ROOM)
        finally:
            if copy:
                wipe(copy)

    def decrypt(self, key: int, cek: Any, content: Any, out: int, out_size: Any) -> None:
        raw = content.contents
        sealed = SealedContent(**{name: bytes_at(getattr(raw, name), getattr(raw, name + "_len"))
                                  for name in ("iv", "aad", "ciphertext", "tag")})
        plaintext = self._provider.decrypt(self._keys[key], _cek(cek), sealed)
        out_size[0] = _give(plaintext, out, raw.ciphertext_len)

    def encrypt(self, key: int, cek: Any, content: Any) -> None:
        raw = content.contents
        copy = _copy(raw.plaintext, raw.plaintext_len)
        try:
            sealed = self._provider.encrypt(self._keys[key], _cek(cek), Sealing(
                plaintext=copy, aad=bytes_at(raw.aad, raw.aad_len),
                iv=bytes_at(raw.iv, raw.iv_len), tag_size=raw.tag_len))
            if sealed.iv is not None:
                _fill(sealed.iv, raw.iv, raw.iv_len)
            _fill(sealed.ciphertext, raw.ciphertext, raw.ciphertext_len)
            _fill(sealed.tag, raw.tag, raw.tag_len)
        finally:
            wipe(copy)

    def public_jwk(self, key: int, out: int, out_size: Any) -> None:
        jwk = self._provider.public_jwk(self._keys[key])
        text = jwk if isinstance(jwk, str) else json.dumps(jwk)
        out_size[0] = _give(encode(text), out, _JWK_ROOM)

    def after_fork(self) -> None:
        self._provider.after_fork()

    def destroy(self) -> None:
        self._provider.destroy()


def _describe(found: ProvidedKey, out: ctypes.Structure) -> None:
    _put_text(out, "uid", found.uid)
    _put_text(out, "algs", join(found.algs))
    _put_text(out, "enc", found.enc)
    put_numbers(out, type=found.type, bits=found.bits, state=found.state, version=found.version)
    out.created_at = unsigned("created_at", found.created_at, 63)
    out.flags = ((_CEK_STAYS if found.cek_stays else 0)
                 | (0 if found.may_decrypt else _NO_DECRYPT)
                 | (0 if found.may_encrypt else _NO_ENCRYPT))


def _cek(pointer: Any) -> WrappedCek:
    raw = pointer.contents
    return WrappedCek(
        alg=text_at(raw.alg, raw.alg_len), enc=text_at(raw.enc, raw.enc_len), size=raw.size,
        kid=text_at(raw.kid, raw.kid_len),
        encrypted_key=bytes_at(raw.encrypted_key, raw.encrypted_key_len))


def _put_text(struct: ctypes.Structure, name: str, text: Optional[Name]) -> None:
    try:
        put(struct, **{name: text})
    except (BadRequest, ValueError):
        raise InternalError(f"a key's {name} is empty or too long") from None


def _copy(place: Optional[int], size: int) -> bytearray:
    out = bytearray(size)
    if place and size:
        ctypes.memmove(Place.from_buffer(out), place, size)
    return out


def _give(data: Buffer, place: int, room: int) -> int:
    """Copies to the library's memory; the size. A bytearray is wiped then."""
    if isinstance(data, str):
        raise TypeError("a bytes-like object is required, not str")
    try:
        with Inputs() as inputs:
            source, size = inputs.add(data)
            if size > room:
                raise InternalError("a key provider returned too much")
            ctypes.memmove(place, source or b"", size)
        return size
    finally:
        if isinstance(data, bytearray):
            wipe(data)


def _fill(data: Buffer, place: int, size: int) -> None:
    if memoryview(data).nbytes != size:
        raise InternalError("a key provider returned another size than was asked for")
    _give(data, place, size)

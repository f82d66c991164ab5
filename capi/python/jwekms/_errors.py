# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, one exception for each code of the library."""

from __future__ import annotations

import enum
from typing import Any, Dict, Tuple, Type


class Status(enum.IntEnum):
    """What came of a call; the values of ``jwekms_status``."""

    OK = 0
    BAD_REQUEST = 1
    FORBIDDEN = 2
    NOT_FOUND = 3
    CONFLICT = 4
    TOO_LARGE = 5
    UNSUPPORTED_ALGORITHM = 6
    DECRYPTION_FAILED = 7
    CRYPTO_FAILURE = 8
    UNAVAILABLE = 9
    INTERNAL_ERROR = 10
    BUFFER_TOO_SMALL = 11

    @classmethod
    def _missing_(cls, value: object) -> Status:
        return cls.INTERNAL_ERROR  # of a newer library


class JwekmsError(Exception):
    """Base of all that the library answers with.

    ``code`` says what is wrong, ``detail`` why, in English for people (no byte of input, of keys or
    of paths), ``position`` where in the text that was read, or 0. ``http_status`` is what the REST
    API answers with. What Python itself can see, a wrong type or a closed object, is a TypeError or
    a ValueError instead.
    """

    code: Status = Status.INTERNAL_ERROR
    http_status: int = 500

    def __init__(self, detail: str = "", position: int = 0) -> None:
        super().__init__(detail, position)
        self.detail = detail
        self.position = position

    def __str__(self) -> str:
        name = self.code.name.lower()
        where = f" (at byte {self.position})" if self.position else ""
        return f"{name}: {self.detail}{where}" if self.detail else name


class BadRequest(JwekmsError):
    """Malformed token, header, key or argument."""

    code, http_status = Status.BAD_REQUEST, 400


class Forbidden(JwekmsError):
    """The key's state, or the caller's rights, forbid this."""

    code, http_status = Status.FORBIDDEN, 403


class NotFound(JwekmsError):
    """No such key, or it was destroyed."""

    code, http_status = Status.NOT_FOUND, 404


class Conflict(JwekmsError):
    """The UID or alias exists already."""

    code, http_status = Status.CONFLICT, 409


class TooLarge(JwekmsError):
    """Input above a configured limit."""

    code, http_status = Status.TOO_LARGE, 413


class UnsupportedAlgorithm(JwekmsError):
    """``alg``, ``enc`` or ``zip`` unknown or not allowed here."""

    code, http_status = Status.UNSUPPORTED_ALGORITHM, 422


class DecryptionFailed(JwekmsError):
    """Wrong key, corrupted data, failed tag; never says which."""

    code, http_status = Status.DECRYPTION_FAILED, 422


class CryptoFailure(JwekmsError):
    """The CEK's size does not fit ``enc``; key of the wrong kind."""

    code, http_status = Status.CRYPTO_FAILURE, 422


class Unavailable(JwekmsError):
    """Database, HSM or memory out of reach; may be retried."""

    code, http_status = Status.UNAVAILABLE, 503


class InternalError(JwekmsError):
    """Anything else, damaged key records included."""

    code, http_status = Status.INTERNAL_ERROR, 500


class BufferTooSmall(JwekmsError):
    """The caller's buffer has fewer than ``needed`` bytes. No key was used."""

    code, http_status = Status.BUFFER_TOO_SMALL, 500

    def __init__(self, detail: str = "", position: int = 0, needed: int = 0) -> None:
        super().__init__(detail, position)
        self.needed = needed

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.detail, self.position, self.needed)


_CLASSES: Dict[Status, Type[JwekmsError]] = {
    each.code: each
    for each in (
        BadRequest, Forbidden, NotFound, Conflict, TooLarge, UnsupportedAlgorithm,
        DecryptionFailed, CryptoFailure, Unavailable, InternalError, BufferTooSmall,
    )
}


def exception(status: int, detail: str, position: int) -> JwekmsError:
    """The exception for a status that is not OK."""
    return _CLASSES[Status(status)](detail, position)

# SPDX-License-Identifier: Apache-2.0
"""jwekms decrypts JWE tokens without showing anybody the key.

    import jwekms

    with jwekms.Kms("keys.db") as kms:
        kid = kms.create_key().uid
        token = kms.encrypt(b"hello", kid)
        payload = kms.decrypt(token)

This package is Python over the C library libjwekms; README.md beside it has the whole story.
"""

from ._errors import (
    BadRequest, BufferTooSmall, Conflict, CryptoFailure, DecryptionFailed, Forbidden, InternalError,
    JwekmsError, NotFound, Status, TooLarge, Unavailable, UnsupportedAlgorithm,
)
from ._kms import Kms, Token, doctor, rewrap_database, rotate_kek
from ._library import library_version, load
from ._memory import Name
from ._options import OpenOptions
from ._provider import ProvidedKey, Provider, Sealed, SealedContent, Sealing, WrappedCek
from ._types import (
    Allow, AuditEvent, CekBoundary, Finding, Hsm, HsmSlot, KeyFormat, KeyInfo, KeyState, KeyType,
    Login, Permission, Response, Serialization, Verdict,
)

__version__ = "0.1.0"

__all__ = [
    "Allow", "AuditEvent", "BadRequest", "BufferTooSmall", "CekBoundary", "Conflict",
    "CryptoFailure", "DecryptionFailed", "Finding", "Forbidden", "Hsm", "HsmSlot", "InternalError",
    "JwekmsError", "KeyFormat", "KeyInfo", "KeyState", "KeyType", "Kms", "Login", "Name", "NotFound",
    "OpenOptions", "Permission", "ProvidedKey", "Provider", "Response", "Sealed", "SealedContent",
    "Sealing", "Serialization", "Status", "Token", "TooLarge", "Unavailable", "UnsupportedAlgorithm",
    "Verdict", "WrappedCek", "doctor", "library_version", "load", "rewrap_database",
    "rotate_kek",
]

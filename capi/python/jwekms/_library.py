# SPDX-License-Identifier: Apache-2.0
"""Finds and loads libjwekms, once for the process."""

from __future__ import annotations

import ctypes
import os
import pathlib
import threading
from typing import Optional, Union

from . import _structs

ABI_VERSION = 1
FILE_NAME = "libjwekms.so.0"

_loaded: Optional[Library] = None
_lock = threading.Lock()


class Library:
    """The functions of jwekms.h, without their prefix. ctypes lets other threads run meanwhile."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._dll = ctypes.CDLL(path)
        theirs = self._dll.jwekms_abi_version
        theirs.restype = ctypes.c_uint32
        if theirs() != ABI_VERSION:
            raise OSError(f"{path}: C ABI version {theirs()}, and {ABI_VERSION} is wanted")
        for name, (result, parameters) in _structs.PROTOTYPES.items():
            try:
                function = self._dll[f"jwekms_{name}"]
            except AttributeError:
                raise OSError(f"{path}: no jwekms_{name}: the library is older than this package") from None
            function.restype = result
            function.argtypes = parameters
            setattr(self, name, function)

    def __getattr__(self, name: str) -> ctypes._NamedFuncPointer:  # for type checkers; set above
        raise AttributeError(name)


def load(path: Union[str, os.PathLike[str], None] = None) -> None:
    """Loads the shared library.

    Needed only to say which: the first call that wants the library loads it, the copy in the wheel
    if there is one, otherwise what the system finds as ``libjwekms.so.0``. OSError if it cannot be
    loaded, has another C ABI or is older than this package; RuntimeError if another one is loaded already.
    """
    get(os.fspath(path) if path is not None else None)


def get(path: Optional[str] = None) -> Library:
    global _loaded
    found = _loaded
    if found is None:
        with _lock:
            found = _loaded
            if found is None:
                found = _loaded = Library(path or _default())
                return found
    if path is not None and os.path.realpath(path) != os.path.realpath(found.path):
        raise RuntimeError(f"{found.path} is loaded already")
    return found


def _default() -> str:
    inside = pathlib.Path(__file__).with_name(FILE_NAME)
    return str(inside) if inside.exists() else FILE_NAME


def library_version() -> str:
    """The version of the shared library, such as "0.1.0"."""
    text: bytes = get().version_string()
    return text.decode()

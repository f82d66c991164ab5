# SPDX-License-Identifier: Apache-2.0
"""Bytes on their way in and out: no copy where none is needed, and none left behind."""

from __future__ import annotations

import ctypes
import operator
from types import TracebackType
from typing import Any, Iterable, List, Optional, Sequence, Tuple, Type, Union

from . import _errors, _structs
from ._callbacks import escaped, raise_escaped
from ._typing import Buffer

# A UID, an alias or a principal. Bytes that are no UTF-8 come and go as lone surrogates, as Python
# has them in file names (PEP 383).
Name = Union[str, bytes]

Place = ctypes.c_char * 0  # a type for each size would be a new class for each

def encode(text: Name) -> bytes:
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"str or bytes are required, not {type(text).__name__}")
    return text.encode("utf-8", "surrogateescape")

def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")

def encode_name(name: Name) -> bytes:
    """To the library an empty name is one that was not given; whoever gives one does not mean that."""
    data = encode(name)
    if not data:
        raise _errors.BadRequest("a name is empty")
    return data

def wipe(data: bytearray) -> None:
    ctypes.memset(Place.from_buffer(data), 0, len(data))

def writable(data: Buffer) -> Tuple[Any, int]:
    """Somebody's buffer as a pointer that holds on to it, and its size in bytes."""
    view = memoryview(data)
    if view.readonly:
        raise TypeError("a writable bytes-like object is required")
    if view.nbytes == 0:
        return Place(), 0
    return Place.from_buffer(view.cast("B")), view.nbytes

def _utf8(text: str) -> bytearray:
    """A secret in UTF-8. Letter by letter: str.encode() would leave a copy behind."""
    out = bytearray(sum(len(encode(letter)) for letter in text))
    used = 0
    for letter in text:
        data = encode(letter)
        out[used : used + len(data)] = data
        used += len(data)
    return out

class Inputs:
    """Secret inputs of one call, kept in place until its end. Copies of ours are wiped then."""

    def __init__(self) -> None:
        self._kept: List[Any] = []
        self._copies: List[bytearray] = []

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._kept.clear()
        for copy in self._copies:
            wipe(copy)

    def add(self, data: Union[str, Buffer]) -> Tuple[Union[bytes, int, None], int]:
        """Something to point to, for a parameter or a member of a struct, and its size."""
        if isinstance(data, bytes):
            self._kept.append(data)
            return data, len(data)
        if isinstance(data, str):
            data = self._copy(_utf8(data))
        view = memoryview(data)
        if view.nbytes == 0:
            return None, 0
        if view.readonly or not view.c_contiguous:  # what ctypes cannot point to
            view = memoryview(self._copy(bytearray(view)))
        place = Place.from_buffer(view.cast("B"))
        self._kept.append(place)
        return ctypes.addressof(place), view.nbytes

    def _copy(self, data: bytearray) -> bytearray:
        self._copies.append(data)
        return data

def put(struct: ctypes.Structure, **texts: Optional[Name]) -> None:
    """Sets texts and their lengths; what is None stays not given."""
    for name, text in texts.items():
        if text is not None:
            data = encode(text)
            put_place(struct, name, data, len(data))

def put_place(struct: ctypes.Structure, name: str, place: object, size: int) -> None:
    """To the library what is empty is not given, and has a default: whoever gives it means no such thing."""
    if size == 0:
        raise _errors.BadRequest(f"{name} is empty")
    setattr(struct, name, place)
    setattr(struct, name + "_len", size)

def put_list(struct: ctypes.Structure, member: str, one: str, names: Sequence[Name]) -> None:
    """A list of names: the member, and with ``one`` before them the lengths and the count."""
    if isinstance(names, (str, bytes)):
        raise TypeError(f"{member}: a list of names, not one name")
    data = [encode_name(name) for name in names]
    setattr(struct, member, (ctypes.c_char_p * len(data))(*data))
    setattr(struct, one + "_lens", (ctypes.c_size_t * len(data))(*map(len, data)))
    setattr(struct, one + "_count", len(data))

def demand(name: str, given: object, kind: Any) -> None:
    if not isinstance(given, kind):
        raise TypeError(f"{name}: {kind.__name__} is required, not {type(given).__name__}")

def unsigned(name: str, number: int, bits: int = 32, least: int = 0) -> int:
    """A number that ctypes would cut to size without a word."""
    number = operator.index(number)
    if not least <= number < 1 << bits:
        raise ValueError(f"{name}: {number} is out of range")
    return number

def put_numbers(struct: ctypes.Structure, **numbers: Optional[int]) -> None:
    """Sets numbers. 0 is the library's word for a default, and no value to give."""
    sizes = {name: ctypes.sizeof(kind) for name, kind, *_ in struct._fields_}
    for name, number in numbers.items():
        if number is not None:
            setattr(struct, name, unsigned(name, number, 8 * sizes[name], least=1))

def join(names: Union[str, Iterable[str], None]) -> Optional[str]:
    """Algorithms: one text with spaces, or one each."""
    return names if names is None or isinstance(names, str) else " ".join(names)

def bytes_at(place: Optional[int], size: int) -> bytes:
    return ctypes.string_at(place, size) if place else b""


def text_at(place: Optional[int], size: int) -> str:
    return decode(bytes_at(place, size))


def read_text(function: Any, handle: object, *index: int) -> str:
    """From one of the functions that return a pointer and a length."""
    size = ctypes.c_size_t()
    return text_at(function(handle, *index, ctypes.byref(size)), size.value)

class Handle(ctypes.c_void_p):
    """A handle of the library, freed when nobody holds it any more.

    A call holds the handles among its arguments until it returns. So no thread can free what
    another is using, and no lock is needed for that.
    """

    __hash__ = object.__hash__  # for sets of them
    free: Any = None
    kept: object = None  # what the library goes on using while the handle lives

    def __del__(self) -> None:
        if self.value:
            self.free(self)


_ERROR_SIZE = ctypes.sizeof(_structs.Error)


def new_error() -> _structs.Error:
    return _structs.Error(_ERROR_SIZE)


def check(status: int, error: _structs.Error) -> None:
    if escaped.error is not None:
        raise_escaped()
    if status:
        raise _errors.exception(status, (error.text or b"").decode(), error.position)


def get_handle(function: Any, free: Any, *arguments: object, kept: object = None) -> Handle:
    """Calls what returns a handle through its last parameter but one."""
    error, handle = new_error(), Handle()
    handle.free, handle.kept = free, kept
    status = function(*arguments, ctypes.byref(handle), ctypes.byref(error))
    del arguments  # an exception that somebody keeps would keep them, and a context open
    check(status, error)
    return handle

def run(function: Any, *arguments: object) -> None:
    """Calls what returns a status alone."""
    error = new_error()
    status = function(*arguments, ctypes.byref(error))
    del arguments
    check(status, error)

def get_text(function: Any, *arguments: object, size: int = 0) -> str:
    """Calls what writes text: into ``size`` bytes, or as many as the library says that it takes."""
    if size == 0:
        size = ask_bound(function, *arguments)
    while True:
        out = bytearray(size)
        error, used = new_error(), ctypes.c_size_t(size)
        status = function(*arguments, Place.from_buffer(out), ctypes.byref(used), ctypes.byref(error))
        if status != _errors.Status.BUFFER_TOO_SMALL:
            del arguments
            check(status, error)
            return decode(bytes(memoryview(out)[: used.value]))
        size = used.value


def get_bound(function: Any, *arguments: object) -> int:
    """Asks how many bytes will do. No key is used, and nothing is verified."""
    error, bound = new_error(), ctypes.c_size_t()
    status = function(*arguments, None, ctypes.byref(bound), ctypes.byref(error))
    del arguments
    check(status, error)
    return bound.value


def ask_bound(function: Any, *arguments: object) -> int:
    """The same, or 1 where that fails: then so does the call itself, which is audited, as this is not."""
    try:
        return get_bound(function, *arguments)
    except _errors.JwekmsError:
        return 1

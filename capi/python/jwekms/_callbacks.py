# SPDX-License-Identifier: Apache-2.0
"""Functions that the library calls: nothing is raised into it, and no signal is lost in it."""

from __future__ import annotations

import opcode
import threading
import types
from typing import Any, Callable, Optional, TypeVar

_T = TypeVar("_T")


class _Escaped(threading.local):
    error: Optional[BaseException] = None


escaped = _Escaped()  # what came up in a callback, and is to come out of the call that led there


def raise_escaped() -> None:
    error, escaped.error = escaped.error, None
    try:
        if error is not None:
            raise error
    finally:
        del error  # it knows this frame


def callback(body: Callable[..., _T], ended: _T) -> Callable[..., _T]:
    """``body``, for the library to call.

    An Exception of its is answered by ``ended``. Where that is None, as there is nothing to answer,
    it ends in sys.unraisablehook, which prints it; elsewhere the library would take for an answer
    whatever there is in memory. What is no Exception, such as KeyboardInterrupt, comes out of the
    call that led here, and is answered by ``ended``, too.
    """

    def call(*arguments: Any) -> _T:
        try:
            try:
                _look_for_signals()  # or their handlers raise ahead of body's first line
            except BaseException as error:
                escaped.error = error
            return body(*arguments)
        except Exception:
            if ended is None:
                raise
            return ended
        except BaseException as error:
            escaped.error = error
            return ended

    call.__code__ = _without_first_look(call.__code__)
    return call


def need_room(levels: int = 32) -> None:
    """RecursionError now, if no call so deep is left: a callback that cannot begin has no answer."""
    if levels:
        need_room(levels - 1)


def _look_for_signals() -> None:
    """Python does so when a function is called."""


def _without_first_look(code: types.CodeType) -> types.CodeType:
    """A function's code that looks for no signals until it is inside its ``try``.

    Since Python 3.11 it does ahead of that, in RESUME, and what a handler raises there is lost:
    ctypes has no frame of the function to take it from, and the library gets no answer. RESUME does
    not look if its operand says that a function goes on after a ``yield from``, which is 2, and
    does nothing else with it. A Python without RESUME, or with another, keeps its code.
    """
    instructions = bytearray(code.co_code)
    resume = bytes([opcode.opmap.get("RESUME", 0), 0])  # 0: the start of a function
    place = next((i for i in range(0, len(instructions), 2) if instructions[i:i + 2] == resume), None)
    if "RESUME" not in opcode.opmap or place is None:
        return code
    instructions[place + 1] = 2
    return code.replace(co_code=bytes(instructions))

"""What a C library prints while it decodes, by the thread that called it.

libjpeg tells of damage on C's ``stderr`` alone, without the name of a file, and OpenCV passes
nothing on. Python's ``sys.stderr`` is another stream, which stays as it is.
"""

import atexit
import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_UNBUFFERED, _NO_LOCK = 2, 2  # _IONBF of stdio.h, FSETLOCKING_BYCALLER of stdio_ext.h
_WRITE = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t
)


class _Calls(ctypes.Structure):
    """``cookie_io_functions_t`` of glibc."""

    _fields_ = (
        ("read", ctypes.c_void_p), ("write", _WRITE), ("seek", ctypes.c_void_p),
        ("close", ctypes.c_void_p),
    )  # fmt: skip


_listening = threading.local()


@contextmanager
def c_messages() -> Iterator[list[str] | None]:
    """Yield the texts that C code of this thread prints within the block, as they come.

    None where that cannot be known, as with other C libraries than glibc; it is printed then.
    """
    if not _installed():
        yield None
        return
    heard: list[str] = []
    _listening.texts = heard
    try:
        yield heard
    finally:
        _listening.texts = None


@_WRITE
def _write(cookie: Any, text: Any, size: int) -> int:
    data = ctypes.string_at(text, size)
    texts = getattr(_listening, "texts", None)
    if texts is None:
        os.write(2, data)
    else:
        texts.append(data.decode(errors="replace"))
    return size


@cache
def _installed() -> bool:
    """Put a stream of ours in the place of C's ``stderr``; what nobody listens to goes on to it."""
    libc = ctypes.CDLL(None)
    try:
        place = ctypes.c_void_p.in_dll(libc, "stderr")
        opened, unbuffer, lock = libc.fopencookie, libc.setvbuf, libc.__fsetlocking
    except (AttributeError, ValueError):
        return False
    opened.restype, opened.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p, _Calls)
    unbuffer.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t)
    lock.argtypes = (ctypes.c_void_p, ctypes.c_int)
    stream = opened(None, b"w", _Calls(None, _write, None, None))
    if not stream:
        return False
    unbuffer(stream, None, _UNBUFFERED, 0)
    # A thread that waits for Python's lock in _write must not hold one that others wait for.
    lock(stream, _NO_LOCK)
    before = place.value
    place.value = stream
    atexit.register(setattr, place, "value", before)  # Python cannot be called after its end
    return True

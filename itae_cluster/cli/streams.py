"""Standard streams that are closed or full: the work is done all the same, and the code tells.

- A closed stream is opened on the null device, before a file of ours could take its number and get
  what a library writes there.
- What standard error does not take is lost, and changes nothing.
- What standard output does not take is an error, once, in one line.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING

from itae_cluster.core.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["flush_output", "guard_streams"]

_MODES = {0: os.O_RDONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}  # writing to number 1 fails, as it should


class _Lenient(io.FileIO):
    """Takes all, and loses what cannot be written."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


class _Strict(io.FileIO):
    """Raises `OutputError` at the first failure, and takes the rest without a word."""

    _failed = False

    def write(self, data: ReadableBuffer, /) -> int:
        if self._failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self._failed = True
            if isinstance(error, BrokenPipeError):
                raise
            reason = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise OutputError(
                f"cannot write to standard output: {reason}; redirect it elsewhere"
            ) from None


def guard_streams() -> None:
    """Make standard streams such as the module describes; to be called once, by the program."""
    closed = [number for number in _MODES if not _is_open(number)]
    for number in closed:  # in ascending order each gets the number that is free
        os.set_inheritable(os.open(os.devnull, _MODES[number]), True)  # decoders need it, too
    if 0 in closed:
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    if 1 in closed or _is_file(sys.stdout):
        sys.stdout = _text(_Strict(1, "w", closefd=False), sys.stdout)
    if 2 in closed or _is_file(sys.stderr):
        sys.stderr = _text(_Lenient(2, "w", closefd=False), sys.stderr)


def flush_output() -> None:
    """Write what is still buffered, while an error can be told.

    Raises:
        OutputError: if standard output does not take it.
        BrokenPipeError: if its reader has gone.
    """
    sys.stdout.flush()


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _is_file(stream: io.TextIOBase | object) -> bool:
    """Whether bytes go straight to a file descriptor (a Windows console is another matter)."""
    buffer = getattr(stream, "buffer", None)
    return type(getattr(buffer, "raw", buffer)) is io.FileIO  # no buffer with PYTHONUNBUFFERED


def _text(raw: io.FileIO, earlier: object) -> io.TextIOWrapper:
    """Text on top of `raw`, in the encoding and with the habits of the stream before it."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(earlier, "encoding", None) or "utf-8",
        errors=getattr(earlier, "errors", None) or "backslashreplace",
        line_buffering=getattr(earlier, "line_buffering", False)
        or getattr(earlier, "write_through", False),
    )

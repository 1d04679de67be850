"""Decoding in processes of their own: a file that crashes or hangs its decoder costs that file.

Decoders are C code that reads bytes of unknown origin. A crash in one ends its process, not the
run; one that takes too long is killed. Either is a `DecodeError` of that file, and a new process
takes the place of the old one. Where no process can be started, pictures are decoded in this one,
and a line says so.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, CancelledError
from typing import TYPE_CHECKING, Any, Self

from itae_cluster.core.errors import DecodeError
from itae_cluster.core.options import MAX_PIXELS
from itae_cluster.pictures import decode

if TYPE_CHECKING:
    from pebble import ProcessFuture, ProcessPool

    from itae_cluster.core.types import Picture, Reporter

__all__ = ["PATIENCE", "Decoders", "decoder_count"]

PATIENCE = 120.0
"""Seconds that one picture may take to decode."""

_NICENESS = 10  # the model goes first: pictures are decoded ahead of it anyway
_MOST = 8
_ATTEMPTS = 3  # a process that starts while another one crashes can be drawn into it
_PRELOADED = "itae_cluster.pictures.decode"


def decoder_count() -> int:
    """How many pictures are decoded at once on this machine."""
    return max(1, min(os.cpu_count() or 1, _MOST))


class Decoders:
    """A context manager around the processes, which start with the first picture.

    Args:
        reporter: told if there can be no such processes.
        max_pixels: pictures of more are refused before they are decoded.
        patience: seconds that one picture may take; `PATIENCE` by default.
    """

    def __init__(
        self, reporter: Reporter, max_pixels: int = MAX_PIXELS, patience: float | None = None
    ) -> None:
        self._reporter = reporter
        self._max_pixels = max_pixels
        self._patience = PATIENCE if patience is None else patience
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None
        self._waiting: set[ProcessFuture[Picture]] = set()
        self._closed = False
        self._alone = False  # decoding in this process, since no other can be started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes at once; threads that wait for a picture get a `DecodeError`."""
        with self._lock:
            self._closed = True
            for future in self._waiting:
                future.cancel()  # type: ignore[no-untyped-call]
        if self._pool is not None:
            with contextlib.suppress(BrokenExecutor):
                self._pool.stop()  # type: ignore[no-untyped-call]
                self._pool.join()

    def decode(self, path: str, size: int) -> Picture:
        """As `decode.decode`; may be called from several threads.

        Raises:
            DecodeError: if the file cannot be read as a picture, its decoder crashed, or it took
                too long.
        """
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(_CrashedError):
                return self._isolated(path, size)
        return self._isolated(path, size)

    def _isolated(self, path: str, size: int) -> Picture:
        if not self._alone:
            try:
                return self._attempt(path, size)
            except (BrokenExecutor, ImportError, OSError) as error:
                self._go_on_alone(error)
        return decode.decode(path, size, self._max_pixels)

    def _go_on_alone(self, error: Exception) -> None:
        with self._lock:
            told, self._alone = self._alone, True
        if not told:
            self._reporter.warn(
                f"no process can be started to decode pictures in ({error}); they are decoded in "
                "this one, so a file that crashes its decoder would end the run"
            )

    def _attempt(self, path: str, size: int) -> Picture:
        from pebble import ProcessExpired

        future = self._scheduled(path, size)
        try:
            return future.result()
        except CancelledError:
            raise DecodeError("given up, because the run ends") from None
        except TimeoutError:
            raise DecodeError(f"took more than {self._patience:g} s to decode") from None
        except ProcessExpired as expired:
            raise _CrashedError(f"its decoder crashed ({_ending(expired.exitcode)})") from None
        finally:
            with self._lock:
                self._waiting.discard(future)

    def _scheduled(self, path: str, size: int) -> ProcessFuture[Picture]:
        from pebble import ProcessPool

        with self._lock:
            if self._closed:
                raise DecodeError("given up, because the run ends")
            if self._pool is None:
                self._pool = ProcessPool(
                    decoder_count(), context=_context(), initializer=_begin_decoder
                )
            arguments = (path, size, self._max_pixels)
            future = self._pool.schedule(decode.decode, args=arguments, timeout=self._patience)
            self._waiting.add(future)
            return future


class _CrashedError(DecodeError):
    """The process ended; whether this file is to blame is seen when it happens again."""


def _context() -> Any:
    """How processes start: never by a plain fork, which copies locks that other threads hold."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOADED])
    return context


def _begin_decoder() -> None:
    """In the new process: leave Ctrl-C to the parent, and the processor to the model."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError):  # Windows has no niceness
        os.nice(_NICENESS)


def _ending(code: int | None) -> str:
    if code is None:
        return "ended"
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"

"""Decoding in processes of their own: a file that crashes or hangs its decoder costs that file.

Decoders are C code that reads bytes of unknown origin. A crash in one ends its process, not the
run; one that takes too long ends. Either is a `DecodeError` of that file, and a new process takes
the place of the old one. So it is with the first reading of a file, which may never come to an end.
Where no process can be started, pictures are decoded in this one, and a line says so.

A message to a process and back costs this one more than it costs the other to read a small file, so
where there are many files they go several at a time, and their pixels come back in shared memory.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from concurrent.futures import BrokenExecutor, CancelledError, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from itae_cluster.core.batches import batches
from itae_cluster.core.cores import usable_cores
from itae_cluster.core.errors import DecodeError
from itae_cluster.core.options import MAX_PIXELS
from itae_cluster.core.text import quantity
from itae_cluster.core.types import Picture
from itae_cluster.pictures import decode, decoder_process
from itae_cluster.pictures.shared_pixels import SharedPixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from pebble import ProcessFuture, ProcessPool

    from itae_cluster.core.files import FileDigest
    from itae_cluster.core.types import Reporter
    from itae_cluster.pictures.decoder_process import StoredPicture, TaskResult

__all__ = ["EACH_AHEAD", "MOST_AT_ONCE", "PATIENCE", "Decoders", "decoder_count", "warm_up"]

PATIENCE = 120.0
"""Seconds of processor time that one picture may take, and seconds without progress."""

MOST_AT_ONCE = 16
"""Files that go to a process in one go; more would spare little."""
EACH_AHEAD = 2
"""Goes for each process: one that it works on, and one that waits for it."""

_MANY = 4  # cores, from which on one is left to the thread that all pictures go to
_ATTEMPTS = 3  # a process that starts while another one crashes can be drawn into it
_PRELOADED = ["itae_cluster.pictures.decode", "itae_cluster.pictures.decoder_process"]
_AT_LAST = 10  # times its patience, after which a process that does not end itself is killed
_SHORTEST = 5.0  # seconds that a file may keep waiting where those before it did in vain
_MOST_SAID = 5  # lines of a decoder that are told

T = TypeVar("T")


def decoder_count() -> int:
    """How many pictures are decoded at once on this machine."""
    cores = usable_cores()
    return cores - 1 if cores >= _MANY else cores


def warm_up() -> None:
    """Have a process import what decoders need, while this one has something else to do first."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver

        _context()
        with contextlib.suppress(OSError):  # it will be told when the first picture is read
            forkserver.ensure_running()


class Decoders:
    """A context manager around the processes, which start with the first picture.

    Args:
        reporter: told if there can be no such processes.
        max_pixels: pictures of more are refused before they are decoded.
        patience: seconds of processor time that one picture may take, and seconds without any and
            without a byte read; `PATIENCE` by default.
        processes: how many there are; `decoder_count()` by default.
        room: for `decode_each`: how many pictures there is memory for, and their side in pixels.
    """

    def __init__(
        self,
        reporter: Reporter,
        max_pixels: int = MAX_PIXELS,
        patience: float | None = None,
        processes: int | None = None,
        room: tuple[int, int] | None = None,
    ) -> None:
        self._processes = processes or decoder_count()
        self._reporter = reporter
        self._max_pixels = max_pixels
        self._patience = PATIENCE if patience is None else patience
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None
        self._waiting: set[ProcessFuture[Any]] = set()
        self._closed = False
        self._in_vain = 0  # files that kept waiting too long, one after the other
        self._alone = False  # decoding in this process, since no other can be started
        count, side = room or (0, 0)
        jobs = EACH_AHEAD * self._processes
        self._shared, self._slots = _open_room(count, side, jobs * MOST_AT_ONCE)
        self._places: SimpleQueue[int] = SimpleQueue()  # slots without pixels that are free
        for job in range(jobs):
            self._places.put(count + job * MOST_AT_ONCE)

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
        return self.run(decode.decode, path, size, self._max_pixels)

    def digest(self, path: str) -> FileDigest:
        """As `read_digest`, of a regular file that is not empty.

        Raises:
            OSError: if it is none, or cannot be read.
            DecodeError: if reading it took too long.
        """
        return self.run(decoder_process.digest, path)

    def run(self, task: Callable[..., T], path: str, *arguments: object) -> T:
        """What the function makes of the file, in a decoder process; `path` goes first.

        Raises:
            DecodeError: as the function raises it (and OSError), if it crashed, or took too long.
        """
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(_CrashedError):
                return self._run_once(task, path, *arguments).result()
        return self._run_once(task, path, *arguments).result()

    @property
    def slots(self) -> NDArray[np.uint8]:
        """(count, side, side, 3) uint8, what `decode_each` fills."""
        return self._slots

    def decode_each(
        self, paths: Sequence[str], first: int, *, thumbnails: bool = False
    ) -> list[Picture | Exception]:
        """As `decode`, in one go, into the slots `first`, `first + 1`, …; an error where it failed.

        The pixels are views of the slots, which show others once they are used again.
        """
        options = (self.slots.shape[1], self._max_pixels, *((True,) if thumbnails else ()))
        found = self._run_each(decode.decode, paths, first, *options)
        return [self._to_slot(slot, item) for slot, item in enumerate(found, first)]

    def digest_each(self, paths: Sequence[str], first: int) -> list[FileDigest | Exception]:
        """As `digest`, in one go, with slots as for `decode_each`; an error where it failed."""
        return self._run_each(decoder_process.digest, paths, first)

    def map(
        self, task: Callable[..., T], paths: Sequence[str], *arguments: object
    ) -> Iterator[T | Exception]:
        """What the function makes of each file, in order; an error where it failed."""
        jobs = EACH_AHEAD * self._processes
        few = max(1, min(MOST_AT_ONCE, len(paths) // jobs))

        def run(part: Sequence[str]) -> list[T | Exception]:
            place = self._places.get()
            try:
                return self._run_each(task, part, place, *arguments)
            finally:
                self._places.put(place)

        pool = ThreadPoolExecutor(jobs, thread_name_prefix="decode")
        try:
            for found in pool.map(run, batches(paths, few)):
                yield from found
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _to_slot(
        self, slot: int, found: Picture | StoredPicture | Exception
    ) -> Picture | Exception:
        if isinstance(found, Exception):
            return found
        pixels = self.slots[slot]
        if isinstance(found, Picture):  # it was decoded by itself
            pixels[:] = found.pixels
        return Picture(pixels, found.width, found.height, found.damage, found.thumbnail)

    def _try(self, task: Callable[..., T], path: str, *arguments: object) -> T | Exception:
        try:
            return self.run(task, path, *arguments)
        except (DecodeError, OSError) as error:
            return error

    def _run_each(
        self, task: Callable[..., Any], paths: Sequence[str], first: int, *arguments: object
    ) -> list[Any]:
        """As `_try` for each path. Where a file ends the process, the others are done once more."""
        if not paths:
            return []
        if self._alone or self._shared is None:
            return [self._try(task, path, *arguments) for path in paths]
        slots = slice(first, first + len(paths))
        self._shared.begun[slots] = 0
        try:
            outcomes, noise = self._attempt(
                len(paths), decoder_process.run_each, task, paths, first, *arguments
            )
        except (BrokenExecutor, ImportError, OSError) as error:
            self._go_on_alone(error)
            return self._run_each(task, paths, first, *arguments)
        except DecodeError as error:
            at = self._shared.at_hand(slots)
            if at is None:
                return [self._try(task, path, *arguments) for path in paths]
            # That it crashed may be the fault of another; that it took too long is its own.
            is_crash = isinstance(error, _CrashedError)
            return [
                *self._run_each(task, paths[:at], first, *arguments),
                self._try(task, paths[at], *arguments) if is_crash else error,
                *self._run_each(task, paths[at + 1 :], first + at + 1, *arguments),
            ]
        for number, text in noise.items():
            self._tell_noise(paths[number], text)
        return outcomes

    def _run_once(self, task: Callable[..., T], path: str, *arguments: object) -> TaskResult[T]:
        found = self._run_isolated(task, path, *arguments)
        self._tell_noise(path, found.noise)
        return found

    def _tell_noise(self, path: str, noise: str) -> None:
        lines = [*dict.fromkeys(line.strip() for line in noise.splitlines())]
        for line in lines[:_MOST_SAID]:
            self._reporter.info(f"{path}: {line}")
        if len(lines) > _MOST_SAID:
            self._reporter.info(f"{path}: {quantity(len(lines) - _MOST_SAID, 'more line')}")

    def _run_isolated(self, task: Callable[..., T], *arguments: object) -> TaskResult[T]:
        if not self._alone:
            try:
                return self._attempt(1, decoder_process.run, task, *arguments)
            except (BrokenExecutor, ImportError, OSError) as error:
                self._go_on_alone(error)
        return decoder_process.run_here(task, *arguments)

    def _go_on_alone(self, error: Exception) -> None:
        with self._lock:
            told, self._alone = self._alone, True
        if not told:
            self._reporter.warn(
                f"no process can be started to decode pictures in ({error}); they are decoded in "
                "this one, so a file that crashes its decoder would end the run"
            )

    def _attempt(
        self, files: int, call: Callable[..., T], task: Callable[..., Any], *arguments: object
    ) -> T:
        """`call` does the task on so many files, in a process."""
        from pebble import ProcessExpired

        # On a network drive that is dead every file keeps waiting, so patience shrinks with each.
        waiting = max(min(_SHORTEST, self._patience), self._patience / 2**self._in_vain)
        longest = _AT_LAST * self._patience
        future = self._schedule(files * longest, call, self._patience, waiting, task, *arguments)
        try:
            finished = future.result()
            self._in_vain = 0
            return finished
        except CancelledError:
            raise DecodeError("given up, because the run ends") from None
        except TimeoutError:
            raise _too_long(task, longest) from None
        except ProcessExpired as expired:
            if decoder_process.waited_in_vain(expired.exitcode):
                self._in_vain += 1
                raise _too_long(task, waiting) from None
            if decoder_process.computed_too_long(expired.exitcode):
                raise _too_long(task, self._patience) from None
            raise _CrashedError(
                f"its decoder crashed ({_describe_exit(expired.exitcode)})"
            ) from None
        finally:
            with self._lock:
                self._waiting.discard(future)

    def _schedule(
        self, timeout: float, call: Callable[..., T], *arguments: object
    ) -> ProcessFuture[T]:
        from pebble import ProcessPool

        with self._lock:
            if self._closed:
                raise DecodeError("given up, because the run ends")
            if self._pool is None:
                self._pool = ProcessPool(
                    self._processes,
                    context=_context(),
                    initializer=decoder_process.begin,
                    initargs=(self._shared,),
                )
            future: ProcessFuture[T] = self._pool.schedule(call, args=arguments, timeout=timeout)
            self._waiting.add(future)
            return future


class _CrashedError(DecodeError):
    """The process ended; whether this file is to blame is seen when it happens again."""


def _too_long(task: Callable[..., object], seconds: float) -> DecodeError:
    doing = "decode" if task is decode.decode else "read"
    return DecodeError(f"took more than {seconds:g} s to {doing}")


def _open_room(count: int, side: int, more: int) -> tuple[SharedPixels | None, NDArray[np.uint8]]:
    """Slots for pictures, and more without; in this process alone where none can be shared."""
    try:
        shared = SharedPixels(count, side, more, _context())
    except OSError:
        return None, np.empty((count, side, side, 3), dtype=np.uint8)
    return shared, shared.pixels


def _context() -> Any:
    """How processes start: never by a plain fork, which copies locks that other threads hold."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "ended"
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"

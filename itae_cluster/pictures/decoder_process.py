"""What happens inside a decoder process: work with an end to its patience, and without noise.

Patience is counted in processor time, and in time that passes with next to none of it and without
a byte that is read. On a busy machine, or with a slow drive, a process that waits for its turn is
left alone; one that computes for ever, or waits for a file that does not come (a dead network
mount), ends itself, and its parent knows it by how it ended.

C libraries write what they think of a file to file descriptor 2, past all that Python could hold
back. Here it leads to a temporary file, so that their lines are told with the file they are about.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import stat
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from itae_cluster.core.errors import DecodeError
from itae_cluster.core.files import read_digest
from itae_cluster.core.types import Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO, TextIO

    from itae_cluster.core.files import FileDigest
    from itae_cluster.pictures.shared_pixels import SharedPixels

__all__ = [
    "StoredPicture",
    "TaskResult",
    "begin",
    "computed_too_long",
    "digest",
    "run",
    "run_each",
    "run_here",
    "waited_in_vain",
]

_NICENESS = 10  # the model goes first: pictures are decoded ahead of it anyway
_WAITED_IN_VAIN = 113  # the exit code of a process whose file does not come
_LEAST_SHARE = 0.002  # of a processor: a process that may not even have that is taken to wait
_LONGEST_NOISE = 100_000  # bytes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaskResult(Generic[T]):
    """What a task came to, and what its libraries wrote to standard error meanwhile."""

    outcome: T | Exception
    noise: str

    def result(self) -> T:
        """What the task returned.

        Raises:
            DecodeError: as the task raised it; so do others that it may raise.
        """
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class StoredPicture(NamedTuple):
    """A `Picture` whose pixels are in shared memory."""

    width: int
    height: int
    damage: str | None
    thumbnail: bytes | None


def digest(path: str) -> FileDigest:
    """As `read_digest`, of a regular file that is not empty: no other is opened.

    Raises:
        OSError: it is none, or cannot be read.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        raise OSError("not a regular file with something in it")
    return read_digest(path)


def begin(shared: SharedPixels | None = None) -> None:
    """In the new process: leave Ctrl-C to the parent, and the processor to the model.

    Args:
        shared: where `run_each` puts pixels.
    """
    global _watch, _caught, _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with contextlib.suppress(AttributeError, OSError):  # Windows has no niceness
        os.nice(_NICENESS)
    with contextlib.suppress(OSError):  # no room for a temporary file, or no standard error
        _caught = _redirect()
    _watch = _Watch()


_watch: _Watch | None = None
_caught: BinaryIO | None = None
_shared: SharedPixels | None = None


def run(
    computing: float, waiting: float, task: Callable[..., T], *arguments: object
) -> TaskResult[T]:
    """Do the task in this process, which `begin` has prepared.

    Args:
        computing: seconds of processor time that it may take.
        waiting: seconds that it may pass without any, and without reading a byte.
        task: what to do.
        arguments: its own.
    """
    outcome: T | Exception
    with contextlib.nullcontext() if _watch is None else _watch.patience(computing, waiting):
        try:
            outcome = task(*arguments)
        except (DecodeError, OSError) as error:
            outcome = error
    return TaskResult(outcome, "" if _caught is None else _take_text(_caught))


def run_each(
    computing: float,
    waiting: float,
    task: Callable[..., Any],
    paths: Sequence[str],
    first: int,
    *arguments: object,
) -> tuple[list[Any], dict[int, str]]:
    """As `run` for each path, which comes first of the arguments, with the patience of one each.

    A `Picture` becomes a `StoredPicture`, its pixels in the shared slot `first`, `first + 1`, …;
    where these are slots without pixels, it stays one.

    Returns:
        What each came to, a value or an error, and what was written to standard error meanwhile.
    """
    assert _shared is not None  # `begin` was given it, or nobody asks for this
    outcomes: list[Any] = []
    noise = {}
    for number, path in enumerate(paths):
        slot = first + number
        _shared.begun[slot] = 1
        result = run(computing, waiting, task, path, *arguments)
        outcome = result.outcome
        if isinstance(outcome, Picture) and slot < len(_shared.pixels):
            _shared.pixels[slot] = outcome.pixels
            outcome = StoredPicture(
                outcome.width, outcome.height, outcome.damage, outcome.thumbnail
            )
        outcomes.append(outcome)
        if result.noise:
            noise[number] = result.noise
    return outcomes, noise


def computed_too_long(exit_code: int | None) -> bool:
    """Whether a process with this exit code had used up its processor time."""
    return hasattr(signal, "SIGPROF") and exit_code == -signal.SIGPROF


def waited_in_vain(exit_code: int | None) -> bool:
    """Whether a process with this exit code had waited too long."""
    return exit_code == _WAITED_IN_VAIN


class _Watch:
    """Ends this process where a task takes too long."""

    def __init__(self) -> None:
        self._waiting = 0.0
        self._lock = threading.Lock()
        self._busy = threading.Event()
        threading.Thread(target=self._wait, daemon=True).start()

    @contextlib.contextmanager
    def patience(self, computing: float, waiting: float) -> Iterator[None]:
        """How many seconds the task inside may compute, and how many it may wait for its file."""
        # The signal ends the process whether or not its Python can run: a library may hold it.
        self._allow(computing)
        self._waiting = waiting
        self._busy.set()
        try:
            yield
        finally:
            with self._lock:  # not while the other thread ends the process
                self._busy.clear()
            self._allow(0)

    def _allow(self, seconds: float) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, seconds)

    def _wait(self) -> None:
        """Count the time in which the task makes no progress.

        Intervals are counted, not the clock: time in which this process is stopped, or the machine
        asleep, is none.
        """
        while True:
            self._busy.wait()
            used, read, idle = _processor_time(), _bytes_read(), 0.0
            while self._busy.is_set():
                interval = min(1.0, self._waiting / 20)
                time.sleep(interval)
                idle += interval
                least = _LEAST_SHARE * self._waiting
                if _processor_time() > used + least or _bytes_read() > read:
                    used, read, idle = _processor_time(), _bytes_read(), 0.0
                if idle > self._waiting:
                    with self._lock:
                        if self._busy.is_set():
                            os._exit(_WAITED_IN_VAIN)


def _processor_time() -> float:
    """Seconds of processor time of all threads but this one."""
    return time.process_time() - time.thread_time()


def _bytes_read() -> int:
    """What the main thread has read until now, or blocks that the process has; 0 if nobody counts.

    Linux counts what a thread reads; this one, which reads that number, is another.
    """
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/io", "rb") as file:
        return int(file.readline().split()[1])
    with contextlib.suppress(ImportError):  # Windows
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_inblock
    return 0


def _redirect() -> BinaryIO:
    """Let file descriptor 2 lead to a new temporary file."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it stays as long as the process
    os.dup2(file.fileno(), 2)
    return file


def _take_text(file: BinaryIO) -> str:
    """What was written since the last time."""
    if not os.fstat(file.fileno()).st_size:
        return ""
    file.seek(0)
    text = file.read(_LONGEST_NOISE).decode("utf-8", "replace")
    file.seek(0)
    file.truncate()
    return text


_one_at_a_time = threading.Lock()


def run_here(task: Callable[..., T], *arguments: object) -> TaskResult[T]:
    """Do the task in a process that others use too, where there can be no decoder process."""
    outcome: T | Exception
    with _one_at_a_time, _capture_stderr() as file:
        try:
            outcome = task(*arguments)
        except (DecodeError, OSError) as error:
            outcome = error
        return TaskResult(outcome, "" if file is None else _take_text(file))


@contextlib.contextmanager
def _capture_stderr() -> Iterator[BinaryIO | None]:
    """File descriptor 2 as a temporary file, while Python's own lines go where they went."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield None
        return
    before = sys.stderr
    other = _past_descriptor_2() if _is_plain(before) else before
    try:
        with _redirect() as file:
            sys.stderr = other
            yield file
    finally:
        sys.stderr = before
        os.dup2(kept, 2)
        os.close(kept)


@functools.cache
def _past_descriptor_2() -> TextIO:
    """Standard error under another number; never closed, since another thread may be writing."""
    return os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace", closefd=False)


def _is_plain(stream: object) -> bool:
    """Whether what is written to the stream goes to file descriptor 2."""
    try:
        return stream.fileno() == 2  # type: ignore[attr-defined, no-any-return]
    except (AttributeError, OSError, ValueError):
        return False

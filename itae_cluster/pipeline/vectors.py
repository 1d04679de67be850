"""Vectors that `embed` wrote, read again: a file at once, a folder part by part."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from itae_cluster.core.errors import InputError, UsageError
from itae_cluster.core.options import InputOptions, ModelOptions
from itae_cluster.core.places import is_folder
from itae_cluster.core.text import printable
from itae_cluster.core.types import Embeddings
from itae_cluster.embedding import shards, vector_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.options import StoredVectors
    from itae_cluster.core.types import Reporter
    from itae_cluster.embedding.shards import ShardFolder

__all__ = ["ForEach", "Parts", "check_alone", "for_each", "load_vectors"]

_THREADS = 2  # one reads while another computes

T = TypeVar("T")


class ForEach(Protocol):
    """How work on many parts is done: here, or by the workers of a cluster of machines."""

    def __call__(self, work: Callable[[int], T], numbers: Sequence[int]) -> Iterator[T]:
        """What the work makes of each part, in order."""


def for_each(work: Callable[[int], T], numbers: Sequence[int]) -> Iterator[T]:
    """Here, in threads."""
    remaining = iter(numbers)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="part") as pool:
        try:
            waiting = deque(pool.submit(work, number) for number in islice(remaining, _THREADS + 1))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, number) for number in islice(remaining, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Parts:
    """A folder, and how its parts are worked on."""

    folder: ShardFolder
    each: ForEach
    reporter: Reporter

    def map(self, stage: str, work: Callable[[int], T]) -> Iterator[tuple[slice, T]]:
        """What the work makes of each part, and which vectors those are."""
        total, starts = len(self.folder.parts), self.folder.starts.tolist()
        self.reporter.progress(stage, 0, total)
        for number, found in enumerate(self.each(work, range(total))):
            yield slice(starts[number], starts[number + 1]), found
            self.reporter.progress(stage, number + 1, total)

    def take(self, rows: NDArray[np.int64], stage: str) -> NDArray[np.float32]:
        """Some of the vectors, by their numbers in rising order: (m, D)."""
        cuts = np.searchsorted(rows, self.folder.starts)
        wanted = [
            rows[first:last] - start
            for first, last, start in zip(cuts[:-1], cuts[1:], self.folder.starts, strict=False)
        ]
        taken = np.empty((len(rows), self.folder.dim), dtype=np.float32)
        done = 0
        for _, part in self.map(stage, partial(_take_part, self.folder, wanted)):
            taken[done : done + len(part)] = part
            done += len(part)
        return taken


def _take_part(
    folder: ShardFolder, wanted: Sequence[NDArray[np.int64]], number: int
) -> NDArray[np.float32]:
    if not len(wanted[number]):
        return np.empty((0, folder.dim), dtype=np.float32)
    return folder.vectors(number)[wanted[number]]


def load_vectors(stored: StoredVectors, reporter: Reporter) -> Embeddings:
    """All of them, for a job that needs every picture at hand.

    Raises:
        InputError: if they cannot be read, or are more than may be held.
    """
    if not is_folder(stored.path):
        return vector_files.load(stored.path)
    folder = shards.open_shards(stored.path)
    if folder.size > stored.memory:
        raise InputError(
            f"the vectors in {printable(stored.path)} take {folder.size / 1e9:.1f} GB, more than "
            "--memory allows; raise it, or leave out --out and write --labels DIR"
        )
    parts = Parts(folder, for_each, reporter)
    paths: list[str] = []
    for _, names in parts.map("Reading", folder.paths):
        paths += names
    return Embeddings(tuple(paths), parts.take(np.arange(folder.n), "Reading"), folder.model)


def check_alone(inputs: InputOptions, model: ModelOptions) -> None:
    """Raise `UsageError` where pictures or a model are asked for beside finished vectors."""
    if inputs != InputOptions():
        raise UsageError(
            "--embeddings takes the place of PATHS, --only and --exclude; leave one out"
        )
    if model != ModelOptions():
        raise UsageError("--embeddings holds finished vectors; leave out the options of the model")

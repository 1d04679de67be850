"""Batches on their way through an encoder, into the vectors and into the cache.

A GPU computes one batch while the next is on its way to it: what it has done is fetched one batch
late. The cache is written beside, in a thread.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from itae_cluster.core.files import FileDigest
    from itae_cluster.core.types import Encoder, Reporter
    from itae_cluster.embedding.vector_cache import VectorCache

__all__ = ["EncodingQueue", "PipelinedEncoder"]

_LATE = 1  # batches


@runtime_checkable
class PipelinedEncoder(Protocol):
    """An `Encoder` that can have a second batch on its way while it computes one."""

    def begin(self, pixels: NDArray[np.uint8]) -> Callable[[], NDArray[np.float32]]:
        """Begin with a batch; what is returned waits for it, and returns what `encode` would.

        The pixels may change as soon as this returns.
        """

    def expect(self, pictures: int, reporter: Reporter) -> None:
        """Make ready for so many pictures, before the first."""


class _Pending(NamedTuple):
    rows: Sequence[int]
    known: Sequence[FileDigest | None]
    fetch: Callable[[], NDArray[np.float32]]


class EncodingQueue:
    """A context manager, inside which batches are added.

    Args:
        vectors: (n, D), written row by row.
        done: (n,) which rows are.
        shelf: where vectors are kept.
        reporter: told what an encoder has to tell.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        done: NDArray[np.bool_],
        shelf: VectorCache,
        reporter: Reporter,
    ) -> None:
        self._vectors = vectors
        self._done = done
        self._shelf = shelf
        self._reporter = reporter
        self._is_first = True
        self._pending: deque[_Pending] = deque()
        self._keeping: deque[Future[None]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keep")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Wait for all batches, or where there is an error for what was fetched to be kept."""
        try:
            if kind is None:
                self._fetch(0)
        finally:
            self._thread.shutdown()
        while kind is None and self._keeping:
            self._keeping.popleft().result()

    def add(
        self,
        encoder: Encoder,
        rows: Sequence[int],
        pixels: NDArray[np.uint8],
        known: Sequence[FileDigest | None],
    ) -> None:
        """Embed a batch.

        Args:
            encoder: turns pixels into vectors.
            rows: where its vectors belong.
            pixels: (B, size, size, 3) uint8; they may change once this returns.
            known: under what to keep each vector; None not to keep it.
        """
        # A CPU has computed the batch when `begin` returns: to wait with it would gain nothing.
        on_cpu = encoder.metadata.get("device") == "cpu"
        if isinstance(encoder, PipelinedEncoder) and not on_cpu:
            if self._is_first:
                encoder.expect(int((~self._done).sum()), self._reporter)
                self._is_first = False
            self._pending.append(_Pending(rows, known, encoder.begin(pixels)))
            self._fetch(_LATE)
        else:
            self._keep(rows, known, encoder.encode(pixels))

    def _fetch(self, most: int) -> None:
        """Leave no more than so many batches in the encoder."""
        while len(self._pending) > most:
            rows, known, fetch = self._pending.popleft()
            self._keep(rows, known, fetch())

    def _keep(
        self,
        rows: Sequence[int],
        known: Sequence[FileDigest | None],
        vectors: NDArray[np.float32],
    ) -> None:
        self._vectors[rows], self._done[rows] = vectors, True
        self._keeping.append(self._thread.submit(self._shelf.keep, known, vectors))
        while self._keeping and self._keeping[0].done():
            self._keeping.popleft().result()

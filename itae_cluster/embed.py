"""Files to embeddings: decoding in threads, the encoder in this one, memory bounded.

Pictures are decoded a few batches ahead and given up as soon as they are embedded, so memory
grows with the embeddings only.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from os import cpu_count
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.decode import decode
from itae_cluster.errors import DecodeError, InputError
from itae_cluster.types import Embeddings, Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from itae_cluster.types import Encoder, Picture, Reporter

__all__ = ["Batch", "embed", "read_batches"]

_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures read together, and the files passed over on the way to them."""

    paths: tuple[str, ...]
    pictures: tuple[Picture, ...]
    skipped: tuple[Skipped, ...]

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(B, size, size, 3) uint8 RGB."""
        return np.stack([picture.pixels for picture in self.pictures])


def embed(
    files: Sequence[str],
    encoder: Encoder,
    *,
    batch_size: int,
    reporter: Reporter,
    on_picture: Callable[[int, Picture], None] | None = None,
) -> Embeddings:
    """Embed every file that can be read; name the others.

    Args:
        files: picture paths, in the order the result shall have.
        encoder: turns pixels into vectors.
        batch_size: pictures a forward pass.
        reporter: told of progress and of each skipped file.
        on_picture: called with each picture's row in the result and its pixels, in order.

    Raises:
        InputError: if not one of the files can be read.
    """
    vectors: list[NDArray[np.float32]] = []
    paths: list[str] = []
    skipped: list[Skipped] = []
    for batch in read_batches(files, encoder.size, batch_size=batch_size, reporter=reporter):
        skipped += batch.skipped
        for row, picture in enumerate(batch.pictures, start=len(paths)):
            if on_picture:
                on_picture(row, picture)
        if batch.paths:
            paths += batch.paths
            vectors.append(encoder.encode(batch.pixels))
    return Embeddings(tuple(paths), np.concatenate(vectors), encoder.metadata, tuple(skipped))


def read_batches(
    files: Sequence[str], size: int, *, batch_size: int, reporter: Reporter
) -> Iterator[Batch]:
    """Decode ahead in threads and hand out batches in the order of `files`.

    The last batch may hold no picture, where the last files were skipped.

    Raises:
        InputError: at the end, if not one of the files could be read.
    """
    paths: list[str] = []
    pictures: list[Picture] = []
    skipped: list[Skipped] = []
    reasons: list[Skipped] = []
    for done, (path, outcome) in enumerate(_decoded(files, size, batch_size), start=1):
        if isinstance(outcome, DecodeError):
            skipped.append(Skipped(path, str(outcome)))
            reporter.skip(skipped[-1])
        else:
            paths.append(path)
            pictures.append(outcome)
        if len(paths) == batch_size or done == len(files):
            yield Batch(tuple(paths), tuple(pictures), tuple(skipped))
            reasons += skipped
            paths, pictures, skipped = [], [], []
        reporter.progress("Embedding", done, len(files))
    if len(reasons) == len(files):
        raise InputError(_nothing_readable(reasons))


def _nothing_readable(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return "there is no picture to embed; name files or folders that hold some"
    first = f"the first reason: {skipped[0].reason}"
    return f"none of the {len(skipped)} files can be read as a picture ({first}); check the paths"


def _decoded(
    files: Sequence[str], size: int, batch_size: int
) -> Iterator[tuple[str, Picture | DecodeError]]:
    """Each file with its picture or the reason why there is none, in order, bounded ahead."""
    workers = max(1, min(cpu_count() or 1, 8))
    remaining = iter(files)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:

        def submit(path: str) -> tuple[str, Future[Picture | DecodeError]]:
            return path, pool.submit(_try_decode, path, size)

        try:
            ahead = deque(map(submit, islice(remaining, _BATCHES_AHEAD * batch_size + workers)))
            while ahead:
                path, future = ahead.popleft()
                yield path, future.result()
                ahead.extend(map(submit, islice(remaining, 1)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _try_decode(path: str, size: int) -> Picture | DecodeError:
    try:
        return decode(path, size)
    except DecodeError as error:
        return error

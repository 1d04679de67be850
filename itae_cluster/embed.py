"""Files to embeddings: decoding in threads, the encoder in this one, memory bounded.

Pictures are decoded a few batches ahead and given up as soon as they are embedded, so memory
grows with the embeddings only.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
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

    from itae_cluster.types import Encoder, Picture, Reporter

__all__ = ["embed"]

_BATCHES_AHEAD = 2


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
    vectors: list[np.ndarray] = []
    paths: list[str] = []
    skipped: list[Skipped] = []
    batch: list[Picture] = []
    for done, (path, outcome) in enumerate(_decoded(files, encoder.size, batch_size), start=1):
        if isinstance(outcome, DecodeError):
            skipped.append(Skipped(path, str(outcome)))
            reporter.skip(skipped[-1])
        else:
            if on_picture:
                on_picture(len(paths), outcome)
            paths.append(path)
            batch.append(outcome)
        if len(batch) == batch_size or (batch and done == len(files)):
            vectors.append(encoder.encode(np.stack([picture.pixels for picture in batch])))
            batch.clear()
        reporter.progress("Embedding", done, len(files))
    if not paths:
        raise InputError(_nothing_readable(skipped))
    return Embeddings(tuple(paths), np.concatenate(vectors), encoder.metadata, tuple(skipped))


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

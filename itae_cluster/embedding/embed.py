"""Files to embeddings: decoding beside, the encoder in this thread, memory bounded.

Pictures are decoded a few batches ahead and given up as soon as they are embedded, so memory
grows with the embeddings only. What the cache knows is neither decoded nor embedded again.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from itae_cluster.core.batches import slices
from itae_cluster.core.errors import DecodeError, InputError
from itae_cluster.core.losses import Losses
from itae_cluster.core.text import printable
from itae_cluster.core.types import Embeddings, Skipped
from itae_cluster.embedding.deferred import load_deferred
from itae_cluster.embedding.vector_cache import (
    CachedVector,
    DecodedFile,
    VectorCache,
    fingerprint,
)
from itae_cluster.pictures.colour import BROKEN_PROFILE
from itae_cluster.pictures.decoders import Decoders, decoder_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Encoder, Picture, Reporter

__all__ = ["Batch", "embed_files", "read_batches"]

_BATCHES_AHEAD = 2
_ROWS_MOVED = 4096

T = TypeVar("T")


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


def embed_files(
    files: Sequence[str],
    model: ModelOptions,
    encoder: Encoder,
    *,
    cache: Cache,
    on_picture: Callable[[int, str, Picture], None] | None = None,
    reporter: Reporter,
) -> Embeddings:
    """Embed every file that can be read and is not in the cache; name those that cannot.

    Args:
        files: picture paths, in the order the result shall have.
        model: how many pictures a forward pass, and the largest that is decoded.
        encoder: turns pixels into vectors.
        cache: what is known already, and where each batch is kept as soon as it is embedded.
        on_picture: called with each decoded file's number, its path and its pixels, in order.
        reporter: told of progress and of each skipped file.

    Raises:
        InputError: if not one of the files can be read.
    """
    batch_size = model.batch_on(encoder.metadata.get("device", "cpu"))
    vectors = np.empty((len(files), encoder.dim), dtype=np.float32)
    shelf = VectorCache(cache, encoder.metadata, encoder.dim)
    done = shelf.fill(files, vectors)
    reporter.info(f"{np.count_nonzero(done)} of {len(files)} embeddings were in the cache")
    todo: list[int] = np.flatnonzero(~done).tolist()
    skipped: list[Skipped] = []
    losses = Losses(reporter)
    known = 0  # of those that are looked at here: their time says nothing of that of the others
    damaged: list[Skipped] = []
    batch: dict[int, DecodedFile] = {}  # by row
    reporter.progress("Embedding", 0, len(todo))
    with Decoders(reporter, model.max_pixels) as decoders:
        prepare = partial(_prepare, size=encoder.size, shelf=shelf, decoders=decoders)
        outcomes = _run_in_order([files[row] for row in todo], prepare, _BATCHES_AHEAD * batch_size)
        for count, (row, (path, outcome)) in enumerate(zip(todo, outcomes, strict=True), start=1):
            if isinstance(outcome, DecodeError):
                skipped.append(Skipped(path, str(outcome)))
                losses.skip(skipped[-1])
            elif isinstance(outcome, CachedVector):
                known += 1
                vectors[row], done[row] = outcome.vector, True
            else:
                if outcome.picture.damage is not None:
                    damaged.append(Skipped(path, outcome.picture.damage))
                    reporter.warn(f"{printable(path)} is damaged: {outcome.picture.damage}")
                if on_picture:
                    on_picture(row, path, outcome.picture)
                batch[row] = outcome
            if batch and (len(batch) == batch_size or count == len(todo)):
                expected, encoder = encoder, load_deferred(encoder)
                if fingerprint(encoder.metadata) != fingerprint(expected.metadata):
                    # Another device or precision than at the last run: no vector of that one's
                    # belongs beside those of this one, so nothing so far counts.
                    return embed_files(
                        files,
                        model,
                        encoder,
                        cache=cache,
                        on_picture=on_picture,
                        reporter=reporter,
                    )
                rows = list(batch)
                pixels = np.stack([file.picture.pixels for file in batch.values()])
                vectors[rows], done[rows] = encoder.encode(pixels), True
                shelf.keep([file.known for file in batch.values()], vectors[rows])
                batch.clear()
            reporter.progress("Embedding", count - known, len(todo) - known)
    shelf.close()
    if not done.any():
        raise InputError(losses.why_all(len(files)) or _explain_nothing(skipped))
    losses.tell()
    paths = tuple(path for path, there in zip(files, done, strict=True) if there)
    return Embeddings(
        paths,
        _move_up(vectors, done),
        encoder.metadata,
        skipped=tuple(skipped),
        damaged=tuple(damaged),
    )


def _prepare(
    path: str, *, size: int, shelf: VectorCache, decoders: Decoders
) -> CachedVector | DecodedFile | DecodeError:
    """What a worker does: read the file, and have it decoded unless its content is known."""
    try:
        found = shelf.look_up(path, decoders.digest)
        if isinstance(found, CachedVector):
            return found
        picture = decoders.decode(path, size)
    except DecodeError as error:
        return error
    # What is cut is not kept, so that every run names it.
    lasting = picture.damage in {None, BROKEN_PROFILE}
    return DecodedFile(picture, found if lasting else None)


def _move_up(vectors: NDArray[np.float32], done: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The rows that are done, moved up in place: a copy would double the memory."""
    rows = np.flatnonzero(done)
    if len(rows) < len(vectors):
        for part in slices(len(rows), _ROWS_MOVED):
            vectors[part] = vectors[rows[part]]
    return vectors[: len(rows)]


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
    losses = Losses(reporter)

    with Decoders(reporter) as decoders:
        work = partial(_try_decode, size=size, decoders=decoders)
        outcomes = _run_in_order(files, work, _BATCHES_AHEAD * batch_size)
        for done, (path, outcome) in enumerate(outcomes, start=1):
            if isinstance(outcome, DecodeError):
                skipped.append(Skipped(path, str(outcome)))
                losses.skip(skipped[-1])
            else:
                paths.append(path)
                pictures.append(outcome)
            if len(paths) == batch_size or done == len(files):
                yield Batch(tuple(paths), tuple(pictures), tuple(skipped))
                reasons += skipped
                paths, pictures, skipped = [], [], []
            reporter.progress("Embedding", done, len(files))
    if len(reasons) == len(files):
        raise InputError(losses.why_all(len(files)) or _explain_nothing(reasons))
    losses.tell()


def _explain_nothing(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return "there is no picture to embed; name files or folders that hold some"
    if len(skipped) == 1:
        return f"{printable(skipped[0].path)}: {skipped[0].reason}; it is the only file"
    first = f"the first reason: {skipped[0].reason}"
    return f"none of the {len(skipped)} files can be read as a picture ({first}); check the paths"


def _run_in_order(
    files: Sequence[str], work: Callable[[str], T], ahead: int
) -> Iterator[tuple[str, T]]:
    """Each file with what `work` makes of it, in order, done in threads some files ahead."""
    workers = decoder_count() + 1  # one reads and hashes while the others wait for their decoders
    remaining = iter(files)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:

        def submit(path: str) -> tuple[str, Future[T]]:
            return path, pool.submit(work, path)

        try:
            waiting = deque(map(submit, islice(remaining, ahead + workers)))
            while waiting:
                path, future = waiting.popleft()
                yield path, future.result()
                waiting.extend(map(submit, islice(remaining, 1)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _try_decode(path: str, *, size: int, decoders: Decoders) -> Picture | DecodeError:
    try:
        return decoders.decode(path, size)
    except DecodeError as error:
        return error

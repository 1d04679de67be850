"""Files to embeddings: decoding beside, the encoder in this thread, memory bounded.

Pictures are decoded a few batches ahead and given up as soon as they are embedded, so memory
grows with the embeddings only. What the cache knows is neither decoded nor embedded again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.batches import slices
from itae_cluster.core.errors import DecodeError, InputError
from itae_cluster.core.losses import Losses
from itae_cluster.core.text import printable
from itae_cluster.core.types import Embeddings, Skipped
from itae_cluster.embedding.deferred import load_deferred
from itae_cluster.embedding.encoding_queue import EncodingQueue
from itae_cluster.embedding.reader import Form, Reader
from itae_cluster.embedding.vector_cache import (
    CachedVector,
    DecodedFile,
    VectorCache,
    fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.files import FileDigest
    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Encoder, Picture, Reporter

__all__ = ["Batch", "embed_files", "read_batches"]

_ROWS_MOVED = 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures read together, and the files passed over on the way to them."""

    paths: tuple[str, ...]
    pictures: tuple[Picture, ...]
    pixels: NDArray[np.uint8]  # (B, size, size, 3), RGB, those of the pictures
    skipped: tuple[Skipped, ...]


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
    batch: dict[int, FileDigest | None] = {}  # by row
    reporter.progress("Embedding", 0, len(todo))
    reader = Reader(
        [files[row] for row in todo],
        Form(encoder.size, model.max_pixels, thumbnails=on_picture is not None),
        batch_size,
        reporter,
        shelf,
    )
    with reader, EncodingQueue(vectors, done, shelf, reporter) as queue:
        for count, (row, (path, outcome)) in enumerate(zip(todo, reader, strict=True), start=1):
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
                batch[row] = outcome.known
                # With the first picture, so that others are decoded while it is loaded.
                expected, encoder = encoder, load_deferred(encoder)
                if encoder is not expected and _differ(encoder, expected):
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
            if batch and (len(batch) == batch_size or count == len(todo)):
                queue.add(encoder, list(batch), reader.take(), list(batch.values()))
                reader.free()
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


def _differ(one: Encoder, other: Encoder) -> bool:
    return fingerprint(one.metadata) != fingerprint(other.metadata)


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
    """Decode ahead and hand out batches in the order of `files`.

    The last batch may hold no picture, where the last files were skipped.

    Raises:
        InputError: at the end, if not one of the files could be read.
    """
    paths: list[str] = []
    pictures: list[Picture] = []
    skipped: list[Skipped] = []
    reasons: list[Skipped] = []
    losses = Losses(reporter)

    with Reader(files, Form(size), batch_size, reporter) as reader:
        for done, (path, outcome) in enumerate(reader, start=1):
            if isinstance(outcome, DecodeError):
                skipped.append(Skipped(path, str(outcome)))
                losses.skip(skipped[-1])
            elif isinstance(outcome, DecodedFile):
                paths.append(path)
                pictures.append(outcome.picture)
            if len(paths) == batch_size or done == len(files):
                pixels = reader.take().copy()  # a batch is its owner's
                reader.free()
                own = (
                    replace(each, pixels=part) for each, part in zip(pictures, pixels, strict=True)
                )
                yield Batch(tuple(paths), tuple(own), pixels, tuple(skipped))
                reasons += skipped
                paths, pictures, skipped = [], [], []
            reporter.progress("Embedding", done, len(files))
    if len(reasons) == len(files):
        raise InputError(losses.why_all(len(files)) or _explain_nothing(reasons))
    losses.tell()


def _with_pixels(picture: Picture, pixels: NDArray[np.uint8]) -> Picture:
    return replace(picture, pixels=pixels)


def _explain_nothing(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return "there is no picture to embed; name files or folders that hold some"
    if len(skipped) == 1:
        return f"{printable(skipped[0].path)}: {skipped[0].reason}; it is the only file"
    first = f"the first reason: {skipped[0].reason}"
    return f"none of the {len(skipped)} files can be read as a picture ({first}); check the paths"

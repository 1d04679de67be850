"""Files to pixels, in order, some batches ahead of whoever takes them.

Files go to the decoders a few at a time, and their pixels come back in memory that is shared with
them: a ring of slots, of which the next ones in turn are a batch. So this process copies no pixels,
but for a batch with a gap in it or one that goes over the ring's end.

    paths ─▶ decoder process: read, decode, resize ─▶ slots ─▶ take() ─▶ encoder
                        └─▶ size, damage, digest ─▶ outcomes
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from itae_cluster.core.batches import batches
from itae_cluster.core.errors import DecodeError
from itae_cluster.core.options import MAX_PIXELS
from itae_cluster.embedding.vector_cache import CachedVector, DecodedFile
from itae_cluster.pictures.colour import BROKEN_PROFILE
from itae_cluster.pictures.decoders import EACH_AHEAD, MOST_AT_ONCE, Decoders, decoder_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from typing import Self

    from numpy.typing import NDArray

    from itae_cluster.core.files import FileDigest
    from itae_cluster.core.types import Picture, Reporter
    from itae_cluster.embedding.vector_cache import VectorCache

__all__ = ["Form", "Outcome", "Reader"]

_PARTS = 8  # of a batch: so many decoders have a share in the first one
_BATCHES_AHEAD = 2

_NOWHERE = -1  # the slot of what has no pixels
_SETTLED = (CachedVector, DecodeError)

Outcome: TypeAlias = DecodedFile | CachedVector | DecodeError
"""A picture, or the vector of its content, or why there is neither."""


@dataclass(frozen=True, slots=True)
class Form:
    """What is made of a file.

    `size` is the side of its pixels · a picture of more than `max_pixels` is not decoded ·
    `thumbnails` says whether it has one.
    """

    size: int
    max_pixels: int = MAX_PIXELS
    thumbnails: bool = False


class Reader:
    """A context manager around decoders that work on some files.

    Args:
        files: paths.
        form: what is made of each.
        batch_size: how many pictures are taken at once, at most.
        reporter: told what decoders have to tell.
        shelf: the vectors of known contents; None to decode every file.
    """

    def __init__(
        self,
        files: Sequence[str],
        form: Form,
        batch_size: int,
        reporter: Reporter,
        shelf: VectorCache | None = None,
    ) -> None:
        self._form = form
        workers = max(1, min(decoder_count(), len(files)))
        self._few = max(1, min(MOST_AT_ONCE, batch_size // _PARTS, len(files) // workers))
        ahead = max(_BATCHES_AHEAD * batch_size, EACH_AHEAD * workers * self._few)
        most = min(batch_size + ahead, len(files))
        self._capacity = -(-most // self._few) * self._few  # so nothing in one go is split
        self._batch_size = batch_size
        self._files = batches(files, self._few)
        self._shelf = shelf
        room = (self._capacity, form.size) if files else None
        self._decoders = Decoders(reporter, form.max_pixels, processes=workers, room=room)
        self._threads = ThreadPoolExecutor(EACH_AHEAD * workers, thread_name_prefix="decode")
        self._waiting: deque[tuple[Sequence[str], Future[list[tuple[Outcome, int]]]]] = deque()
        self._begun = self._passed = self._free = 0  # slots, counted on where the ring begins anew
        self._held: list[int] = []  # slots of pictures that have passed and may still be taken
        self._aside: NDArray[np.uint8] | None = None  # and such as were before them

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """End the decoders at once."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._decoders.__exit__(*error)

    def __iter__(self) -> Iterator[tuple[str, Outcome]]:
        """Each file and its outcome, in order; the pixels of a picture are good until the next."""
        self._begin_what_fits()
        while self._waiting:
            paths, future = self._waiting.popleft()
            for path, (outcome, slot) in zip(paths, future.result(), strict=True):
                if isinstance(outcome, DecodedFile):
                    self._held.append(slot)
                self._passed += 1
                yield path, outcome
            if self._passed - self._free > self._batch_size:
                self._set_aside()
            self._begin_what_fits()

    def take(self) -> NDArray[np.uint8]:
        """(B, size, size, 3) uint8: the pictures that passed since `free`; good until then."""
        ring, held = self._decoders.slots, self._held
        first = held[0] if held else 0
        if self._aside is None and held == [*range(first, first + len(held))]:
            return ring[first : first + len(held)]
        return ring[held] if self._aside is None else np.concatenate([self._aside, ring[held]])

    def free(self) -> None:
        """Give the slots of all that has passed to others."""
        self._held = []
        self._aside = None
        self._free = self._passed

    def _set_aside(self) -> None:
        """Copy what waits for its batch: many files without pixels after it must not be held up."""
        pixels = self.take().copy()
        self.free()
        self._aside = pixels if len(pixels) else None

    def _begin_what_fits(self) -> None:
        while self._begun + self._few <= self._free + self._capacity:
            paths = next(self._files, None)
            if paths is None:
                return
            first = self._begun % self._capacity
            self._waiting.append((paths, self._threads.submit(self._read, paths, first)))
            self._begun += len(paths)

    def _read(self, paths: Sequence[str], first: int) -> list[tuple[Outcome, int]]:
        """What a thread does: have the files read, and those decoded whose content is not known."""
        known: Sequence[CachedVector | FileDigest | DecodeError | None] = [None] * len(paths)
        if self._shelf is not None:
            known = self._shelf.look_up(paths, partial(self._decoders.digest_each, first=first))
        new = [
            path for path, item in zip(paths, known, strict=True) if not isinstance(item, _SETTLED)
        ]
        found = self._decoders.decode_each(new, first, thumbnails=self._form.thumbnails)
        pictures = enumerate(found, first)
        outcomes: list[tuple[Outcome, int]] = []
        for item in known:
            if isinstance(item, _SETTLED):
                outcomes.append((item, _NOWHERE))
            else:
                slot, picture = next(pictures)
                outcomes.append((_describe(picture, item), slot))
        return outcomes


def _describe(found: Picture | Exception, known: FileDigest | None) -> DecodedFile | DecodeError:
    if isinstance(found, DecodeError):
        return found
    if isinstance(found, Exception):
        raise found
    # What is cut is not kept, so that every run names it.
    lasting = found.damage in {None, BROKEN_PROFILE}
    return DecodedFile(found, known if lasting else None)

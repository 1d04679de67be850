"""Small JPEGs for the preview, kept while pictures pass by, so that few are decoded twice.

They lie in a temporary file: fifty thousand would take a quarter of a gigabyte of memory.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING

from itae_cluster.core.batches import batches
from itae_cluster.core.text import printable
from itae_cluster.pictures.decode import (
    PREPROCESSING,
    THUMBNAIL_SIDE,
    read_thumbnail,
    thumbnail,
)
from itae_cluster.pictures.decoders import Decoders

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Picture, Reporter

__all__ = ["ByRow", "ThumbnailFile", "Thumbnails", "complete_thumbnails", "store_thumbnails"]

_MOST = 100_000  # twice what a page shows, so that half of them are enough for it
_MOST_READ = 5_000  # files that are decoded once more, for want of a thumbnail
_AT_ONCE = 500


class ThumbnailFile(Mapping[str, bytes]):
    """JPEG bytes by path, written to a temporary file without a name; threads may share it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - read for as long as this lives
        weakref.finalize(self, self._file.close)
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        self._lock = threading.Lock()  # a seek and what follows it are one step

    def __getitem__(self, path: str) -> bytes:
        start, length = self._places[path]
        with self._lock:
            self._file.seek(start)
            return self._file.read(length)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, path: str, jpeg: bytes) -> None:
        """Keep the JPEG bytes of a picture."""
        with self._lock:
            self._file.seek(self._end)
            self._file.write(jpeg)
            self._places[path] = (self._end, len(jpeg))
            self._end += len(jpeg)

    def keep_only(self, paths: set[str]) -> None:
        """Forget the others; their room in the file is not used again."""
        self._places = {path: place for path, place in self._places.items() if path in paths}


class Thumbnails:
    """Collects every thumbnail; past the limit those of every second file, then every fourth, …."""

    def __init__(self, most: int = _MOST) -> None:
        self.kept = ThumbnailFile()
        self._numbers: dict[str, int] = {}
        self._most = most
        self._stride = 1

    def keep(self, number: int, path: str, picture: Picture) -> None:
        """Called with rising file numbers, though not with every one."""
        if number % self._stride == 0 and len(self.kept) >= self._most:
            self._stride *= 2
            self._numbers = {p: n for p, n in self._numbers.items() if n % self._stride == 0}
            self.kept.keep_only(set(self._numbers))
        if number % self._stride == 0:
            self._numbers[path] = number
            self.kept.add(path, thumbnail(picture, THUMBNAIL_SIDE))


class ByRow(Mapping[int, bytes]):
    """JPEG bytes by row in place of path, read when they are looked at."""

    def __init__(self, jpegs: Mapping[str, bytes], paths: Sequence[str]) -> None:
        self._jpegs = jpegs
        self._paths = {row: path for row, path in enumerate(paths) if path in jpegs}

    def __getitem__(self, row: int) -> bytes:
        return self._jpegs[self._paths[row]]

    def __iter__(self) -> Iterator[int]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def store_thumbnails(jpegs: Mapping[str, bytes], cache: Cache) -> None:
    """Keep JPEG bytes by path in the cache, for previews that are drawn later."""
    for part in batches(list(jpegs), _AT_ONCE):
        cache.store_thumbnails({path: jpegs[path] for path in part}, PREPROCESSING)


def complete_thumbnails(
    kept: Mapping[str, bytes],
    chosen: Mapping[int, Sequence[int]],
    paths: Sequence[str],
    run: Run,
) -> Mapping[int, bytes]:
    """The thumbnails of the preview: those kept, those known, and some that are read for it.

    Args:
        kept: JPEG bytes by path.
        chosen: rows of each cluster's representatives, which are read in any case.
        paths: the files, read where a thumbnail is missing.
        run: its cache is looked into before a file is read, and given what is new; it is warned of
            each file that cannot be read, which has no thumbnail then.

    Returns:
        JPEG bytes by row.
    """
    jpegs = ThumbnailFile()
    for part in batches(paths, _AT_ONCE):
        known = {path: kept[path] for path in part if path in kept}
        run.cache.store_thumbnails(known, PREPROCESSING)
        missing = [path for path in part if path not in known]
        known |= run.cache.thumbnails(missing, PREPROCESSING)
        for path, jpeg in known.items():
            jpegs.add(path, jpeg)
    with Decoders(run.reporter) as decoders:
        for part in batches(_to_read(chosen, paths, jpegs), _AT_ONCE):
            fresh = _read(part, decoders, run.reporter)
            run.cache.store_thumbnails(fresh, PREPROCESSING)
            for path, jpeg in fresh.items():
                jpegs.add(path, jpeg)
    return ByRow(jpegs, paths)


def _to_read(
    chosen: Mapping[int, Sequence[int]], paths: Sequence[str], known: Mapping[str, bytes]
) -> list[str]:
    """Representatives, and of the others as many as are soon read, evenly spread."""
    missing = [path for path in paths if path not in known]
    wanted = {paths[row] for rows in chosen.values() for row in rows} - known.keys()
    wanted |= set(missing[:: max(1, -(-len(missing) // _MOST_READ))])
    return sorted(wanted)


def _read(paths: Sequence[str], decoders: Decoders, reporter: Reporter) -> dict[str, bytes]:
    """JPEG bytes by path, of those that can be read."""
    found = {}
    for path, jpeg in zip(paths, decoders.map(read_thumbnail, paths, THUMBNAIL_SIDE), strict=True):
        if isinstance(jpeg, bytes):
            found[path] = jpeg
        else:
            reporter.warn(f"{printable(path)} has no thumbnail in the preview: {jpeg}")
    return found

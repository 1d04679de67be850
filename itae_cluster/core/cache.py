"""What earlier runs found out, kept in one SQLite file: embeddings, thumbnails, maps.

A vector is found by the SHA-256 of the picture's content and by its recipe, the fingerprint of all
that shapes a vector (`docs/cache.md`), so renamed and moved files keep theirs. Paths with size and
time of change are kept too, and spare reading a file whose content is known.

A cache may fail, a run must not because of it: whatever goes wrong here is told once, and from then
on nothing is found and nothing kept.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from itae_cluster.core import cache_tables, cache_upkeep
from itae_cluster.core.cache_file import CacheFile
from itae_cluster.core.cache_upkeep import CacheInfo
from itae_cluster.core.files import cache_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.files import FileDigest
    from itae_cluster.core.options import CacheOptions
    from itae_cluster.core.types import Reporter

__all__ = ["FILE", "MAX_BYTES", "Cache", "CacheInfo", "file_in", "open_cache"]

FILE = "embeddings.sqlite"
MAX_BYTES = 4_000_000_000
"""Size at which the vectors that were not used for longest are dropped."""


def open_cache(options: CacheOptions | None, reporter: Reporter) -> Cache:
    """The cache that is asked for; one that keeps nothing where `options` is None or off."""
    if options is None or options.off:
        return Cache(None, reporter)
    return Cache(file_in(options.folder), reporter)


def file_in(folder: str | None) -> str:
    """The cache's file in `folder`; in $ITAE_CLUSTER_CACHE or the platform's cache by default."""
    return os.path.join(folder or cache_root(), FILE)


class Cache:
    """A context manager around one cache file; safe to share among threads and processes.

    Args:
        path: the file, made where it is missing; None for a cache that holds and keeps nothing.
        reporter: told once if the cache cannot be used, and why.
        max_bytes: what the file is pruned to when the cache is closed.
    """

    def __init__(self, path: str | None, reporter: Reporter, max_bytes: int = MAX_BYTES) -> None:
        self._file = CacheFile(path, reporter)
        self._max_bytes = max_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.prune(self._max_bytes)
        self.close()

    def close(self) -> None:
        """Let go of the file, without pruning; nothing is found or kept from then on."""
        self._file.close()

    @property
    def is_open(self) -> bool:
        """Whether anything can be found or kept."""
        return self._file.is_open

    def digests(self, paths: Sequence[str]) -> list[bytes | None]:
        """SHA-256 of each file's content, unread: None where it is new or has changed."""
        return self._file.ask([None] * len(paths), cache_tables.find_digests, paths)

    def remember(self, read: Sequence[FileDigest]) -> None:
        """Keep the digests of files, but of such as may still change within their time stamp."""
        self._file.ask(None, cache_tables.store_digests, read)

    def recipe(self, fingerprint: Mapping[str, Any]) -> int:
        """The number of a recipe: equal for equal fingerprints only."""
        return self._file.ask(0, cache_tables.number_recipe, fingerprint)

    def fill(
        self, recipe: int, digests: Sequence[bytes | None], out: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Put the vectors that are known into their rows.

        Args:
            recipe: what they must have been made by.
            digests: n contents; None is never found.
            out: (n, D), written where a vector is found.

        Returns:
            (n,) which rows were found.
        """
        none = np.zeros(len(digests), dtype=np.bool_)
        return self._file.ask(none, cache_tables.fill_vectors, recipe, digests, out)

    def store(self, recipe: int, digests: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Keep vectors, (n, D) float32, for good once this returns."""
        self._file.ask(None, cache_tables.store_vectors, recipe, digests, vectors)

    def thumbnails(self, paths: Sequence[str], version: int) -> dict[str, bytes]:
        """JPEGs of the files, by path, as far as they are known and the files unchanged.

        Args:
            paths: the files.
            version: of the way pictures are read; what was made in another way is not found.
        """
        return self._file.ask({}, cache_tables.find_thumbnails, paths, version)

    def store_thumbnails(self, jpegs: Mapping[str, bytes], version: int) -> None:
        """Keep JPEGs by path, of files whose content is known."""
        self._file.ask(None, cache_tables.store_thumbnails, jpegs, version)

    def coordinates(self, key: str, dim: int = 2) -> NDArray[np.float32] | None:
        """The map or reduction (n, dim) kept under `key`, None where there is none."""
        return self._file.ask(None, cache_tables.find_coordinates, key, dim)

    def store_coordinates(self, key: str, coordinates: NDArray[np.float32]) -> None:
        """Keep a map or another reduction, (n, any)."""
        self._file.ask(None, cache_tables.store_coordinates, key, coordinates)

    def note(self, key: Mapping[str, Any]) -> Any:
        """What was noted under `key`, None where nothing was."""
        return self._file.ask(None, cache_tables.find_note, key)

    def store_note(self, key: Mapping[str, Any], value: Any) -> None:
        """Note what took time to find out: any JSON value but null."""
        self._file.ask(None, cache_tables.store_note, key, value)

    def info(self) -> CacheInfo:
        """What is in it; all zeros where it cannot be used."""
        path = self._file.path or ""
        return self._file.ask(CacheInfo(path=path), cache_upkeep.describe, path)

    def prune(self, max_bytes: int) -> int:
        """Drop what was not used for longest until the file is no larger; how many vectors."""
        return self._file.ask(0, cache_upkeep.prune, max_bytes)

"""The part of the cache that belongs to one encoder: its vectors, by the content of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.errors import DecodeError
from itae_cluster.core.files import FileDigest, is_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.types import Picture

__all__ = ["CachedVector", "DecodedFile", "VectorCache", "fingerprint"]

_REMEMBERED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class CachedVector:
    """A file whose content the cache knows: `vector` (D,) float32."""

    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DecodedFile:
    """A decoded file; `known` is None where its vector cannot be kept."""

    picture: Picture
    known: FileDigest | None


def fingerprint(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """All that shapes a vector, from an encoder's metadata; None where its weights are unknown."""
    if not metadata.get("weights_sha256"):
        return None
    kept = ("weights_sha256", "theta", "size", "precision", "dim", "preprocessing")
    return {key: metadata[key] for key in kept}


class VectorCache:
    """Vectors of one recipe.

    Args:
        cache: where they are kept.
        metadata: the encoder's.
        dim: D, the length of a vector.
    """

    def __init__(self, cache: Cache, metadata: Mapping[str, Any], dim: int) -> None:
        recipe = fingerprint(metadata)
        self._cache = cache
        self._dim = dim
        self._used = recipe is not None and cache.is_open
        self._recipe = cache.recipe(recipe) if recipe is not None else 0
        self._seen: list[FileDigest] = []

    def fill(self, files: Sequence[str], out: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Put the vectors of unchanged files into their rows of `out` (n, D); which: (n,)."""
        if not self._used:
            return np.zeros(len(files), dtype=np.bool_)
        return self._cache.fill(self._recipe, self._cache.digests(files), out)

    def fill_contents(
        self, digests: Sequence[bytes], out: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """As `fill`, for contents (SHA-256) in place of files."""
        if not self._used:
            return np.zeros(len(digests), dtype=np.bool_)
        return self._cache.fill(self._recipe, digests, out)

    def look_up(
        self,
        paths: Sequence[str],
        read: Callable[[Sequence[str]], Sequence[FileDigest | Exception]],
    ) -> list[CachedVector | FileDigest | DecodeError | None]:
        """Read the files: of each its vector where its content is known, else its digest.

        None where nothing can be kept; decoding will say why a file cannot be read. `read` is what
        reads them, as `read_digest` does; a `DecodeError` of its is the file's.
        """
        if not self._used:
            return [None] * len(paths)
        read_now = read(paths)
        digests = [item.digest if isinstance(item, FileDigest) else None for item in read_now]
        vectors = np.empty((len(paths), self._dim), dtype=np.float32)
        found = self._cache.fill(self._recipe, digests, vectors)
        results: list[CachedVector | FileDigest | DecodeError | None] = []
        for row, item in enumerate(read_now):
            if isinstance(item, FileDigest) and found[row]:
                self._remember([item])
                results.append(CachedVector(vectors[row]))
            else:
                results.append(item if isinstance(item, (FileDigest, DecodeError)) else None)
        return results

    def keep(self, known: Sequence[FileDigest | None], vectors: NDArray[np.float32]) -> None:
        """Keep the vectors (B, D) of files that have not changed since they were read."""
        kept = {
            row: item
            for row, item in enumerate(known)
            if item is not None and is_unchanged(item.path, item.size, item.mtime_ns)
        }
        if kept:
            digests = [item.digest for item in kept.values()]
            self._cache.store(self._recipe, digests, vectors[list(kept)])
            self._remember(list(kept.values()))

    def close(self) -> None:
        """Keep what is not kept yet."""
        seen, self._seen = self._seen, []  # in one step: threads may add to it meanwhile
        self._cache.remember(seen)

    def _remember(self, known: Sequence[FileDigest]) -> None:
        self._seen += known
        if len(self._seen) >= _REMEMBERED_AT_ONCE:
            self.close()

"""Small JPEGs for the preview, kept while pictures pass by, so that few are decoded twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itae_cluster.decode import read_thumbnail, thumbnail
from itae_cluster.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.cache import Cache
    from itae_cluster.types import Picture

__all__ = ["Thumbnails", "completed"]

_SIDE = 112
_MOST = 5_000  # about 25 MB of preview.html


class Thumbnails:
    """Collects every thumbnail; past the limit those of every second file, then every fourth, …."""

    def __init__(self, most: int = _MOST) -> None:
        self._kept: dict[int, tuple[str, bytes]] = {}
        self._most = most
        self._stride = 1

    @property
    def kept(self) -> dict[str, bytes]:
        """JPEG bytes by path."""
        return dict(self._kept.values())

    def keep(self, number: int, path: str, picture: Picture) -> None:
        """Called with rising file numbers, though not with every one."""
        if number % self._stride == 0 and len(self._kept) >= self._most:
            self._stride *= 2
            self._kept = {n: item for n, item in self._kept.items() if n % self._stride == 0}
        if number % self._stride == 0:
            self._kept[number] = (path, thumbnail(picture, _SIDE))


def completed(
    kept: Mapping[str, bytes],
    chosen: Mapping[int, Sequence[int]],
    paths: Sequence[str],
    cache: Cache,
) -> dict[int, bytes]:
    """The thumbnails of the preview: those kept, the representatives', and enough of the others.

    Args:
        kept: JPEG bytes by path.
        chosen: rows of each cluster's representatives.
        paths: the files, read where a thumbnail is missing; one that cannot be read has none.
        cache: looked into before a file is read, and given what is new.

    Returns:
        JPEG bytes by row.
    """
    wanted = {row for rows in chosen.values() for row in rows}
    wanted |= {row for row, path in enumerate(paths) if path in kept}
    if len(wanted) < min(len(paths), _MOST) // 2:  # the pictures came from the cache
        wanted |= set(range(0, len(paths), -(-len(paths) // _MOST)))
    jpegs = dict(kept)
    jpegs |= cache.thumbnails([paths[row] for row in sorted(wanted) if paths[row] not in jpegs])
    fresh = dict(kept)
    for path in sorted({paths[row] for row in wanted} - jpegs.keys()):
        try:
            fresh[path] = read_thumbnail(path, _SIDE)
        except DecodeError:
            continue
    cache.store_thumbnails(fresh)
    jpegs |= fresh
    return {row: jpegs[paths[row]] for row in sorted(wanted) if paths[row] in jpegs}

"""Small JPEGs for the preview, kept while pictures pass by, so that none is decoded twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itae_cluster.decode import read_thumbnail, thumbnail
from itae_cluster.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.types import Picture

__all__ = ["Thumbnails", "completed"]

_SIDE = 112
_MOST = 5_000  # about 25 MB of preview.html


class Thumbnails:
    """Collects every thumbnail; past the limit every second one, then every fourth, …."""

    def __init__(self, most: int = _MOST) -> None:
        self.kept: dict[int, bytes] = {}
        self._most = most
        self._stride = 1

    def keep(self, row: int, picture: Picture) -> None:
        """Called for rows 0, 1, 2, … in order."""
        if row % self._stride == 0 and len(self.kept) >= self._most:
            self._stride *= 2
            self.kept = {r: jpeg for r, jpeg in self.kept.items() if r % self._stride == 0}
        if row % self._stride == 0:
            self.kept[row] = thumbnail(picture, _SIDE)


def completed(
    kept: Mapping[int, bytes], chosen: Mapping[int, Sequence[int]], paths: Sequence[str]
) -> dict[int, bytes]:
    """Add the representatives' thumbnails, and, where none was kept, those of other pictures.

    Args:
        kept: JPEG bytes by row.
        chosen: rows of each cluster's representatives.
        paths: the files, read where a thumbnail is missing; one that cannot be read has none.
    """
    result = dict(kept)
    wanted = {row for rows in chosen.values() for row in rows}
    if not kept:
        wanted |= set(range(0, len(paths), -(-len(paths) // _MOST)))
    for row in sorted(wanted - result.keys()):
        try:
            result[row] = read_thumbnail(paths[row], _SIDE)
        except DecodeError:
            continue
    return result

"""Thumbnails on a few large sheets, as a graphics card takes them.

A page that zooms in needs the thumbnails of one neighbourhood: tiles lie in the order of clusters
and, within a cluster, of places on the map, so that a neighbourhood is on few sheets.
"""

from __future__ import annotations

import functools
import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.batches import batches
from itae_cluster.drawing.layout import to_unit_square
from itae_cluster.preview.groups import read_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from itae_cluster.preview.data import PreviewData

__all__ = ["SHEET", "Atlas", "Tile", "make_atlas", "tile_side"]

SHEET = 2048  # px; every graphics card takes a texture of this size
_QUALITY = 72
_METHOD = 2  # half the time of 4, for a file 3 % larger
_SIDES = ((1_500, 112), (6_000, 88), (20_000, 64))  # tiles of that many pictures at most, in px
_SMALLEST_SIDE = 48


@dataclass(frozen=True, slots=True)
class Tile:
    """A thumbnail's place: the number of its sheet, and pixels on it."""

    sheet: int
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Atlas:
    """`tiles` by picture index, those that have one · `sheets` WebP."""

    tiles: dict[int, Tile]
    sheets: tuple[bytes, ...]

    def join(self, other: Atlas, shift: int = 0) -> Atlas:
        """With the sheets of another, whose rows come `shift` later."""
        later = {
            row + shift: replace(tile, sheet=tile.sheet + len(self.sheets))
            for row, tile in other.tiles.items()
        }
        return Atlas(self.tiles | later, self.sheets + other.sheets)


def tile_side(pictures: int) -> int:
    """The longest side of a thumbnail in pixels: the more pictures, the smaller the tiles."""
    return next((side for most, side in _SIDES if pictures <= most), _SMALLEST_SIDE)


def make_atlas(data: PreviewData) -> Atlas:
    """Every readable thumbnail once, in its own proportions."""
    side = tile_side(len(data.thumbnails))
    across = SHEET // side

    def drawn(part: Sequence[int]) -> Atlas:
        images = [(row, image) for row in part if (image := _image(data, row, side))]
        return _draw_sheet(images, side, across) if images else Atlas({}, ())

    parts = batches(_order(data), across * across)
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # Pillow works without Python's lock
        return functools.reduce(Atlas.join, threads.map(drawn, parts), Atlas({}, ()))


def _order(data: PreviewData) -> list[int]:
    rows = np.array(sorted(data.thumbnails), dtype=np.intp)
    along = _along_z_curve(to_unit_square(data.coordinates)[rows])
    return [int(row) for row in rows[np.lexsort((along, data.labels[rows]))]]


def _along_z_curve(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Morton codes of places in [0, 1]²: near in the code is near on the map, mostly."""
    cells = np.clip(places * 1023, 0, 1023).astype(np.int64)
    codes = np.zeros(len(cells), dtype=np.int64)
    for bit in range(10):
        codes |= (cells[:, 0] >> bit & 1) << 2 * bit | (cells[:, 1] >> bit & 1) << 2 * bit + 1
    return codes


def _image(data: PreviewData, row: int, side: int) -> Image.Image | None:
    image = read_image(data.thumbnails[row])
    if image is not None and max(image.size) > side:
        image.thumbnail((side, side))
    return image


def _draw_sheet(images: Sequence[tuple[int, Image.Image]], side: int, across: int) -> Atlas:
    """Tiles without their outermost pixels, which WebP mixes with those of the tile beside."""
    from PIL import Image

    width, height = side * min(across, len(images)), side * -(-len(images) // across)
    sheet = Image.new("RGB", (width, height), "#808080")
    tiles = {}
    for slot, (row, image) in enumerate(images):
        left, top = slot % across * side, slot // across * side
        sheet.paste(image, (left, top))
        inner = max(1, image.width - 2), max(1, image.height - 2)
        tiles[row] = Tile(0, left + 1, top + 1, *inner)
    stream = io.BytesIO()
    sheet.save(stream, "WEBP", quality=_QUALITY, method=_METHOD)
    return Atlas(tiles, (stream.getvalue(),))

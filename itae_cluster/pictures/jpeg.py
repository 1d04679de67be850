"""Damaged JPEGs: those that end too early, and those with stray bytes between their segments."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from itae_cluster.core.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["clean", "load_cut"]

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN = 0xDA
_BEFORE_START = 1024  # stray bytes that may stand before the first marker
# Markers that begin a segment; others (padding, restarts, a second start) are stray between them.
_SEGMENTS = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE}) - {0xC8}
_FILLER = bytes(np.random.default_rng(0).integers(0, 255, 4096, dtype=np.uint8))  # holds no 0xFF
_MISSING = 128  # level of all channels where libjpeg has nothing to decode
_MOST = 0.5  # share of the rows that makes a cut picture worth reading
_CHANGED = 2  # levels


def clean(data: bytes) -> bytes | None:
    """The same JPEG without what stands between its segments; None if there is no JPEG."""
    start = data[: _BEFORE_START + 2].find(_START)
    if start < 0 or (start > 0 and data[start + 2 : start + 3] != b"\xff"):
        return None
    kept, place = [_START], start + 2
    while (place := data.find(b"\xff", place)) >= 0:
        marker = data[place + 1 : place + 4]
        length = int.from_bytes(marker[1:], "big")
        end = place + 2 + length
        if len(marker) < 3 or marker[0] not in _SEGMENTS or length < 2 or end > len(data):
            place += 1
            continue
        if marker[0] == _SCAN:
            return b"".join([*kept, data[place:]])
        kept.append(data[place:end])
        place = end
    return None


def load_cut(data: bytes, draft: Callable[[Image.Image], object]) -> tuple[Image.Image, str | None]:
    """The picture in a JPEG that ends before its end marker, and what is wrong with it.

    Nothing is wrong where the marker alone is missing: then whatever follows the data in its place
    changes no pixel. Pillow's own switch for truncated files holds for the whole process and tells
    nothing, so the end is put in place instead.

    Args:
        data: The file.
        draft: Tells it what it may be reduced to while it is decoded.

    Raises:
        DecodeError: Less than half of it is there.
    """
    data = data.removesuffix(b"\xff")  # half a marker
    image = _load(data + _END, draft)
    shown = np.asarray(image)
    other = np.asarray(_load(data + _FILLER + _END, draft))
    if int(np.abs(shown.astype(np.int16) - other).max(initial=0)) <= _CHANGED:
        return image, None
    share = _rows_there(shown) / len(shown)
    if share < _MOST:
        raise DecodeError(f"truncated (no more than {share:.0%} of the picture is there)")
    if share == 1:
        return image, "the file ends too early; details of the picture are missing"
    return image, f"the file ends too early; {share:.0%} of the picture is there"


def _load(data: bytes, draft: Callable[[Image.Image], object]) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    draft(image)
    image.load()
    return image


def _rows_there(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
    """How many rows from the top reach down to the last that was decoded at all."""
    rows = np.flatnonzero((pixels != _MISSING).reshape(len(pixels), -1).any(axis=1))
    return int(rows[-1]) + 1 if len(rows) else 0

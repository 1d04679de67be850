"""One picture file → model-sized pixels, or a short reason why not.

Preprocessing of the paper (arXiv:2410.04801, section 4): the picture is resized to size × size,
its aspect ratio squashed. Decoding runs in processes of its own (`isolated`).
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from itae_cluster.core.errors import DecodeError
from itae_cluster.core.options import MAX_PIXELS
from itae_cluster.core.text import printable
from itae_cluster.core.types import Picture
from itae_cluster.pictures.colour import BROKEN_PROFILE, has_broken_profile, profile_of
from itae_cluster.pictures.flatten import flatten, orientation
from itae_cluster.pictures.formats import contain_warnings, limit_pixels, too_large
from itae_cluster.pictures.frames import seek_shown_frame
from itae_cluster.pictures.opening import load, open_image

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PREPROCESSING", "THUMBNAIL_SIDE", "decode", "read_size", "read_thumbnail", "thumbnail"]

PREPROCESSING = 3
"""Counts the changes to `decode` that change pixels: vectors of another count are not reused."""
THUMBNAIL_SIDE = 112
"""Of the thumbnails that `decode` makes on the way."""
_SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that swap width and height
_DRAFT_RATIO = 1.5  # embeddings of pictures reduced to this have cosine 0.9998 to those of the full
_THUMBNAIL_QUALITY = 85
_THUMBNAIL_MIN_SIDE = 8
_LONGEST_REASON = 120


def decode(
    path: str, size: int, max_pixels: int = MAX_PIXELS, with_thumbnail: bool = False
) -> Picture:
    """Read a picture file: upright, opaque, in sRGB, squashed to size × size.

    A JPEG of which both sides are three times `size` or more is decoded at a half, a quarter or an
    eighth of its size, which is several times faster (`docs/performance.md`).

    Args:
        path: The file, of any format of `pictures.formats`; its suffix does not matter.
        size: Side of the result in pixels.
        max_pixels: A picture that declares more is refused before anything is decoded.
        with_thumbnail: Whether to make one of it, too, which takes about as long as to decode a
            small picture.

    Returns:
        Pixels (size, size, 3) uint8 sRGB, C-contiguous, the upright size the picture had, and
        what is wrong with a damaged file that can still be read.

    Raises:
        DecodeError: The file cannot be read as a picture; the message is the reason.
    """
    with _open_picture(path, max_pixels) as source:
        shown, damage = source.show(_draft_side(size))
        width, height = source.size
        resized = shown.resize((size, size), Image.Resampling.BICUBIC)
        pixels = np.array(resized, dtype=np.uint8, order="C")
        picture = Picture(pixels, width, height, damage)
        if not with_thumbnail:
            return picture
        return replace(picture, thumbnail=thumbnail(picture, THUMBNAIL_SIDE))


def _draft_side(size: int) -> int:
    """The least that a large JPEG is reduced to while it is decoded, per side (DCT scaling)."""
    return math.ceil(_DRAFT_RATIO * size)


def read_thumbnail(path: str, side: int) -> bytes:
    """A JPEG of the picture in the file, its longest side `side` pixels.

    Raises:
        DecodeError: The file cannot be read as a picture; the message is the reason.
    """
    with _open_picture(path, MAX_PIXELS) as source:
        # Twice the size wanted: JPEG files then decode several times faster at no visible cost.
        upright, _ = source.show(2 * side)
        return _jpeg(upright, upright.width, upright.height, side)


def read_size(path: str) -> tuple[int, int]:
    """Width and height of the picture in the file, upright, in pixels; only its head is read.

    Raises:
        DecodeError: The file cannot be read as a picture; the message is the reason.
    """
    with _open_picture(path, MAX_PIXELS) as source:
        return source.size


def thumbnail(picture: Picture, side: int) -> bytes:
    """A JPEG of the picture in its own aspect ratio, its longest side `side` pixels."""
    if picture.thumbnail is not None and side == THUMBNAIL_SIDE:
        return picture.thumbnail
    return _jpeg(Image.fromarray(picture.pixels), picture.width, picture.height, side)


def _jpeg(image: Image.Image, width: int, height: int, side: int) -> bytes:
    longest = max(width, height)
    shortest_allowed = min(_THUMBNAIL_MIN_SIDE, side)
    size = [max(shortest_allowed, round(side * edge / longest)) for edge in (width, height)]
    small = image.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_THUMBNAIL_QUALITY)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class _Source:
    """An opened picture that is not loaded yet, and the file it comes from."""

    image: Image.Image
    file: BinaryIO
    size: tuple[int, int]  # upright

    def show(self, side: int) -> tuple[Image.Image, str | None]:
        """The picture as one looks at it, reduced to no less than `side`, and its damage."""

        def draft(image: Image.Image) -> None:
            image.draft(None, (side, side))

        image, damage = load(self.image, self.file, draft)
        seek_shown_frame(image)
        if damage is None and has_broken_profile(profile_of(image)):
            damage = BROKEN_PROFILE
        return flatten(image), damage


@contextlib.contextmanager
def _open_picture(path: str, max_pixels: int) -> Iterator[_Source]:
    """The file as a picture; every failure inside is a `DecodeError`."""
    try:
        _check_file(path)
        with (
            contain_warnings(),
            limit_pixels(max_pixels),
            open(path, "rb") as file,
            open_image(file, max_pixels) as image,
        ):
            width, height = image.size
            if width * height > max_pixels:
                raise DecodeError(too_large(width, height, max_pixels))
            turned = orientation(image) in _SIDEWAYS
            yield _Source(image, file, (height, width) if turned else (width, height))
    except DecodeError:
        raise
    except Image.DecompressionBombError as error:
        limit = f"{max_pixels / 1e6:g} megapixels"
        raise DecodeError(f"more than {limit}; see --max-pixels") from error
    except Exception as error:
        raise DecodeError(_reason(error)) from error


def _check_file(path: str) -> None:
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise DecodeError("a folder, not a picture")
    if not stat.S_ISREG(status.st_mode):
        raise DecodeError("not a regular file")
    if not status.st_size:
        raise DecodeError("empty file")


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (UnidentifiedImageError, "not a picture that can be read"),
    (MemoryError, "too large for the memory of this machine"),
    (FileNotFoundError, "no such file"),
    (PermissionError, "permission denied"),
)


def _reason(error: Exception) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    detail = printable(" ".join(str(error).split()))[:_LONGEST_REASON] or type(error).__name__
    if "bytes not processed" in detail:
        return "truncated (the file ends before the picture does)"
    cut_off = isinstance(error, EOFError) or "truncated" in detail.lower()
    return f"truncated ({detail})" if cut_off else f"damaged ({detail})"

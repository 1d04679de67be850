"""One picture file → model-sized pixels, or a short reason why not.

Preprocessing of the paper (arXiv:2410.04801, section 4): the picture is resized to size × size,
its aspect ratio squashed. Decoding runs in processes of its own (`isolated`).
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import os
import stat
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from itae_cluster.core.errors import DecodeError
from itae_cluster.core.options import MAX_PIXELS
from itae_cluster.core.text import printable
from itae_cluster.core.types import Picture
from itae_cluster.formats import contained_warnings, decodable_formats, limited_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PREPROCESSING", "decode", "flatten", "read_thumbnail", "thumbnail"]

PREPROCESSING = 2
"""Counts the changes to `decode` that change pixels: vectors of another count are not reused."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that swap width and height
_DRAFT_RATIO = 1.5  # embeddings of pictures reduced to this have cosine 0.9998 to those of the full
_LEVELS = 1 << 16
_THUMBNAIL_QUALITY = 85
_THUMBNAIL_MIN_SIDE = 8
_LONGEST_REASON = 120


def decode(path: str, size: int, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture file: its first frame, upright, flattened, squashed to size × size.

    A JPEG of which both sides are three times `size` or more is decoded at a half, a quarter or an
    eighth of its size, which is several times faster (`docs/performance.md`).

    Args:
        path: The file, of any format of `itae_cluster.formats`; its suffix does not matter.
        size: Side of the result in pixels.
        max_pixels: A picture that declares more is refused before anything is decoded.

    Returns:
        Pixels (size, size, 3) uint8 RGB, C-contiguous, and the upright size the picture had.

    Raises:
        DecodeError: The file cannot be read as a picture; the message is the reason.
    """
    with _opened(path, max_pixels) as image:
        width, height = image.size
        image.draft(None, (_draft_side(size), _draft_side(size)))
        resized = flatten(image).resize((size, size), Image.Resampling.BICUBIC)
        if _orientation(image) in _SIDEWAYS:
            width, height = height, width
        return Picture(np.array(resized, dtype=np.uint8, order="C"), width, height)


def _draft_side(size: int) -> int:
    """The least that a large JPEG is reduced to while it is decoded, per side (DCT scaling)."""
    return math.ceil(_DRAFT_RATIO * size)


def read_thumbnail(path: str, side: int) -> bytes:
    """A JPEG of the picture in the file, its longest side `side` pixels.

    Raises:
        DecodeError: The file cannot be read as a picture; the message is the reason.
    """
    with _opened(path, MAX_PIXELS) as image:
        # Twice the size wanted: JPEG files then decode several times faster at no visible cost.
        image.draft(None, (2 * side, 2 * side))
        upright = flatten(image)
        return _jpeg(upright, upright.width, upright.height, side)


def thumbnail(picture: Picture, side: int) -> bytes:
    """A JPEG of the picture in its own aspect ratio, its longest side `side` pixels."""
    return _jpeg(Image.fromarray(picture.pixels), picture.width, picture.height, side)


def flatten(image: Image.Image) -> Image.Image:
    """The picture as one looks at it: upright, on white, 8-bit RGB, at its full size.

    16-bit, 32-bit and float values are scaled to 8 bits, not clipped.

    Args:
        image: Of any mode; a file is loaded, its current frame is taken.
    """
    image.load()
    turn = _TURNS.get(_orientation(image))
    shown = _on_white(_to_8_bit(image))
    return shown if turn is None else shown.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - malformed EXIF raises anything; the picture is still good
        return 1


def _to_8_bit(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        return _from_floats(image)
    if image.mode.startswith("I"):
        return _from_integers(image)
    if image.mode == "LAB":
        return _from_lab(image)
    return image


def _from_integers(image: Image.Image) -> Image.Image:
    transparent = image.info.get("transparency")
    wide = image.convert("I")
    lowest, highest = _extrema(wide)
    if lowest < 0 or highest >= _LEVELS:
        return _from_floats(wide.convert("F"))
    grey = wide.point(_scale_to_8_bit(_brightest(highest)), "L")
    grey.info.pop("transparency", None)  # it counts in 16-bit values
    if isinstance(transparent, int) and 0 <= transparent < _LEVELS:
        grey.paste(255, mask=wide.point(_only(transparent), "L"))
    return grey


def _brightest(highest: int) -> int:
    """White of a 16-bit container: scanners, X-rays and depth cameras fill only 8 or 12 bits."""
    return next(top for top in (0xFF, 0xFFF, 0xFFFF) if highest <= top)


@functools.cache
def _scale_to_8_bit(top: int) -> tuple[int, ...]:
    return tuple(min(255, (value * 255 + top // 2) // top) for value in range(_LEVELS))


def _only(value: int) -> tuple[int, ...]:
    return tuple(255 if level == value else 0 for level in range(_LEVELS))


def _from_floats(image: Image.Image) -> Image.Image:
    """Floats mean 0–1 or 0–255 where they fit; any other range is stretched to full contrast."""
    values = np.array(image, dtype=np.float64)  # float32 cannot hold the span of two of its own
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    scaled = (values - low) / ((high - low) or 1.0) * 255
    return Image.fromarray(np.rint(scaled).clip(0, 255).astype(np.uint8))


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    shown = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    assert shown is not None  # None is for inPlace=True
    return shown


def _extrema(image: Image.Image) -> tuple[int, int]:
    lowest, highest = image.getextrema()
    assert isinstance(lowest, int | float)  # a pair per band is for images of several bands
    assert isinstance(highest, int | float)
    return int(lowest), int(highest)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    layer = _with_8_bit_transparency(image).convert("RGBA")
    canvas = Image.new("RGB", layer.size, "white")
    canvas.paste(layer.convert("RGB"), mask=layer.getchannel("A"))
    return canvas


def _with_8_bit_transparency(image: Image.Image) -> Image.Image:
    """Pillow reads 16-bit RGB as 8-bit, but leaves the transparent colour in 16 bits."""
    transparent = image.info.get("transparency")
    if isinstance(transparent, tuple) and max(transparent, default=0) > 0xFF:
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    return image


def _jpeg(image: Image.Image, width: int, height: int, side: int) -> bytes:
    longest = max(width, height)
    shortest_allowed = min(_THUMBNAIL_MIN_SIDE, side)
    size = [max(shortest_allowed, round(side * edge / longest)) for edge in (width, height)]
    small = image.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_THUMBNAIL_QUALITY)
    return buffer.getvalue()


@contextlib.contextmanager
def _opened(path: str, max_pixels: int) -> Iterator[Image.Image]:
    """The file as an image that is not loaded yet; every failure inside is a `DecodeError`."""
    too_large = f"more than {max_pixels / 1e6:g} megapixels"
    try:
        _check_file(path)
        with (
            contained_warnings(),
            limited_pixels(max_pixels),
            open(path, "rb") as file,
            Image.open(file, formats=decodable_formats()) as image,
        ):
            if image.width * image.height > max_pixels:
                raise DecodeError(f"{too_large} ({image.width}×{image.height}); see --max-pixels")
            yield image
    except DecodeError:
        raise
    except Image.DecompressionBombError as error:
        raise DecodeError(f"{too_large}; see --max-pixels") from error
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
    cut_off = isinstance(error, EOFError) or "truncated" in detail.lower()
    return f"truncated ({detail})" if cut_off else f"damaged ({detail})"

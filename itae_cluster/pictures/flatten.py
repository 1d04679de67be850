"""Any pixel format → 8-bit RGB as one looks at it: upright, on white."""

from __future__ import annotations

import functools

import numpy as np
from PIL import ExifTags, Image

__all__ = ["flatten", "orientation"]


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LEVELS = 1 << 16


def flatten(image: Image.Image) -> Image.Image:
    """The picture as one looks at it: upright, on white, 8-bit RGB, at its full size.

    16-bit, 32-bit and float values are scaled to 8 bits, not clipped.

    Args:
        image: Of any mode; a file is loaded, its current frame is taken.
    """
    image.load()
    turn = _TURNS.get(orientation(image))
    shown = _on_white(_to_8_bit(image))
    return shown if turn is None else shown.transpose(turn)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1, upright, where there is none that can be read."""
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

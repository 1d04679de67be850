"""Any pixel format → 8-bit sRGB as one looks at it: upright, opaque, in its true colours."""

from __future__ import annotations

import functools

import numpy as np
from PIL import ExifTags, Image, ImageCms

from itae_cluster.pictures.colour import profile_of, to_srgb
from itae_cluster.pictures.samples import brightest, to_levels

__all__ = ["flatten", "lab_to_srgb", "orientation"]

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
_WHITE = (255, 255, 255)
_CONTRAST = 40  # levels from the background in one channel at least, to be seen
_ENOUGH = 0.5  # share of what is visible that has to be seen on white
_LOOKED_AT = 256  # pixels a side are enough to choose a background
_ALPHA_OFTEN_UNSET = frozenset({"BMP", "DIB", "TGA", "ICO", "CUR"})


def flatten(image: Image.Image) -> Image.Image:
    """The picture as one looks at it: upright, opaque, in sRGB, 8-bit RGB, at its full size.

    16-bit, 32-bit and float values are scaled to 8 bits, not clipped. What is transparent becomes
    white, or another colour where what is visible would be lost on white.

    Args:
        image: Of any mode; a file is loaded, its current frame is taken.
    """
    image.load()
    turn = _TURNS.get(orientation(image))
    shown = _on_background(_to_8_bit(image), profile_of(image))
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
        return lab_to_srgb(image)
    return image


def _from_integers(image: Image.Image) -> Image.Image:
    transparent = image.info.get("transparency")
    wide = image.convert("I")
    lowest, highest = _extrema(wide)
    if lowest < 0 or highest >= _LEVELS:
        return _from_floats(wide)
    grey = wide.point(_scale_to_8_bit(brightest(highest)), "L")
    grey.info.pop("transparency", None)  # it counts in 16-bit values
    if isinstance(transparent, int) and 0 <= transparent < _LEVELS:
        opaque = wide.point(_all_but(transparent), "L")
        return Image.merge("LA", (grey, opaque))
    return grey


@functools.cache
def _scale_to_8_bit(top: int) -> tuple[int, ...]:
    return tuple(min(255, (value * 255 + top // 2) // top) for value in range(_LEVELS))


def _all_but(value: int) -> tuple[int, ...]:
    return tuple(0 if level == value else 255 for level in range(_LEVELS))


def _from_floats(image: Image.Image) -> Image.Image:
    return Image.fromarray(to_levels(np.asarray(image)))


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """A picture of mode LAB, which needs no profile to be known."""
    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    shown = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    assert shown is not None  # None is for inPlace=True
    return shown


def _extrema(image: Image.Image) -> tuple[int, int]:
    lowest, highest = image.getextrema()
    assert isinstance(lowest, int | float)  # a pair per band is for images of several bands
    assert isinstance(highest, int | float)
    return int(lowest), int(highest)


def _on_background(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not image.has_transparency_data:
        return to_srgb(image, profile)
    if image.mode == "La":
        image = image.convert("LA")
    layer = _with_8_bit_transparency(image).convert("RGBA")
    alpha = layer.getchannel("A")
    colours = layer.convert("RGB")
    if image.format in _ALPHA_OFTEN_UNSET and alpha.getextrema() == (0, 0):
        return to_srgb(colours, profile)
    grey = image.mode == "LA"  # profiles of grey count for these
    shown = to_srgb(colours.getchannel(0) if grey else colours, profile)
    canvas = Image.new("RGB", layer.size, _background(shown, alpha))
    canvas.paste(shown, mask=alpha)
    return canvas


def _background(image: Image.Image, alpha: Image.Image) -> tuple[int, int, int]:
    """White, unless most of what is visible would be lost on it: then black or grey shows more."""
    size = (min(_LOOKED_AT, image.width), min(_LOOKED_AT, image.height))
    small = np.asarray(image.resize(size, Image.Resampling.NEAREST), dtype=np.int16)
    weights = np.asarray(alpha.resize(size, Image.Resampling.NEAREST), dtype=np.float64)
    visible = float(weights.sum())
    if not visible:
        return _WHITE

    def shown(level: int) -> float:
        return float((weights * (np.abs(small - level).max(axis=2) > _CONTRAST)).sum()) / visible

    if shown(_WHITE[0]) >= _ENOUGH:
        return _WHITE
    level = max((_WHITE[0], 0, 128), key=shown)
    return (level, level, level)


def _with_8_bit_transparency(image: Image.Image) -> Image.Image:
    """Pillow reads 16-bit RGB as 8-bit, but leaves the transparent colour in 16 bits."""
    transparent = image.info.get("transparency")
    if isinstance(transparent, tuple) and max(transparent, default=0) > 0xFF:
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    return image

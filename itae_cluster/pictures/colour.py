"""Colours of any profile → sRGB, as a colour-managed viewer shows them.

A profile is an ICC profile in the file, or what a PNG says of its gamma and primaries, written as
one. Profiles that change nothing (sRGB, by whatever name) are recognised by what they do, once per
profile and process, so that ordinary photographs cost no time.
"""

from __future__ import annotations

import functools
import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["BROKEN_PROFILE", "has_broken_profile", "profile_of", "to_srgb"]

BROKEN_PROFILE = "its colour profile is broken and was ignored"

_SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # x, y of white, red, green, blue
_PRIMARIES = {  # by the numbers of ITU-T H.273, for pictures that name theirs so
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI-P3
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
}
_HIGH_DYNAMIC_RANGE = frozenset({16, 18})  # PQ, HLG: to show them takes more than a profile
_SRGB_GAMMA = 0.45455
_SRGB_CURVE = [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]
_SAME_GAMMA, _SAME_PRIMARIES = 0.005, 0.002
_GAMMAS = (0.1, 10.0)  # beyond, the field is rubbish
_CHANGES_NOTHING = 2  # levels
_PROFILES_KEPT = 32  # transforms a process; a folder has a handful of profiles

# Mode that a profile's colours have, by the colour space that its header names.
_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array([0.9642, 1.0, 0.8249])


def profile_of(image: Image.Image) -> bytes | None:
    """The ICC profile of a picture, made up where it says the same in another way; None for sRGB.

    Args:
        image: As opened: its `info` is read.
    """
    profile = image.info.get("icc_profile")
    if profile:
        return bytes(profile)
    named = image.info.get("nclx_profile")
    if isinstance(named, dict):
        return _named_profile(named)
    if image.format != "PNG" or "srgb" in image.info:
        return None
    return _png_profile(image.info.get("gamma"), image.info.get("chromaticity"))


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The same picture in sRGB, mode RGB; without a usable profile it is taken to be in sRGB.

    Args:
        image: Of an 8-bit mode without alpha.
        profile: As `profile_of` gives it.
    """
    mode = None if profile is None else _MODES.get(profile[16:20])
    if profile is None or mode is None or not _fits(image, mode):
        return image.convert("RGB")
    transform = _transform(profile)
    if transform is None or isinstance(transform, _Broken):
        return image.convert("RGB")
    shown = ImageCms.applyTransform(image if image.mode == mode else image.convert(mode), transform)
    assert shown is not None  # None is for inPlace=True
    return shown


def has_broken_profile(profile: bytes | None) -> bool:
    """Whether there is a profile that cannot be used."""
    if profile is None:
        return False
    return isinstance(_transform(profile), _Broken)


def _fits(image: Image.Image, mode: str) -> bool:
    """Grey pictures with an RGB profile are common; any other mismatch makes no sense."""
    if mode == "RGB":
        return image.mode != "CMYK"
    return image.mode == mode or (mode == "L" and image.mode == "1")


class _Broken:
    """In place of the transform of a profile that has none."""


@functools.lru_cache(maxsize=_PROFILES_KEPT)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | _Broken | None:
    """What leads to sRGB; None where nothing has to be done."""
    mode = _MODES.get(profile[16:20])
    if mode is None:
        return _Broken()
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        found = ImageCms.buildTransform(source, target, mode, "RGB")
        if mode == "RGB" and _changes_nothing(found):
            return None
    except Exception:  # noqa: BLE001 - a broken profile costs its colours, not the picture
        return _Broken()
    return found


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    shown = ImageCms.applyTransform(Image.fromarray(grid), transform)
    difference = np.asarray(shown, dtype=np.int16) - grid
    return int(np.abs(difference).max()) <= _CHANGES_NOTHING


def _named_profile(named: dict[str, Any]) -> bytes | None:
    """That of a HEIF picture that gives the numbers of its primaries in place of a profile."""
    primaries = _PRIMARIES.get(int(named.get("color_primaries", 1)))
    transfer = int(named.get("transfer_characteristics", 13))
    if primaries is None or transfer in _HIGH_DYNAMIC_RANGE:
        return None
    return _matrix_profile(primaries, None)


def _png_profile(gamma: object, chromaticity: object) -> bytes | None:
    """That of the gAMA and cHRM chunks, where a PNG has nothing better.

    Each stands in for the other's absence with sRGB's, as in browsers.
    """
    exponent = 1 / gamma if isinstance(gamma, float | int) and gamma > 0 else None
    if exponent is not None and not _GAMMAS[0] <= exponent <= _GAMMAS[1]:
        exponent = None
    primaries: tuple[float, ...] = _SRGB
    if isinstance(chromaticity, tuple) and len(chromaticity) == len(_SRGB):
        primaries = tuple(float(value) for value in chromaticity)
    same = max(abs(a - b) for a, b in zip(primaries, _SRGB, strict=True)) < _SAME_PRIMARIES
    if same and (exponent is None or abs(1 / exponent - _SRGB_GAMMA) < _SAME_GAMMA):
        return None
    return _matrix_profile(primaries, exponent)


@functools.lru_cache(maxsize=_PROFILES_KEPT)
def _matrix_profile(primaries: Sequence[float], gamma: float | None) -> bytes | None:
    """An ICC profile of these primaries and this exponent (None: sRGB's curve), version 4."""
    columns = _to_d50(primaries)
    if columns is None:
        return None
    kind, parameters = (0, [gamma]) if gamma else (3, _SRGB_CURVE)
    curve = b"para" + bytes(4) + struct.pack(">HH", kind, 0) + _to_fixed_point(parameters)
    tags = [(b"wtpt", _xyz(_D50))]
    tags += [(name, _xyz(columns[:, i])) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags:
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content
    body = struct.pack(">I", len(tags)) + table + data
    header = struct.pack(">I4xI4s4s4s", 128 + len(body), 0x04200000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + _to_fixed_point(_D50)
    return header.ljust(128, b"\0") + body


def _to_d50(primaries: Sequence[float]) -> NDArray[np.float64] | None:
    """(3, 3): XYZ of red, green and blue as columns, adapted to D50 (Bradford)."""
    points = np.array(primaries, dtype=np.float64).reshape(4, 2)
    if (points[:, 1] <= 0).any() or points.sum(axis=1).max() > 2:
        return None
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in points])
    try:
        columns = xyz[1:].T * np.linalg.solve(xyz[1:].T, xyz[0])
    except np.linalg.LinAlgError:
        return None
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ xyz[0]))
    adapted: NDArray[np.float64] = np.linalg.solve(_BRADFORD, scale @ _BRADFORD @ columns)
    return adapted


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + _to_fixed_point(values)


def _to_fixed_point(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    """As ICC writes fractions: s15Fixed16."""
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)

"""Samples of any depth → 8-bit levels: which value is white is found by the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.errors import DecodeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["brightest", "to_levels"]

_LEVEL_SHARE = 0.01  # of the values at either end that may be outliers
_ABOVE_ONE = 2.0  # floats of 0–1 with highlights: the bulk of them stays below this
_ABOVE_255 = 260.0
_BELOW_ZERO = 0.1  # of the range: ringing, not a range of its own
_TAIL = 0.5  # of the bulk's range: what lies farther from it is an outlier
_LOOKED_AT = 1_000_000  # values are enough to know the bulk of them


def brightest(highest: int, top: int = 0xFFFF) -> int:
    """White of a 16-bit container: scanners, X-rays and depth cameras fill only 8 or 12 bits."""
    return next(white for white in (0xFF, 0xFFF, top) if highest <= white)


def to_levels(values: NDArray[Any], bits: int | None = None) -> NDArray[np.uint8]:
    """Levels of the same shape, scaled and not clipped, but for outliers of floating point.

    Args:
        values: Of any real type.
        bits: How many of an unsigned sample are in use; all of its type by default.

    Raises:
        DecodeError: They are complex numbers, or none at all.
    """
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if kind == "u" and size <= 2:
        top = (1 << min(bits or 8 * size, 8 * size)) - 1
        return _scale(values, brightest(int(values.max(initial=0))) if top == 0xFFFF else top)
    if kind == "i" and size == 2 and values.min(initial=0) >= 0:
        return _scale(values, brightest(int(values.max(initial=0)), 0x7FFF))
    if kind not in "uif":
        raise DecodeError(f"samples that are no levels cannot be shown ({values.dtype})")
    return _from_wide(values)


def _scale(values: NDArray[Any], top: int) -> NDArray[np.uint8]:
    if top == 0xFF:
        return values.astype(np.uint8)
    return ((values.astype(np.uint32) * 255 + top // 2) // top).clip(0, 255).astype(np.uint8)


def _from_wide(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Values mean 0–1 or 0–255 where the bulk of them fits; else they are stretched."""
    wide = values.astype(np.float64)  # float32 cannot hold the span of two of its own
    low, high = _range(wide[np.isfinite(wide)])
    np.nan_to_num(wide, copy=False, nan=low, posinf=high, neginf=low)
    wide -= low
    wide *= 255 / ((high - low) or 1.0)
    return np.rint(wide).clip(0, 255).astype(np.uint8)


def _range(finite: NDArray[np.float64]) -> tuple[float, float]:
    """Black and white. A few values far off, such as a hot pixel, do not count."""
    if not finite.size:
        return 0.0, 1.0
    some = finite[:: 1 + finite.size // _LOOKED_AT]
    low, high = (float(v) for v in np.quantile(some, [_LEVEL_SHARE, 1 - _LEVEL_SHARE]))
    if low >= 0 or low >= -_BELOW_ZERO * high:
        if high <= _ABOVE_ONE:
            return 0.0, 1.0
        if high <= _ABOVE_255:
            return 0.0, 255.0
    tail = (high - low) * _TAIL
    inner = finite[(finite >= low - tail) & (finite <= high + tail)]
    return float(inner.min()), float(inner.max())

"""Weights in 8 bits: how `mini` is shipped in half the size of float16.

Every matrix is stored as int8 with one float16 scale for each group of 64 weights of a row,
w ≈ q · scale; vectors stay float16. `docs/models.md` has the figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["SCALE", "dequantize", "quantize"]

SCALE = ".scale"
"""Suffix of the name under which a matrix's scales are stored."""

_GROUP = 64
_LEVELS = 127
_TINIEST_SCALE = 6e-8  # the smallest float16 above zero, so that groups of zeros divide


def quantize(state: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.generic]]:
    """Symmetric int8, the largest weight of each group at ±127.

    A group is 64 neighbours of a matrix row (one output channel), or the row where 64 does not
    divide it.

    Args:
        state: official names; everything with more than one row is quantised.

    Returns:
        The same names as int8, or float16 where left alone, and `<name>.scale`, one float16 a
        group, for each matrix.
    """
    result: dict[str, NDArray[np.generic]] = {}
    for name, weight in state.items():
        if weight.ndim == 1 or weight.size == weight.shape[-1]:
            result[name] = weight.astype(np.float16)
            continue
        width = weight.shape[-1] if weight.ndim < 4 else weight[0].size
        groups = weight.astype(np.float32).reshape(-1, width if width % _GROUP else _GROUP)
        scale = np.abs(groups).max(axis=1) / np.float32(_LEVELS)
        scale = np.maximum(scale, np.float32(_TINIEST_SCALE)).astype(np.float16)
        levels = (groups / scale.astype(np.float32)[:, None]).round().clip(-_LEVELS, _LEVELS)
        result[name] = levels.astype(np.int8).reshape(weight.shape)
        result[name + SCALE] = scale
    return result


def dequantize(state: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """The inverse of `quantize`; a state dict without scales comes back as it is.

    Raises:
        ValueError: if the scales do not fit.
    """
    result: dict[str, NDArray[np.generic]] = {}
    for name, weight in state.items():
        if name.endswith(SCALE):
            continue
        scale = state.get(name + SCALE)
        if scale is None:
            result[name] = weight
        else:
            groups = weight.reshape(len(scale), -1).astype(np.float32)
            result[name] = (groups * scale.astype(np.float32)[:, None]).reshape(weight.shape)
    return result

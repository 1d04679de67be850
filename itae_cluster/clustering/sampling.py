"""Some of many rows: drawn at random, kept in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["sample_rows"]


def sample_rows(n: int, most: int, seed: int) -> NDArray[np.int64]:
    """At most `most` of the numbers below `n`, drawn without replacement, in rising order.

    Args:
        n: how many there are.
        most: how many to draw; all where there are no more.
        seed: the same seed, the same rows.
    """
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))

"""How much nearer a picture is to its own cluster than to the next one (Rousseeuw 1987)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["silhouettes"]

_SMALLEST_SCALE = 1e-6  # about pictures that are all the same


def silhouettes(distances: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n,) values of −1 to 1; 0 for a picture that is alone.

    Args:
        distances: (n, n), symmetric, 0 from each picture to itself.
        labels: (n,) clusters, 0 to at least 1, none without a picture.
    """
    counts = np.bincount(labels)
    order, starts = np.argsort(labels, kind="stable"), np.cumsum(counts) - counts
    sums = np.add.reduceat(distances[order], starts, axis=0)  # (k, n)
    here = labels, np.arange(len(labels))
    own = sums[here] / np.maximum(counts[labels] - 1, 1)
    means = sums / counts[:, None]
    means[here] = np.inf
    other = means.min(axis=0)
    each = (other - own) / np.maximum(np.maximum(own, other), _SMALLEST_SCALE)
    return np.asarray(np.where(counts[labels] > 1, each, 0))

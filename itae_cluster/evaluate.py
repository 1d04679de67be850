"""How well clusters agree with true labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["clustering_accuracy"]


def clustering_accuracy(truth: Sequence[str], labels: NDArray[np.int64]) -> float:
    """ACC: the share of pictures in the right place under the best one-to-one assignment.

    Each cluster is matched with at most one class (Hungarian method, Kuhn 1955), so numbers of
    clusters and classes may differ; unmatched clusters and noise (−1) count as wrong.

    Args:
        truth: n class names.
        labels: (n,) cluster of each picture, −1 for none.

    Returns:
        A ratio, 0 to 1.
    """
    from scipy.optimize import linear_sum_assignment

    classes, rows = np.unique(np.asarray(truth), return_inverse=True)
    kept = labels >= 0
    counts = np.zeros((len(classes), int(labels.max(initial=-1)) + 1), dtype=np.int64)
    np.add.at(counts, (rows[kept], labels[kept]), 1)
    matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return float(matched / len(labels))

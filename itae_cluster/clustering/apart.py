"""Does a cluster hold things that are clearly different? By margin, whatever their sizes.

Scores of a whole clustering hardly notice a few pictures. So `choose_k` looks into each cluster as
well: average linkage divides it, and the parts are clearly different where each of them, three
pictures or more, is much nearer to itself than to the next part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering.silhouette import silhouettes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["count_apart", "least_margin"]

_FEWEST = 3  # pictures of a part
_MOST = 10  # parts of a cluster
_CLEAR = 0.55  # a part's mean silhouette


def count_apart(vectors: NDArray[np.float32]) -> int:
    """The most parts, all clearly different from each other, that the pictures come in; else 1.

    Args:
        vectors: (n, D) embeddings of the pictures of one cluster, rows of length 1.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    most = min(_MOST, len(vectors) // _FEWEST)
    if most < 2:
        return 1
    distances = np.maximum(1 - vectors @ vectors.T, 0)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average")
    cuts = [fcluster(tree, k, "maxclust") - 1 for k in range(2, most + 1)]
    clear = [cut.max() + 1 for cut in cuts if least_margin(distances, cut) >= _CLEAR]
    return int(max(clear, default=1))


def least_margin(distances: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """The mean silhouette of the part where it is lowest; −1 if one is too small.

    Args:
        distances: (n, n) cosine distances.
        labels: (n,) the part of each picture, from 0.
    """
    counts = np.bincount(labels)
    if len(counts) < 2 or counts.min() < _FEWEST:
        return -1.0
    each = silhouettes(distances, labels)
    return float((np.bincount(labels, weights=each) / counts).min())

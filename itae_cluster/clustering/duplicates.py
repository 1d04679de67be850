"""Near-duplicates among many vectors: candidates from an approximate index, then compared exactly.

Every two of some thousand vectors are compared; of more, each with the nearest that an inverted
file finds (faiss `IndexIVFFlat`: K-Means cells, of which the nearest few are searched). What it
misses stays apart; it never joins what is not alike. docs/scale.md says how it was chosen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering.similarity import NEAR_DUPLICATE, find_similar, group_linked
from itae_cluster.core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["find_near_duplicates"]

_MOST_COMPARED = 10_000  # every two of them
_NEIGHBOURS = 16  # of each vector, itself among them
_CELLS_SEARCHED = 4
_TRAINED_PER_CELL = 64
_ROUNDS = 10


def find_near_duplicates(
    vectors: NDArray[np.float32], threshold: float = NEAR_DUPLICATE
) -> tuple[tuple[int, ...], ...]:
    """Groups of rows in which every two reach the threshold, largest first.

    Args:
        vectors: (n, D), rows of length 1.
        threshold: the cosine of near-duplicates.

    Raises:
        UsageError: if there are many and faiss is not installed.
    """
    if len(vectors) <= _MOST_COMPARED:
        return find_similar(vectors, neighbours=0, threshold=threshold).duplicates
    cosines, neighbours = _index(vectors).search(vectors, _NEIGHBOURS)
    rows, places = np.nonzero((cosines >= threshold) & (neighbours >= 0))
    return group_linked(vectors, rows, neighbours[rows, places], threshold)


def _index(vectors: NDArray[np.float32]) -> Any:
    """An inverted file of √n cells, filled."""
    try:
        import faiss
    except ImportError:
        raise UsageError(
            "--near-duplicates needs faiss for so many pictures: pip install 'itae-cluster[ray]'"
        ) from None
    n, dim = vectors.shape
    cells = math.isqrt(n)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = _ROUNDS
    index.cp.max_points_per_centroid = _TRAINED_PER_CELL
    index.train(vectors)
    index.add(vectors)
    index.nprobe = _CELLS_SEARCHED
    return index

"""Embeddings to fewer dimensions, with UMAP (McInnes et al. 2018, arXiv:1802.03426)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["umap_reduce"]

_FEWEST_FOR_UMAP = 12  # below, a neighbour graph says nothing that the points do not


def umap_reduce(
    vectors: NDArray[np.float32],
    dim: int,
    *,
    seed: int,
    neighbours: int = 15,
    min_dist: float = 0.0,
) -> NDArray[np.float32]:
    """UMAP with Euclidean distance; the principal components where there are too few points.

    On rows of length 1 Euclidean distance orders pairs as cosine does. The same seed gives the
    same result on the same machine.

    Args:
        vectors: (n, D) embeddings.
        dim: dimensions of the result.
        seed: of UMAP's random numbers.
        neighbours: size of the neighbourhood whose structure is kept.
        min_dist: how close points may come; 0 packs clusters, 0.1 spreads a map.

    Returns:
        (n, dim) float32.
    """
    if len(vectors) < max(_FEWEST_FOR_UMAP, dim + 3):
        return _principal_components(vectors, dim)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on parallelism and float types, at import too
        from umap import UMAP

        reducer = UMAP(
            n_components=dim,
            n_neighbors=min(neighbours, len(vectors) - 1),
            min_dist=min_dist,
            random_state=seed,
            n_jobs=1,
        )
        return np.asarray(reducer.fit_transform(vectors), dtype=np.float32)


def _principal_components(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    centred = vectors - vectors.mean(axis=0)
    u, scale, _ = np.linalg.svd(centred, full_matrices=False)
    kept = (u * scale)[:, :dim]
    return np.pad(kept, ((0, 0), (0, dim - kept.shape[1]))).astype(np.float32)

"""Of several partitions, the one that parts the fewest nearest neighbours.

K-Means makes clusters of like size: it cuts a large group in two and puts two small ones together.
What else looks at the same pictures errs in other ways, and nearest neighbours tell which errs
here, since a picture and its nearest neighbours nearly always belong together. Three partitions are
compared:

- K-Means in the space of UMAP, which is taken where no other is clearly better;
- average linkage in that space, which lets sizes differ;
- K-Means of smoothed embeddings: each is moved to the mean of its neighbours, again and again, as
  in diffusion maps (Coifman & Lafon 2006), so that large groups shrink and no longer attract two
  centres.

docs/quality.md tells on which pictures that was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering import algorithms
from itae_cluster.clustering.similarity import find_similar
from itae_cluster.core.options import Linkage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from itae_cluster.core.options import ClusterOptions

__all__ = ["fewest_parted", "share_together", "smooth"]

_MOST_POINTS = algorithms.MOST_PAIRED  # above, average linkage would need a sample
_FEWEST_EACH = 4  # pictures a cluster on average; below, three neighbours say nothing
_NEIGHBOURS = 3
_CLEARLY = 0.02  # of all pairs of neighbours
_STEPS = 4
_POWER = 3  # of a cosine, its weight


def fewest_parted(
    points: NDArray[np.float32],
    vectors: NDArray[np.float32],
    k: int,
    options: ClusterOptions,
    weights: NDArray[np.int64],
) -> tuple[NDArray[np.int64], str]:
    """(n,) labels, and which of the three partitions they are.

    Args:
        points: (n, d) the space of UMAP.
        vectors: (n, D) embeddings, rows of length 1.
        k: number of clusters, 1 to n.
        options: seed, restarts and neighbours.
        weights: (n,) how many pictures each point stands for.
    """
    n, seed = len(points), options.seed

    def by_kmeans(space: NDArray[np.float32]) -> NDArray[np.int64]:
        return algorithms.kmeans(space, k, seed=seed, restarts=options.restarts, weights=weights)

    first = by_kmeans(points)
    if k == 1 or not _FEWEST_EACH * k <= n <= _MOST_POINTS:
        return first, "kmeans"
    neighbours = max(_NEIGHBOURS, options.graph(n))
    similar = find_similar(vectors, neighbours=neighbours)
    smoothed = smooth(vectors, similar.neighbours, similar.cosines)
    partitions = {
        "kmeans": first,
        "average linkage": algorithms.agglomerative(points, k, seed=seed, linkage=Linkage.AVERAGE),
        "kmeans of smoothed embeddings": by_kmeans(smoothed),
    }
    nearest = similar.neighbours[:, :_NEIGHBOURS]
    together = {name: share_together(each, nearest) for name, each in partitions.items()}
    best = max(together, key=together.__getitem__)
    if together[best] < together["kmeans"] + _CLEARLY:
        best = "kmeans"
    return partitions[best], best


def share_together(labels: NDArray[np.int64], nearest: NDArray[np.int64]) -> float:
    """Of all pairs of a picture and a near neighbour, (n,) and (n, m), how many share a cluster."""
    return float((labels[nearest] == labels[:, None]).mean())


def smooth(
    vectors: NDArray[np.float32], neighbours: NDArray[np.int64], cosines: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Each embedding at the mean of itself and its neighbours, four times over, at length 1.

    Two pictures are neighbours where one of them has the other among its own. A neighbour weighs
    the third power of its cosine, the picture itself 1.

    Args:
        vectors: (n, D), rows of length 1.
        neighbours: (n, m) rows of the nearest others.
        cosines: (n, m) of them.
    """
    from scipy.sparse import csr_array, eye_array

    n, m = neighbours.shape
    heavy = np.maximum(cosines, 0).ravel() ** _POWER
    links = csr_array((heavy, (np.repeat(np.arange(n), m), neighbours.ravel())), shape=(n, n))
    links = links.maximum(links.T) + eye_array(n)
    links = links / links.sum(axis=1)[:, None]
    smoothed = vectors.astype(np.float32)
    for _ in range(_STEPS):
        smoothed = links @ smoothed
        smoothed /= np.linalg.norm(smoothed, axis=1, keepdims=True)
    return np.asarray(smoothed, dtype=np.float32)

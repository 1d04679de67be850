"""Points to clusters of a given number: K-Means, agglomerative and spectral clustering.

`kmeans`, `agglomerative` and `spectral` give labels, in whatever space their points are.
`describe` makes clusters of labels: numbered by size, largest first, with centres and distances in
the space of the embeddings (length-1 vectors, so distances lie between 0 and 2), whatever found
the clusters.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering.sampling import sample_rows
from itae_cluster.core.batches import slices
from itae_cluster.core.errors import InputError
from itae_cluster.core.options import Linkage
from itae_cluster.core.types import NOISE, Clustering

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "MOST_PAIRED",
    "agglomerative",
    "centre_distances",
    "check_k",
    "check_sample",
    "describe",
    "kmeans",
    "measure",
    "representatives",
    "spectral",
    "sum_clusters",
]

MOST_PAIRED = 10_000
"""Pictures that agglomerative and spectral clustering look at; the others follow a neighbour."""

_MOST_AT_ONCE = 50_000  # pictures that every restart of K-Means looks at
_SAMPLED_PER_CLUSTER = 256
_MOST_ROUNDS = 100
_REST = 1e-4
_ROWS_AT_ONCE = 16_384  # few enough to be copied
_FEWEST_A_CLUSTER = 3  # pictures on average; below, a neighbour graph has no cuts to find


def kmeans(
    points: NDArray[np.float32],
    k: int,
    *,
    seed: int,
    restarts: int,
    weights: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """K-Means with k-means++ starts; the best of `restarts` by inertia.

    Above 50,000 pictures (or 256 a cluster) the restarts compete on a random sample of so many, and
    the best goes on over all pictures, with Lloyd's algorithm, until its centres rest.

    Fewer than `k` clusters come back where pictures are identical.

    Args:
        points: (n, any) embeddings or their reduction.
        k: number of clusters, 1 to n.
        seed: of the starts.
        restarts: independent starts.
        weights: (n,) how many pictures each point stands for; None for one each.

    Raises:
        InputError: if there are fewer pictures than clusters.
    """
    check_k(k, len(points))
    weights = np.ones(len(points), dtype=np.int64) if weights is None else weights
    most = max(_MOST_AT_ONCE, _SAMPLED_PER_CLUSTER * k)
    if len(points) <= most:
        return np.asarray(_started(points, weights, k, seed, restarts).labels_, dtype=np.int64)
    rows = sample_rows(len(points), most, seed)
    starts = _started(points[rows], weights[rows], k, seed, restarts).cluster_centers_
    return _refined(points, starts.astype(np.float32), weights)


def _started(
    vectors: NDArray[np.float32], weights: NDArray[np.int64], k: int, seed: int, restarts: int
) -> Any:
    """A fitted `sklearn.cluster.KMeans`."""
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # identical pictures are reported in our own words
        return KMeans(k, n_init=restarts, random_state=seed).fit(vectors, sample_weight=weights)


def _refined(
    vectors: NDArray[np.float32],
    centres: NDArray[np.float32],
    weights: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Lloyd's algorithm from given centres, in place of scikit-learn's, which copies the vectors.

    An empty cluster keeps its centre. The end is scikit-learn's: centres that move, squared, by
    less than 1e-4 of the mean variance.
    """
    from sklearn.metrics import pairwise_distances_argmin

    rest = _REST * float(np.mean([np.var(column) for column in vectors[:_MOST_AT_ONCE].T]))
    labels = pairwise_distances_argmin(vectors, centres)
    for _ in range(_MOST_ROUNDS):
        sums, counts = sum_clusters(vectors, labels, len(centres), weights)
        moved = centres.copy()
        moved[counts > 0] = sums[counts > 0] / counts[counts > 0, None]
        shift = float(((moved - centres) ** 2).sum())
        centres = moved
        labels = pairwise_distances_argmin(vectors, centres)
        if shift <= rest:
            break
    return np.asarray(labels, dtype=np.int64)


def check_k(k: int, n: int) -> None:
    """Raise `InputError` where `n` pictures cannot make `k` clusters."""
    if k > n:
        raise InputError(
            f"--k {k} asks for more clusters than there are pictures ({n}); use --k {n} or less"
        )


def agglomerative(
    points: NDArray[np.float32], k: int, *, seed: int, linkage: Linkage
) -> NDArray[np.int64]:
    """Agglomerative clustering: the two closest clusters become one until `k` are left.

    Ward's linkage (1963) keeps variance small and so clusters of like size; average linkage lets
    sizes differ as they do. Memory grows with the square of the number of points, so above 10,000
    a random sample of so many is clustered and every other point goes with its nearest one there.

    Args:
        points: (n, any) embeddings or their reduction.
        k: number of clusters, 1 to n.
        seed: of the sample.
        linkage: what "closest" means.

    Raises:
        InputError: if there are fewer pictures than clusters, or `k` is more than the sample.
    """
    check_k(k, len(points))
    check_sample(k, len(points))

    def join(chosen: NDArray[np.float32]) -> NDArray[np.int64]:
        from sklearn.cluster import AgglomerativeClustering

        if len(chosen) < 2:
            return np.zeros(len(chosen), dtype=np.int64)
        model = AgglomerativeClustering(k, linkage=linkage.value)
        return np.asarray(model.fit_predict(chosen), dtype=np.int64)

    return _by_sample(points, seed, join)


def spectral(
    points: NDArray[np.float32], k: int, *, seed: int, neighbours: int
) -> NDArray[np.int64]:
    """Spectral clustering of the neighbour graph (Ng et al. 2001; Damle et al. 2019).

    Eigenvectors of the normalised Laplacian, one cluster a direction (QR with column pivoting), so
    no random start is involved but that of the eigensolver. Above 10,000 points as `agglomerative`;
    with fewer than three pictures a cluster there are no cuts to find, and Ward's linkage is used.

    Args:
        points: (n, any) embeddings or their reduction.
        k: number of clusters, 1 to n.
        seed: of the sample and of the eigensolver.
        neighbours: of each point in the graph, the point itself among them.

    Raises:
        InputError: if there are fewer pictures than clusters, or `k` is more than the sample.
    """
    check_k(k, len(points))
    check_sample(k, len(points))

    def cut(chosen: NDArray[np.float32]) -> NDArray[np.int64]:
        from sklearn.cluster import SpectralClustering

        model = SpectralClustering(
            k,
            affinity="nearest_neighbors",
            n_neighbors=min(neighbours, len(chosen) - 1),
            assign_labels="cluster_qr",
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a graph in several parts is no mistake
            return np.asarray(model.fit_predict(chosen), dtype=np.int64)

    if k == 1 or len(points) < _FEWEST_A_CLUSTER * k:
        return agglomerative(points, k, seed=seed, linkage=Linkage.WARD)
    return _by_sample(points, seed, cut)


def _by_sample(
    points: NDArray[np.float32],
    seed: int,
    labels_of: Callable[[NDArray[np.float32]], NDArray[np.int64]],
) -> NDArray[np.int64]:
    """Cluster a sample; give every other point the label of its nearest one in it."""
    if len(points) <= MOST_PAIRED:
        return labels_of(points)
    from sklearn.metrics import pairwise_distances_argmin

    rows = sample_rows(len(points), MOST_PAIRED, seed)
    found = labels_of(points[rows])
    labels = np.empty(len(points), dtype=np.int64)
    for part in slices(len(points), _ROWS_AT_ONCE):
        labels[part] = found[pairwise_distances_argmin(points[part], points[rows])]
    labels[rows] = found
    return labels


def check_sample(k: int, n: int) -> None:
    """Raise `InputError` where `k` clusters cannot be made of the sample that `n` points need."""
    if n > MOST_PAIRED < k:
        raise InputError(
            f"--k {k}: above {MOST_PAIRED} pictures this algorithm clusters a sample of so many, "
            f"so it makes no more clusters; use --k {MOST_PAIRED} or --algorithm kmeans"
        )


def representatives(clustering: Clustering, most: int) -> dict[int, tuple[int, ...]]:
    """The `most` pictures of each cluster that lie nearest to its centre, nearest first."""
    result: dict[int, tuple[int, ...]] = {}
    for label in range(len(clustering.centres)):
        members = np.flatnonzero(clustering.labels == label)
        order = np.argsort(clustering.distances[members], kind="stable")[:most]
        result[label] = tuple(int(i) for i in members[order])
    return result


def describe(
    vectors: NDArray[np.float32],
    found: NDArray[np.int64],
    membership: NDArray[np.float32] | None = None,
) -> Clustering:
    """Number clusters by size, ties by their first picture; add centres and distances.

    Args:
        vectors: (n, D) embeddings.
        found: (n,) labels in any order, `NOISE` for none.
        membership: (n,) as `Clustering` has it; None where the algorithm knows of none.
    """
    names, first, counts = np.unique(found, return_index=True, return_counts=True)
    clusters = [i for i, name in enumerate(names) if name != NOISE]
    order = sorted(clusters, key=lambda i: (-counts[i], first[i]))
    labels = np.full(len(found), NOISE, dtype=np.int64)
    for label, i in enumerate(order):
        labels[found == names[i]] = label
    return measure(vectors, labels, membership)


def measure(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    membership: NDArray[np.float32] | None = None,
) -> Clustering:
    """Centres and distances of clusters that have their numbers: 0 to K − 1, and `NOISE`.

    Args:
        vectors: (n, D) embeddings.
        labels: (n,).
        membership: (n,) as `Clustering` has it; None where the algorithm knows of none.
    """
    centres = _centres(vectors, labels)
    return Clustering(labels, centres, centre_distances(vectors, labels, centres), membership)


def _centres(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean of each cluster: (K, D) float32."""
    sums, counts = sum_clusters(vectors, labels, int(labels.max(initial=NOISE)) + 1)
    return (sums / counts[:, None]).astype(np.float32)


def sum_clusters(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    clusters: int,
    weights: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum (K, D) and number (K,) of each cluster's vectors, weighted; noise is left out."""
    from scipy.sparse import csr_array

    weights = np.ones(len(labels), dtype=np.int64) if weights is None else weights
    sums, counts = np.zeros((clusters, vectors.shape[1])), np.zeros(clusters, dtype=np.int64)
    for rows in slices(len(vectors), _ROWS_AT_ONCE):
        kept = np.flatnonzero(labels[rows] != NOISE)
        shape = (clusters, len(labels[rows]))
        heavy = weights[rows][kept].astype(np.float64)
        members = csr_array((heavy, (labels[rows][kept], kept)), shape=shape)
        sums += members @ vectors[rows].astype(np.float64)
        np.add.at(counts, labels[rows][kept], weights[rows][kept])
    return sums, counts


def centre_distances(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Distance of each picture to its own centre, of noise to the nearest one: (n,) float32."""
    distances = np.full(len(vectors), np.nan, dtype=np.float32)
    if len(centres):
        from scipy.spatial.distance import cdist

        for rows in slices(len(vectors), _ROWS_AT_ONCE):
            part, own = vectors[rows], labels[rows]
            kept = own != NOISE
            found = np.empty(len(part), dtype=np.float32)
            found[kept] = np.linalg.norm(part[kept] - centres[own[kept]], axis=1)
            found[~kept] = cdist(part[~kept], centres).min(axis=1)
            distances[rows] = found
    return distances

"""Embeddings to clusters: K-Means (Sec. 3.4 of the ITAE paper) or HDBSCAN on a UMAP reduction.

Clusters come numbered by size, largest first. Centres and distances are in the space of the
embeddings (length-1 vectors, so distances lie between 0 and 2) whatever found the clusters.
"""

from __future__ import annotations

import warnings
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.errors import InputError
from itae_cluster.reduce import umap_reduce
from itae_cluster.types import NOISE, Clustering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from itae_cluster.types import Reporter

__all__ = ["default_min_cluster_size", "hdbscan", "kmeans", "representatives"]

_MOST_AT_ONCE = 50_000  # pictures that every restart of K-Means looks at
_SAMPLED_PER_CLUSTER = 256
_MOST_ROUNDS = 100
_REST = 1e-4
_ROWS_AT_ONCE = 16_384
_HDBSCAN_DIM = 10  # HDBSCAN calls most points noise above about 50 dimensions
_HDBSCAN_NEIGHBOURS = 15
_HDBSCAN_MIN_SAMPLES = 3  # low, so that few pictures are called noise


def kmeans(
    vectors: NDArray[np.float32],
    k: int,
    *,
    seed: int,
    restarts: int,
    reporter: Reporter | None = None,
) -> Clustering:
    """K-Means with k-means++ starts; the best of `restarts` by inertia.

    Above 50,000 pictures (or 256 a cluster) the restarts compete on a random sample of so many, and
    the best goes on over all pictures, with Lloyd's algorithm, until its centres rest.

    Fewer than `k` clusters come back, with a warning, where pictures are identical.

    Args:
        vectors: (n, D) embeddings.
        k: number of clusters, 1 to n.
        seed: of the starts.
        restarts: independent starts.
        reporter: told where fewer than `k` clusters could be made; None for nobody.

    Raises:
        InputError: if there are fewer pictures than clusters.
    """
    check_k(k, len(vectors))
    most = max(_MOST_AT_ONCE, _SAMPLED_PER_CLUSTER * k)
    if len(vectors) <= most:
        found = _started(vectors, k, seed, restarts).labels_
    else:
        rows = np.random.default_rng(seed).choice(len(vectors), most, replace=False)
        rows.sort()
        starts = _started(vectors[rows], k, seed, restarts).cluster_centers_
        found = _refined(vectors, starts.astype(np.float32))
    clustering = _by_size(vectors, found.astype(np.int64))
    if reporter and len(clustering.centres) < k:
        reporter.warn(
            f"only {len(clustering.centres)} of {k} clusters have pictures: the others are "
            "identical to one another"
        )
    return clustering


def _started(vectors: NDArray[np.float32], k: int, seed: int, restarts: int) -> Any:
    """A fitted `sklearn.cluster.KMeans`."""
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # identical pictures are reported in our own words
        return KMeans(k, n_init=restarts, random_state=seed).fit(vectors)


def _refined(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """Lloyd's algorithm from given centres, in place of scikit-learn's, which copies the vectors.

    An empty cluster keeps its centre. The end is scikit-learn's: centres that move, squared, by
    less than 1e-4 of the mean variance.
    """
    from sklearn.metrics import pairwise_distances_argmin

    rest = _REST * float(np.mean([np.var(column) for column in vectors[:_MOST_AT_ONCE].T]))
    labels = pairwise_distances_argmin(vectors, centres)
    for _ in range(_MOST_ROUNDS):
        sums, counts = _sums(vectors, labels, len(centres))
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


def default_min_cluster_size(n: int) -> int:
    """The smallest group of pictures that HDBSCAN calls a cluster: 0.4·√n, kept in 5 to 50."""
    return min(50, max(5, round(0.4 * sqrt(n))))


def hdbscan(
    vectors: NDArray[np.float32],
    *,
    min_cluster_size: int | None,
    seed: int,
    assign_noise: bool,
    reporter: Reporter | None = None,
) -> Clustering:
    """HDBSCAN (Campello et al. 2013) on a UMAP reduction; the number of clusters is found.

    Args:
        vectors: (n, D) embeddings.
        min_cluster_size: smallest cluster, at least 2; None for `default_min_cluster_size`.
        seed: of the reduction.
        assign_noise: whether noise is given to the cluster with the nearest centre.
        reporter: told where no cluster could be found; None for nobody.
    """
    smallest = min_cluster_size or default_min_cluster_size(len(vectors))
    found = _density_labels(vectors, smallest, seed)
    if (found == NOISE).all():
        if reporter:
            reporter.warn(
                f"HDBSCAN found no group of {smallest} or more pictures among {len(vectors)}; "
                "lower --min-cluster-size or use --algorithm kmeans"
            )
    elif assign_noise:
        from scipy.spatial.distance import cdist

        noise = found == NOISE
        centres = _centres(vectors, found)
        found[noise] = cdist(vectors[noise], centres).argmin(axis=1)
    return _by_size(vectors, found)


def _density_labels(vectors: NDArray[np.float32], smallest: int, seed: int) -> NDArray[np.int64]:
    if len(vectors) < smallest:
        return np.full(len(vectors), NOISE, dtype=np.int64)
    reduced = umap_reduce(vectors, _HDBSCAN_DIM, seed=seed, neighbours=_HDBSCAN_NEIGHBOURS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes and renamed arguments inside the library
        from hdbscan import HDBSCAN

        model = HDBSCAN(
            min_cluster_size=smallest,
            min_samples=min(_HDBSCAN_MIN_SAMPLES, smallest, len(vectors) - 1),
            core_dist_n_jobs=1,
        )
        return np.asarray(model.fit_predict(reduced.astype(np.float64)), dtype=np.int64)


def representatives(clustering: Clustering, most: int) -> dict[int, tuple[int, ...]]:
    """The `most` pictures of each cluster that lie nearest to its centre, nearest first."""
    result: dict[int, tuple[int, ...]] = {}
    for label in range(len(clustering.centres)):
        members = np.flatnonzero(clustering.labels == label)
        order = np.argsort(clustering.distances[members], kind="stable")[:most]
        result[label] = tuple(int(i) for i in members[order])
    return result


def _by_size(vectors: NDArray[np.float32], found: NDArray[np.int64]) -> Clustering:
    """Number clusters by size, ties by their first picture; add centres and distances."""
    names, first, counts = np.unique(found, return_index=True, return_counts=True)
    clusters = [i for i, name in enumerate(names) if name != NOISE]
    order = sorted(clusters, key=lambda i: (-counts[i], first[i]))
    labels = np.full(len(found), NOISE, dtype=np.int64)
    for label, i in enumerate(order):
        labels[found == names[i]] = label
    centres = _centres(vectors, labels)
    return Clustering(labels, centres, _distances(vectors, labels, centres))


def _centres(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean of each cluster: (K, D) float32."""
    sums, counts = _sums(vectors, labels, int(labels.max(initial=NOISE)) + 1)
    return (sums / counts[:, None]).astype(np.float32)


def _sums(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], clusters: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum (K, D) and number (K,) of each cluster's vectors; noise is left out."""
    from scipy.sparse import csr_array

    sums = np.zeros((clusters, vectors.shape[1]))
    for rows in _parts(len(vectors)):
        kept = np.flatnonzero(labels[rows] != NOISE)
        shape = (clusters, len(labels[rows]))
        members = csr_array((np.ones(len(kept)), (labels[rows][kept], kept)), shape=shape)
        sums += members @ vectors[rows].astype(np.float64)
    return sums, np.bincount(labels[labels != NOISE], minlength=clusters)


def _parts(n: int) -> Iterator[slice]:
    """`n` rows in parts small enough to be copied."""
    return (slice(start, start + _ROWS_AT_ONCE) for start in range(0, n, _ROWS_AT_ONCE))


def _distances(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Distance of each picture to its own centre, of noise to the nearest one: (n,) float32."""
    distances = np.full(len(vectors), np.nan, dtype=np.float32)
    if len(centres):
        from scipy.spatial.distance import cdist

        for rows in _parts(len(vectors)):
            part, own = vectors[rows], labels[rows]
            kept = own != NOISE
            found = np.empty(len(part), dtype=np.float32)
            found[kept] = np.linalg.norm(part[kept] - centres[own[kept]], axis=1)
            found[~kept] = cdist(part[~kept], centres).min(axis=1)
            distances[rows] = found
    return distances

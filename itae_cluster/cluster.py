"""Embeddings to clusters: K-Means (Sec. 3.4 of the ITAE paper) or HDBSCAN on a UMAP reduction.

Clusters come numbered by size, largest first. Centres and distances are in the space of the
embeddings (length-1 vectors, so distances lie between 0 and 2) whatever found the clusters.
"""

from __future__ import annotations

import warnings
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.errors import InputError
from itae_cluster.reduce import umap_reduce
from itae_cluster.types import NOISE, Clustering

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from itae_cluster.types import Reporter

__all__ = ["default_min_cluster_size", "hdbscan", "kmeans", "representatives"]

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
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # identical pictures are reported below, in our words
        found = KMeans(k, n_init=restarts, random_state=seed).fit_predict(vectors)
    clustering = _by_size(vectors, found.astype(np.int64))
    if reporter and len(clustering.centres) < k:
        reporter.warn(
            f"only {len(clustering.centres)} of {k} clusters have pictures: the others are "
            "identical to one another"
        )
    return clustering


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
    kept = labels != NOISE
    counts = np.bincount(labels[kept])
    sums = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(sums, labels[kept], vectors[kept])
    return (sums / counts[:, None]).astype(np.float32)


def _distances(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], centres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Distance of each picture to its own centre, of noise to the nearest one: (n,) float32."""
    distances = np.full(len(vectors), np.nan, dtype=np.float32)
    if len(centres):
        from scipy.spatial.distance import cdist

        kept = labels != NOISE
        distances[kept] = np.linalg.norm(vectors[kept] - centres[labels[kept]], axis=1)
        distances[~kept] = cdist(vectors[~kept], centres).min(axis=1)
    return distances

"""Clusters of more vectors than memory holds: found in a sample, then given to all, part by part.

A sample is clustered by the recipe as any set of pictures is. What it found becomes prototypes:
for K-Means of the embeddings as they are the centres themselves, which a few rounds of Lloyd's
algorithm over all vectors improve; for any other recipe several points a cluster, since its
clusters need not be round. Every vector then goes with its nearest prototype. Memory holds the
sample, the prototypes and a part; a label and a distance for each vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering.algorithms import sum_clusters
from itae_cluster.core.batches import slices
from itae_cluster.core.types import NOISE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from itae_cluster.core.types import Clustering

__all__ = [
    "Prototypes",
    "Tally",
    "assign",
    "bundles",
    "centre_prototypes",
    "number_by_size",
    "place_prototypes",
    "rest",
    "sample_size",
    "tally",
]

_SAMPLE = 100_000
_SAMPLED_PER_CLUSTER = 256
_PROTOTYPES = 2048
_CELLS_AT_ONCE = 1 << 24  # similarities held at once, 64 MB
_REST = 1e-4


@dataclass(frozen=True, slots=True)
class Prototypes:
    """`points` (P, D) float32, and the cluster that each stands for: `labels` (P,)."""

    points: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tally:
    """What a part tells: labels (m,), and each cluster's sum (K, D) and number (K,) of vectors."""

    labels: NDArray[np.int32]
    sums: NDArray[np.float64]
    counts: NDArray[np.int64]


def sample_size(n: int, k: int | None, most: int) -> int:
    """How many of `n` vectors are clustered first: enough for `k` clusters, at most `most`."""
    return min(n, most, max(_SAMPLE, _SAMPLED_PER_CLUSTER * (k or 0)))


def centre_prototypes(clustering: Clustering) -> Prototypes:
    """One a cluster: its centre."""
    return Prototypes(clustering.centres, np.arange(len(clustering.centres)))


def place_prototypes(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> Prototypes:
    """Several a cluster, and for noise too, in proportion to their pictures; by K-Means in each.

    Args:
        vectors: (n, D) the sample.
        labels: (n,) what its clusters are, `NOISE` for none.
        seed: of the starts.
    """
    from sklearn.cluster import MiniBatchKMeans

    points, names = [], []
    for name in np.unique(labels):
        members = vectors[labels == name]
        wanted = max(1, round(_PROTOTYPES * len(members) / len(vectors)))
        if wanted >= len(members):
            found = members
        elif wanted == 1:
            found = members.mean(axis=0, keepdims=True)
        else:
            model = MiniBatchKMeans(wanted, random_state=seed, n_init=1, batch_size=4096)
            found = model.fit(members).cluster_centers_
        points.append(np.asarray(found, dtype=np.float32))
        names += [int(name)] * len(found)
    return Prototypes(np.concatenate(points), np.array(names, dtype=np.int64))


def assign(vectors: NDArray[np.float32], prototypes: Prototypes) -> NDArray[np.int64]:
    """The cluster of the nearest prototype: (m, D) → (m,)."""
    points = prototypes.points
    half = np.einsum("pd,pd->p", points, points) / 2
    nearest = np.empty(len(vectors), dtype=np.int64)
    for rows in slices(len(vectors), max(1, _CELLS_AT_ONCE // len(points))):
        closeness = vectors[rows] @ points.T
        closeness -= half
        nearest[rows] = closeness.argmax(axis=1)
    return prototypes.labels[nearest]


def tally(vectors: NDArray[np.float32], prototypes: Prototypes, clusters: int) -> Tally:
    """Labels of a part, and what the centres of `clusters` clusters need of it."""
    labels = assign(vectors, prototypes)
    sums, counts = sum_clusters(vectors, labels, clusters)
    return Tally(labels.astype(np.int32), sums, counts)


def rest(vectors: NDArray[np.float32]) -> float:
    """How far, squared, all centres together may move and still count as at rest."""
    return _REST * float(np.mean(np.var(vectors, axis=0)))


def number_by_size(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Cluster 0 is the largest, ties by the first picture.

    Returns:
        The labels (n,) by their new numbers, and what each number was called before (K,).
    """
    names, first, counts = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    order = order[names[order] != NOISE]
    new = np.full(int(names.max(initial=NOISE)) + 2, NOISE, dtype=np.int32)
    new[names[order]] = np.arange(len(order), dtype=np.int32)
    return new[labels], names[order].astype(np.int64)


def bundles(labels: NDArray[np.int32], most: int) -> Iterator[slice]:
    """Sorted labels in slices of whole clusters, `most` rows at a time; a larger one is cut."""
    ends = [*(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    start = end = 0
    for last in ends:
        if last - start > most and end > start:
            yield slice(start, end)
            start = end
        while last - start > most:
            yield slice(start, start + most)
            start += most
        end = last
    if end > start:
        yield slice(start, end)

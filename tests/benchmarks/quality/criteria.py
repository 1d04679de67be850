"""Ways to find k without labels, to be compared: the one that is used, and others."""

from __future__ import annotations

import statistics
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering.algorithms import kmeans
from itae_cluster.clustering.choose_k import ScoredSample, candidates, search
from itae_cluster.clustering.recipe import reduce_vectors
from itae_cluster.core.options import ClusterOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache

__all__ = ["RUNNER_UP", "TAKEN", "found", "taken"]

TAKEN, RUNNER_UP = "the one taken", "its runner-up"

_RESAMPLES = 2
_KEPT = 0.8
_NEIGHBOURS = 10


def found(vectors: NDArray[np.float32], seed: int, cache: Cache) -> dict[str, int]:
    """The number of clusters by each criterion; ties go to the smaller one."""
    numbers = candidates(len(vectors), None)
    sample = ScoredSample(vectors, seed)
    points = sample.points
    packed = reduce_vectors(vectors, ClusterOptions(k=1, seed=seed), cache)
    return {
        **taken(sample, numbers),
        "plain silhouette": _best({k: _silhouette(points, k, seed) for k in numbers}),
        "silhouette in UMAP": _best({k: _silhouette(packed, k, seed) for k in numbers}),
        "stability": _best({k: _stability(points, k, seed) for k in numbers[::2]}),
        "eigengap": _eigengap(points, numbers[-1]),
    }


def taken(sample: ScoredSample, numbers: Sequence[int]) -> dict[str, int]:
    """The number that is used, its runner-up, and what the parts of the rule say alone."""
    choice = search(sample, numbers)
    others = [k for k in (choice.coarser, choice.finer) if k is not None]
    scores = np.array([sample.scores(k) for k in numbers])  # (numbers, searches, 2)
    silhouette, modularity = (
        statistics.median_low([numbers[place] for place in each.argmax(axis=0)])
        for each in np.moveaxis(scores, 2, 0)
    )
    return {
        TAKEN: choice.k,
        RUNNER_UP: max(others, key=dict(choice.scores).__getitem__, default=choice.k),
        "its silhouette alone": silhouette,
        "its modularity alone": modularity,
    }


def _best(scores: dict[int, float]) -> int:
    return max(sorted(scores), key=scores.__getitem__)


def _silhouette(points: NDArray[np.float32], k: int, seed: int) -> float:
    """Mean over the pictures, of plain distances (Rousseeuw 1987)."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(points, kmeans(points, k, seed=seed, restarts=2)))


def _stability(points: NDArray[np.float32], k: int, seed: int) -> float:
    """Agreement of clusterings of random 80 % of the pictures (Ben-Hur et al. 2002)."""
    from sklearn.metrics import adjusted_rand_score

    random = np.random.default_rng(seed)
    labels = np.full((_RESAMPLES, len(points)), -1)
    for row in labels:
        kept = random.permutation(len(points))[: max(k, int(_KEPT * len(points)))]
        row[kept] = kmeans(points[kept], k, seed=seed, restarts=1)
    agreements = []
    for one, other in combinations(labels, 2):
        both = (one >= 0) & (other >= 0)
        agreements.append(adjusted_rand_score(one[both], other[both]))
    return float(np.mean(agreements))


def _eigengap(points: NDArray[np.float32], highest: int) -> int:
    """Where the eigenvalues of the neighbour graph's Laplacian part most (von Luxburg 2007)."""
    from scipy.sparse.csgraph import laplacian
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(points, min(_NEIGHBOURS, len(points) - 1))
    matrix = laplacian(((graph + graph.T) / 2).toarray(), normed=True)
    values = np.linalg.eigvalsh(matrix)[: highest + 1]
    return int(np.diff(values)[1:].argmax()) + 2

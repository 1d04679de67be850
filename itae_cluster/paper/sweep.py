"""The ablation of Sec. 5.2 (Fig. 5): how clusters change as θ goes up.

Each θ gets two scores that need no labels: the silhouette of K-Means clusters in a UMAP reduction
(Rousseeuw 1987; Lowe et al. 2024, arXiv:2406.02465, find that it tracks true quality there), and
the stability of the clusters when pictures are left out (Ben-Hur et al. 2002): the mean adjusted
Rand index between clusterings of random 80 % of the pictures, on those that both hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering.algorithms import kmeans
from itae_cluster.clustering.reduce import umap_reduce
from itae_cluster.paper.scores import Scores, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ClusterScores", "SweepPoint", "score_clusters"]

_DIM = 5
_RESTARTS = 5
_RESAMPLES = 5
_KEPT = 0.8


@dataclass(frozen=True, slots=True)
class ClusterScores:
    """`silhouette` −1 to 1 and `stability` −1 to 1; `labelled` where true labels are known."""

    silhouette: float | None
    stability: float | None
    labelled: Scores | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """One θ of a sweep, None for ITAE off, and what it does.

    `share` of the tokens and of the `pictures` that it attenuates, 0 to 1 · scores of the clusters,
    as in `ClusterScores` and `Scores`; None where they are not known.
    """

    theta: float | None
    share: float
    pictures: float
    silhouette: float | None = None
    stability: float | None = None
    acc: float | None = None
    ari: float | None = None
    nmi: float | None = None


def score_clusters(
    vectors: NDArray[np.float32],
    k: int,
    *,
    truth: Sequence[str] | None,
    seed: int,
) -> ClusterScores:
    """Score K-Means on the embeddings of one θ.

    Args:
        vectors: (n, D) embeddings.
        k: number of clusters.
        truth: n labels, where they are known.
        seed: of reduction, clustering and resampling.
    """
    labels = kmeans(vectors, k, seed=seed, restarts=_RESTARTS)
    return ClusterScores(
        _silhouette(vectors, k, seed),
        _stability(vectors, k, seed),
        None if truth is None else score(truth, labels),
    )


def _silhouette(vectors: NDArray[np.float32], k: int, seed: int) -> float | None:
    from sklearn.metrics import silhouette_score

    reduced = umap_reduce(vectors, _DIM, seed=seed)
    labels = kmeans(reduced, k, seed=seed, restarts=_RESTARTS)
    if not 1 < len(set(labels.tolist())) < len(labels):
        return None
    return float(silhouette_score(reduced, labels))


def _stability(vectors: NDArray[np.float32], k: int, seed: int) -> float | None:
    from sklearn.metrics import adjusted_rand_score

    n = len(vectors)
    size = int(_KEPT * n)
    if size <= k:
        return None
    random = np.random.default_rng(seed)
    found = np.full((_RESAMPLES, n), -1)
    for row in found:
        kept = random.choice(n, size=size, replace=False)
        row[kept] = kmeans(vectors[kept], k, seed=seed, restarts=_RESTARTS)
    agreements = []
    for one, other in combinations(found, 2):
        both = (one >= 0) & (other >= 0)
        agreements.append(adjusted_rand_score(one[both], other[both]))
    return float(np.mean(agreements))

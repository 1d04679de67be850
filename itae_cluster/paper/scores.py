"""How well clusters, and nearest neighbours, agree with true labels.

ACC, ARI and NMI are the measures of the ITAE paper (Sec. 4.1), k-NN accuracy is that of its Tab. 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.batches import slices
from itae_cluster.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MOST_CELLS", "Scores", "clustering_accuracy", "knn_accuracy", "score"]

_TEMPERATURE = 0.07  # of the k-NN vote: Wu et al. 2018, and DINOv2's evaluation after it
MOST_CELLS = 1 << 24
"""Similarities held at once: 64 MB."""


@dataclass(frozen=True, slots=True)
class Scores:
    """One clustering against the truth. `acc` and `nmi` 0 to 1, `ari` −0.5 to 1 (0 is chance)."""

    acc: float
    ari: float
    nmi: float


def score(truth: Sequence[str] | NDArray[np.int64], labels: NDArray[np.int64]) -> Scores:
    """ACC, ARI (Hubert & Arabie 1985) and NMI (arithmetic mean of the entropies) of a clustering.

    Noise (−1) is wrong for ACC, and one cluster like any other for ARI and NMI.

    Args:
        truth: n class names or numbers.
        labels: (n,) cluster of each picture, −1 for none.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    names = np.asarray(truth)
    return Scores(
        acc=clustering_accuracy(truth, labels),
        ari=float(adjusted_rand_score(names, labels)),
        nmi=float(normalized_mutual_info_score(names, labels, average_method="arithmetic")),
    )


def clustering_accuracy(
    truth: Sequence[str] | NDArray[np.int64], labels: NDArray[np.int64]
) -> float:
    """ACC: the share of pictures in the right place under the best one-to-one assignment.

    Each cluster is matched with at most one class (Hungarian method, Kuhn 1955), so numbers of
    clusters and classes may differ; unmatched clusters and noise (−1) count as wrong.

    Args:
        truth: n class names or numbers.
        labels: (n,) cluster of each picture, −1 for none.

    Returns:
        A ratio, 0 to 1.
    """
    from scipy.optimize import linear_sum_assignment

    classes, rows = np.unique(np.asarray(truth), return_inverse=True)
    kept = labels >= 0
    counts = np.zeros((len(classes), int(labels.max(initial=-1)) + 1), dtype=np.int64)
    np.add.at(counts, (rows[kept], labels[kept]), 1)
    matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return float(matched / len(labels))


def knn_accuracy(
    train: NDArray[np.float32],
    train_labels: Sequence[str],
    test: NDArray[np.float32],
    test_labels: Sequence[str],
    k: int,
) -> float:
    """The share of test pictures that their `k` nearest training pictures name rightly.

    The vote of DINOv2's evaluation (Oquab et al. 2024, after Wu et al. 2018): each neighbour votes
    for its class with weight exp(cosine / 0.07). A tie goes to the class that sorts first. A
    class without training pictures is never named. Memory does not grow with the test set.

    Args:
        train: (m, D), rows of length 1.
        train_labels: m class names.
        test: (n, D), rows of length 1.
        test_labels: n class names.
        k: neighbours that vote, 1 to m.

    Returns:
        A ratio, 0 to 1.

    Raises:
        InputError: if there are fewer training pictures than neighbours.
    """
    if k > len(train):
        raise InputError(
            f"--knn {k} asks for more neighbours than there are training pictures ({len(train)}); "
            f"use --knn {len(train)} or less, or a larger --train"
        )
    classes, votes_for = np.unique(np.asarray(train_labels), return_inverse=True)
    right = 0
    for rows in slices(len(test), max(1, MOST_CELLS // len(train))):
        cosines = test[rows] @ train.T  # (b, m)
        named = classes[_vote(cosines, votes_for, k, len(classes))]
        right += int((named == np.asarray(test_labels[rows])).sum())
    return right / len(test)


def _vote(
    cosines: NDArray[np.float32], votes_for: NDArray[np.int64], k: int, classes: int
) -> NDArray[np.int64]:
    """The class with most weight among the `k` nearest: (b, m) → (b,)."""
    nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]  # (b, k)
    similarity = np.take_along_axis(cosines, nearest, axis=1).astype(np.float64)
    weights = np.exp((similarity - similarity.max(axis=1, keepdims=True)) / _TEMPERATURE)
    votes = np.zeros((len(cosines), classes))
    np.add.at(votes, (np.arange(len(cosines))[:, None], votes_for[nearest]), weights)
    return np.asarray(votes.argmax(axis=1), dtype=np.int64)

"""How many clusters: K-Means for many k on a sample, and the k whose clusters hold together best.

Two scores that need no labels are brought to the same range over all k and averaged:

- the silhouette (Rousseeuw 1987): is a picture nearer to its own cluster than to the next one, as
  distances go about it (local scaling, Zelnik-Manor & Perona 2004)?
- the modularity (Newman & Girvan 2004) of the graph of nearest neighbours: do they share a cluster,
  more than chance would have it?

They err in opposite ways. The silhouette likes two groups, or hundreds; modularity likes what lies
between. Modularity does not see groups that are small for the number of links (Fortunato &
Barthélemy 2007), so each picture has few. For each k K-Means starts four times, and the scores of
the two tightest results are averaged, since one start alone makes both curves jagged.

Both are taken about the mean of the pictures, in principal components, so that no k costs another
reduction; docs/quality.md compares them with others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.cluster import kmeans
from itae_cluster.errors import InputError
from itae_cluster.reduce import pca_reduce
from itae_cluster.sampling import sample_rows
from itae_cluster.types import Choice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.types import Reporter

__all__ = ["Sample", "candidates", "check_range", "choose", "scaled"]

_CRITERION = "silhouette + modularity"
_MOST_SAMPLED = 2000
_FEWEST_EACH = 2  # pictures a cluster on average, or nothing is gathered
_STEP = 1.15
_STARTS = 4
_BETTER_STARTS = 2  # whose scores count
_DIM = 256  # many, or hundreds of small groups fall together
_NEIGHBOURS = 3  # beyond the picture itself; more would hide small groups
_LOCAL = 7  # the neighbour whose distance is the scale about a picture, as in the paper
_SMALLEST_SCALE = 1e-6  # about pictures that are all the same
_STAGE = "Looking for k"


class Sample:
    """Some pictures, their distances and neighbours, on which numbers of clusters are tried.

    Args:
        vectors: (n, D) embeddings, of which at most 2,000 are looked at.
        seed: of the sample and of K-Means.
    """

    def __init__(self, vectors: NDArray[np.float32], seed: int) -> None:
        from sklearn.metrics import pairwise_distances
        from sklearn.neighbors import kneighbors_graph

        rows = sample_rows(len(vectors), _MOST_SAMPLED, seed)
        self.points = pca_reduce(vectors[rows], _DIM)
        self._seed = seed
        distances = pairwise_distances(self.points)
        np.fill_diagonal(distances, 0)
        self._distances = _locally_scaled(distances)
        graph = kneighbors_graph(self.points, min(_NEIGHBOURS, len(rows) - 1))
        self._graph = (graph + graph.T).tocoo()
        self._degrees = np.bincount(self._graph.row, weights=self._graph.data)

    def labels(self, k: int) -> list[NDArray[np.int64]]:
        """(n,) clusters of K-Means, 0 to at most k − 1, from the better starts."""
        from threadpoolctl import threadpool_limits

        seeds = range(_STARTS * self._seed, _STARTS * (self._seed + 1))
        with threadpool_limits(1):  # so little work that threads get in each other's way
            starts = [kmeans(self.points, k, seed=seed, restarts=1) for seed in seeds]
        found = [np.unique(each, return_inverse=True)[1] for each in starts]
        return sorted(found, key=self._tightness, reverse=True)[:_BETTER_STARTS]

    def scores(self, k: int) -> tuple[float, float]:
        """Silhouette and modularity of k clusters, each the mean over the better starts."""
        pairs = [(self.silhouette(each), self.modularity(each)) for each in self.labels(k)]
        silhouette, modularity = np.mean(pairs, axis=0).tolist()
        return silhouette, modularity

    def _tightness(self, labels: NDArray[np.int64]) -> float:
        """What K-Means makes large: squared lengths of the clusters' means, by size."""
        order, starts, counts = _members(labels)
        sums = np.add.reduceat(self.points[order], starts, axis=0)
        return float(((sums**2).sum(axis=1) / counts).sum())

    def silhouette(self, labels: NDArray[np.int64]) -> float:
        """Mean silhouette of the pictures, −1 to 1; −1 where it has no meaning."""
        order, starts, counts = _members(labels)
        if not 1 < len(counts) < len(labels):
            return -1.0
        sums = np.add.reduceat(self._distances[order], starts, axis=0)  # (k, n)
        here = labels, np.arange(len(labels))
        own = sums[here] / np.maximum(counts[labels] - 1, 1)
        means = sums / counts[:, None]
        means[here] = np.inf
        other = means.min(axis=0)
        each = (other - own) / np.maximum(np.maximum(own, other), _SMALLEST_SCALE)
        return float(np.mean(np.where(counts[labels] > 1, each, 0)))

    def modularity(self, labels: NDArray[np.int64]) -> float:
        """Share of neighbours that have one cluster, less what chance would make it; −0.5 to 1."""
        same = labels[self._graph.row] == labels[self._graph.col]
        total = self._degrees.sum()
        shares = np.bincount(labels, weights=self._degrees) / total
        return float(self._graph.data[same].sum() / total - (shares**2).sum())


def _members(
    labels: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows ordered by cluster, where each cluster starts there, and its size."""
    counts = np.bincount(labels)
    return np.argsort(labels, kind="stable"), np.cumsum(counts) - counts, counts


def _locally_scaled(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each distance over the geometric mean of the scales about its two ends."""
    place = min(_LOCAL, len(distances) - 1)
    scales = np.partition(distances, place, axis=1)[:, place]
    roots = np.sqrt(np.maximum(scales, _SMALLEST_SCALE))
    return np.asarray(distances / roots / roots[:, None], dtype=np.float32)


def check_range(n: int, k_range: tuple[int, int] | None) -> None:
    """Raise `InputError` where a range begins beyond what can be tried with `n` pictures."""
    highest = _highest(n)
    if k_range is not None and k_range[0] > highest:
        raise InputError(
            f"--k {k_range[0]}..{k_range[1]}: with {n} pictures k is looked for up to {highest}; "
            "give a lower range, or one number"
        )


def candidates(n: int, k_range: tuple[int, int] | None) -> list[int]:
    """Numbers to try for `n` pictures: the first ones all, then in steps of about a seventh."""
    low, high = k_range or (2, n)
    high = min(high, _highest(n))
    tried = [low]
    while tried[-1] < high:
        tried.append(min(high, max(tried[-1] + 1, round(tried[-1] * _STEP))))
    return [k for k in tried if k <= high]


def choose(
    vectors: NDArray[np.float32],
    k_range: tuple[int, int] | None,
    *,
    seed: int,
    reporter: Reporter | None = None,
) -> Choice:
    """The number of clusters that fits best: steps of a seventh first, then those around the best.

    Args:
        vectors: (n, D) embeddings.
        k_range: lowest and highest k; None for 2 to half the number of pictures, or of the sample.
        seed: of the sample and of K-Means.
        reporter: told of progress; None for nobody.

    Raises:
        InputError: if the range begins beyond what can be tried.
    """
    check_range(len(vectors), k_range)
    first = candidates(len(vectors), k_range)
    if len(first) < 2 or len(vectors) < 2 * _FEWEST_EACH:
        k = min(first[0] if first else 1, len(vectors)) if k_range else 1
        return Choice(k, None, _CRITERION, len(vectors), ())
    sample = Sample(vectors, seed)
    scores = _tried(sample, first, {}, reporter)
    best = max(first, key=_judged(scores).__getitem__)
    place = first.index(best)
    around = range(first[max(0, place - 1)], first[min(len(first) - 1, place + 1)] + 1)
    scores = _tried(sample, _some(around), scores, reporter)
    judged = _judged(scores)
    k = max(sorted(judged), key=judged.__getitem__)
    return Choice(
        k=k,
        runner_up=_runner_up(judged, k),
        criterion=_CRITERION,
        sample=len(sample.points),
        scores=tuple((each, round(judged[each], 4)) for each in sorted(judged)),
    )


def _tried(
    sample: Sample,
    numbers: Sequence[int],
    known: dict[int, tuple[float, float]],
    reporter: Reporter | None,
) -> dict[int, tuple[float, float]]:
    """Silhouette and modularity of each k, beside those that are known."""
    scores = dict(known)
    for done, k in enumerate(numbers, start=1):
        if k not in scores:
            scores[k] = sample.scores(k)
        if reporter:
            reporter.progress(_STAGE, done, len(numbers))
    return scores


def _judged(scores: Mapping[int, tuple[float, float]]) -> dict[int, float]:
    """One score a k, 0 to 1: the mean of both, each scaled over all k."""
    silhouette, modularity = (scaled(each) for each in zip(*scores.values(), strict=True))
    return dict(zip(scores, ((silhouette + modularity) / 2).tolist(), strict=True))


def scaled(values: Iterable[float]) -> NDArray[np.float64]:
    """Lowest to 0, highest to 1."""
    given = np.array(list(values), dtype=np.float64)
    return np.asarray((given - given.min()) / max(float(np.ptp(given)), 1e-9))


def _runner_up(scores: dict[int, float], k: int) -> int | None:
    """The best k at a peak of its own, so that it is another answer, not the same one again."""
    tried = sorted(scores)
    peaks = [
        each
        for place, each in enumerate(tried)
        if each != k
        and all(scores[each] >= scores[near] for near in tried[max(0, place - 1) : place + 2])
    ]
    others = peaks or [each for each in tried if each != k]
    return max(others, key=scores.__getitem__) if others else None


def _some(numbers: range) -> list[int]:
    """At most nine of them, evenly."""
    step = max(1, len(numbers) // 8)
    return list(numbers[::step])


def _highest(n: int) -> int:
    return min(n, _MOST_SAMPLED) // _FEWEST_EACH

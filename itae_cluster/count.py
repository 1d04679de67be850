"""How many clusters: K-Means for many k on a sample, and the k whose clusters hold together best.

Two scores that need no labels are asked in turn:

- the modularity of the neighbour graph (Newman & Girvan 2004): do neighbours share a cluster, more
  than chance would have it? Its peak is broad: every k within 3 % of it is plausible;
- the silhouette (Rousseeuw 1987): is a picture nearer to its own cluster than to the next one? It
  chooses among those. Alone it would stop at two where a few large groups stand out.

Modularity does not see groups that are small for the collection (Fortunato & Barthélemy 2007). So
where the silhouette of all numbers is best for groups of ten pictures or fewer, it decides alone.

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

_CRITERION = "silhouette where modularity is high"
_MOST_SAMPLED = 2000
_FEWEST_EACH = 2  # pictures a cluster on average, or nothing is gathered
_STEP = 1.15
_RESTARTS = 2
_DIM = 256  # many, or hundreds of small groups fall together
_NEIGHBOURS = 10  # beyond the picture itself
_PLAUSIBLE = 0.97  # of the highest modularity
_SMALL_GROUP = 10  # pictures on average
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
        self._distances = pairwise_distances(self.points)
        np.fill_diagonal(self._distances, 0)
        graph = kneighbors_graph(self.points, min(_NEIGHBOURS, len(rows) - 1))
        self._graph = (graph + graph.T).tocsr()

    def labels(self, k: int) -> NDArray[np.int64]:
        """(n,) clusters of K-Means."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):  # so little work that threads get in each other's way
            return kmeans(self.points, k, seed=self._seed, restarts=_RESTARTS)

    def silhouette(self, labels: NDArray[np.int64]) -> float:
        """Mean silhouette of the pictures, −1 to 1; −1 where it has no meaning."""
        from sklearn.metrics import silhouette_score

        if not 1 < len(np.unique(labels)) < len(labels):
            return -1.0
        return float(silhouette_score(self._distances, labels, metric="precomputed"))

    def modularity(self, labels: NDArray[np.int64]) -> float:
        """Share of neighbours that have one cluster, less what chance would make it; −0.5 to 1."""
        names, own = np.unique(labels, return_inverse=True)
        edges = self._graph.tocoo()
        within = float(edges.data[own[edges.row] == own[edges.col]].sum())
        degrees = np.bincount(own, weights=np.asarray(self._graph.sum(axis=1)).ravel())
        total = float(edges.data.sum())
        assert len(degrees) == len(names)
        return within / total - float(((degrees / total) ** 2).sum())


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
    best = max(first, key=_judged(scores, len(sample.points)).__getitem__)
    place = first.index(best)
    around = range(first[max(0, place - 1)], first[min(len(first) - 1, place + 1)] + 1)
    scores = _tried(sample, _some(around), scores, reporter)
    judged = _judged(scores, len(sample.points))
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
            labels = sample.labels(k)
            scores[k] = sample.silhouette(labels), sample.modularity(labels)
        if reporter:
            reporter.progress(_STAGE, done, len(numbers))
    return scores


def _judged(scores: Mapping[int, tuple[float, float]], n: int) -> dict[int, float]:
    """One score a k: the silhouette, scaled to 0 to 1, and 1 less where k is not plausible."""
    silhouette = scaled(pair[0] for pair in scores.values())
    modularity = np.array([pair[1] for pair in scores.values()])
    best = list(scores)[int(silhouette.argmax())]
    if n > _SMALL_GROUP * best:
        silhouette = silhouette - (modularity < _PLAUSIBLE * modularity.max())
    return dict(zip(scores, silhouette.tolist(), strict=True))


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

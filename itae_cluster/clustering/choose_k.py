"""How many clusters: K-Means for many k on a sample, and the k whose clusters hold together best.

Two scores that need no labels are brought to the same range over all k and averaged:

- the silhouette (Rousseeuw 1987): is a picture nearer to its own cluster than to the next one, as
  distances go about it (local scaling, Zelnik-Manor & Perona 2004)?
- the modularity (Newman & Girvan 2004) of the graph of nearest neighbours: do they share a cluster,
  more than chance would have it?

They err in opposite ways. The silhouette likes two groups, or hundreds; modularity likes what lies
between. Modularity does not see groups that are small for the number of links (Fortunato &
Barthélemy 2007), so each picture has few.

Where K-Means starts makes both curves jagged, so five searches are made, and a score is the mean of
all of them and of those of like numbers. The number whose score is highest is taken; what each
search would have said alone tells how sure that is. A search draws its starts once, by k-means++,
which draws one centre after the other: the first k of them are those of K-Means with k clusters.

Both scores say little of small groups beside large ones. So where clusters of that number hold what
is clearly different (`apart`), as many are added as that takes.

Both are taken about the mean of the pictures, in principal components, so that no k costs another
reduction; docs/quality.md compares them with others.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering.apart import count_apart
from itae_cluster.clustering.reduce import pca_reduce
from itae_cluster.clustering.sampling import sample_rows
from itae_cluster.clustering.silhouette import silhouettes
from itae_cluster.core.errors import InputError
from itae_cluster.core.text import quantity
from itae_cluster.core.types import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.types import Reporter

__all__ = ["ScoredSample", "candidates", "check_range", "choose", "is_beyond", "search"]

_CRITERION = "silhouette + modularity"
_MOST_SAMPLED = 2000
_FEWEST_EACH = 2  # pictures a cluster on average, or nothing is gathered
_STEP = 1.15
_SEARCHES = 5
_ALIKE = 2  # times as many clusters, or as few, say nothing any more of a number's score
_ANOTHER = 2  # times as many clusters, or half of them, are another answer
_DIM = 256  # many, or hundreds of small groups fall together
_NEIGHBOURS = 3  # beyond the picture itself; more would hide small groups
_LOCAL = 7  # the neighbour whose distance is the scale about a picture, as in the paper
_SMALLEST_SPREAD = 1e-9  # of scores that are all the same
_SMALLEST_SCALE = 1e-6  # about pictures that are all the same
_STAGE = "Looking for k"


class ScoredSample:
    """Some pictures, their distances and neighbours, on which numbers of clusters are tried.

    Args:
        vectors: (n, D) embeddings, 4 or more, of which at most 2,000 are looked at.
        seed: of the sample and of K-Means.
        most: the largest number that will be tried; None for half the pictures.
    """

    def __init__(self, vectors: NDArray[np.float32], seed: int, most: int | None = None) -> None:
        from sklearn.cluster import kmeans_plusplus
        from sklearn.metrics import pairwise_distances
        from sklearn.neighbors import kneighbors_graph

        rows = sample_rows(len(vectors), _MOST_SAMPLED, seed)
        self._vectors = vectors[rows]
        self.points = pca_reduce(self._vectors, _DIM)
        distances = pairwise_distances(self.points)
        np.fill_diagonal(distances, 0)
        self._distances = _locally_scaled(distances)
        graph = kneighbors_graph(self.points, min(_NEIGHBOURS, len(rows) - 1))
        self._graph = (graph + graph.T).tocoo()
        self._degrees = np.bincount(self._graph.row, weights=self._graph.data)
        self._known: dict[int, NDArray[np.float64]] = {}
        self._starts = [
            kmeans_plusplus(self.points, most or _highest(len(rows)), random_state=each % 2**32)[0]
            for each in range(_SEARCHES * seed, _SEARCHES * (seed + 1))
        ]

    def labels(self, k: int) -> list[NDArray[np.int64]]:
        """(n,) clusters of K-Means, 0 to at most k − 1, in each of the five searches."""
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        # So little work that threads get in each other's way; identical pictures are no matter.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits = [KMeans(k, init=start[:k], n_init=1).fit(self.points) for start in self._starts]
        return [np.unique(fit.labels_, return_inverse=True)[1] for fit in fits]

    def scores(self, k: int) -> NDArray[np.float64]:
        """(searches, 2): silhouette and modularity of k clusters; found once."""
        if k not in self._known:
            pairs = [(self.silhouette(each), self.modularity(each)) for each in self.labels(k)]
            self._known[k] = np.array(pairs)
        return self._known[k]

    def count_apart(self, k: int) -> int:
        """How many groups k clusters hold, if what is clearly different counts; middle of five."""
        counts = [
            sum(count_apart(self._vectors[labels == each]) for each in range(labels.max() + 1))
            for labels in self.labels(k)
        ]
        return int(np.median(counts))

    def silhouette(self, labels: NDArray[np.int64]) -> float:
        """Mean silhouette of the pictures, −1 to 1; −1 where it has no meaning."""
        counts = np.bincount(labels)
        if not 1 < len(counts) < len(labels):
            return -1.0
        return float(np.mean(silhouettes(self._distances, labels)))

    def modularity(self, labels: NDArray[np.int64]) -> float:
        """Share of neighbours that have one cluster, less what chance would make it; −0.5 to 1."""
        same = labels[self._graph.row] == labels[self._graph.col]
        total = self._degrees.sum()
        shares = np.bincount(labels, weights=self._degrees) / total
        return float(self._graph.data[same].sum() / total - (shares**2).sum())


def _locally_scaled(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each distance over the geometric mean of the scales about its two ends."""
    place = min(_LOCAL, len(distances) - 1)
    scales = np.partition(distances, place, axis=1)[:, place]
    roots = np.sqrt(np.maximum(scales, _SMALLEST_SCALE))
    return np.asarray(distances / roots / roots[:, None], dtype=np.float32)


def is_beyond(n: int, k_range: tuple[int, int]) -> bool:
    """Whether a range begins beyond what can be tried with `n` pictures."""
    return k_range[0] > _highest(n)


def check_range(n: int, k_range: tuple[int, int] | None) -> None:
    """Raise `InputError` where a range begins beyond what can be tried with `n` pictures."""
    if k_range is not None and is_beyond(n, k_range):
        raise InputError(
            f"--k {k_range[0]}..{k_range[1]}: with {quantity(n, 'picture')} k is looked for up to "
            f"{_highest(n)}; "
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
    """The number of clusters that fits best: steps of a seventh first, then those around it.

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
        return Choice(k, None, None, _CRITERION, len(vectors), (k,), ())
    if reporter:
        reporter.progress(_STAGE, 0, _most_tried(first))
    return search(ScoredSample(vectors, seed, first[-1]), first, reporter)


def search(sample: ScoredSample, first: Sequence[int], reporter: Reporter | None = None) -> Choice:
    """The best of some numbers, two or more in ascending order, and of those around it."""
    total = _most_tried(first)
    scores = _tried(sample, first, reporter, 0, total)
    around = _around(first, first.index(_best(scores)))
    scores |= _tried(sample, around, reporter, total - len(around), total)
    best = _best(scores)
    k = _without_mixed(sample, best, first[-1])
    scores.setdefault(k, sample.scores(k))
    judged = _means(scores)
    return Choice(
        k=k,
        coarser=_best_of(judged, [each for each in judged if each * _ANOTHER <= k]),
        finer=_best_of(judged, [each for each in judged if each >= _ANOTHER * k]),
        criterion=_CRITERION,
        sample=len(sample.points),
        found=tuple(sorted(_answers(scores))),
        scores=tuple(judged.items()),
        apart=k - best,
    )


def _without_mixed(sample: ScoredSample, k: int, most: int) -> int:
    """As many more clusters as it takes until none holds what is clearly different."""
    while k < (needed := min(sample.count_apart(k), most)):
        k = needed
    return k


def _most_tried(first: Sequence[int]) -> int:
    """How many numbers are tried at most: those around the best are known only when it is."""
    return len(first) + max(len(_around(first, place)) for place in range(len(first)))


def _tried(
    sample: ScoredSample,
    numbers: Sequence[int],
    reporter: Reporter | None,
    before: int,
    total: int,
) -> dict[int, NDArray[np.float64]]:
    """The scores of each k, as a part of a bar: `before` of `total` were done at the start."""
    scores = {}
    for done, k in enumerate(numbers, start=before + 1):
        scores[k] = sample.scores(k)
        if reporter:
            reporter.progress(_STAGE, done, total)
    return scores


def _judged(scores: Mapping[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """(searches, numbers) 0 to 1, k ascending: the mean of both, each scaled over all k.

    Each is then a mean with those of like numbers, which weigh the less the further their
    logarithms are apart; so do numbers that were tried close together.
    """
    numbers = np.log(sorted(scores))
    curves = np.array([scores[k] for k in sorted(scores)])  # (numbers, searches, 2)
    spread = np.maximum(np.ptp(curves, axis=0), _SMALLEST_SPREAD)
    each = ((curves - curves.min(axis=0)) / spread).mean(axis=2)
    apart = np.abs(numbers[:, None] - numbers) / np.log(_ALIKE)
    weights = np.maximum(1 - apart, 0) * np.gradient(numbers)
    return np.asarray((weights / weights.sum(axis=1, keepdims=True) @ each).T)


def _means(scores: Mapping[int, NDArray[np.float64]]) -> dict[int, float]:
    """The score of each k, as it is told: the mean over the searches."""
    means = _judged(scores).mean(axis=0).round(4).tolist()
    return dict(zip(sorted(scores), means, strict=True))


def _best(scores: Mapping[int, NDArray[np.float64]]) -> int:
    """The k of the highest score; of equal ones the smallest."""
    means = _means(scores)
    return max(means, key=means.__getitem__)


def _answers(scores: Mapping[int, NDArray[np.float64]]) -> list[int]:
    """The best k of each search alone; of equal ones the smallest."""
    numbers = sorted(scores)
    return [numbers[place] for place in _judged(scores).argmax(axis=1)]


def _best_of(scores: Mapping[int, float], numbers: Sequence[int]) -> int | None:
    """The one of the highest score; None of none."""
    return max(numbers, key=scores.__getitem__, default=None)


def _around(first: Sequence[int], place: int) -> list[int]:
    """Some numbers about that at `place`, evenly, from the one before it to the one after it."""
    numbers = range(first[max(0, place - 1)], first[min(len(first) - 1, place + 1)] + 1)
    return list(numbers[:: max(1, len(numbers) // 8)])


def _highest(n: int) -> int:
    return min(n, _MOST_SAMPLED) // _FEWEST_EACH

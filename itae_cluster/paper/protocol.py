"""The paper's protocol (Sec. 4.1): sets of clusterings with different starts, and what they show.

20 sets of 25 K-Means runs, one k-means++ start each. A set's value is the mean over its runs; what
is reported is the mean over sets and its standard error. Every variant of the vectors (with and
without ITAE, say) is clustered from the same seeds, so sets come in pairs, and a difference is
judged by the paired t-test (Student 1908): the mean of 25 runs is close to normal, and unlike a
rank test it can tell something from 5 sets. It speaks of the starts only, not of other pictures.

Runs share one copy of the vectors and are spread over all cores, one thread each: many small
K-Means runs gain more from that than from threads inside each run.
"""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass, replace
from itertools import islice
from math import sqrt
from typing import TYPE_CHECKING, Protocol

import numpy as np

from itae_cluster.clustering.recipe import cluster_vectors
from itae_cluster.paper.scores import Scores, score

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.options import ClusterOptions
    from itae_cluster.core.types import Reporter

__all__ = [
    "LONG",
    "METRICS",
    "Clusterer",
    "Comparison",
    "Estimate",
    "KMeansOnce",
    "RecipeOnce",
    "Repeats",
    "compact",
    "compare",
    "estimate",
    "run_protocol",
]

METRICS = ("acc", "ari", "nmi")

LONG = 60.0
"""Seconds that one wants to know of beforehand."""

_TRIALS = 2  # runs that are timed before the rest
_WORTH_WORKERS = 6.0  # seconds of work that repay starting processes
_QUICK_LOOK = 50  # runs of 5x5 with two variants
_NO_SPREAD = 1e-12
_KMEANS_TOLERANCE = 1e-4  # scikit-learn's default, relative to the mean variance of a dimension


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """`sets` of `runs` clusterings each; all starts come from `seed`."""

    sets: int
    runs: int
    seed: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """`mean` over sets, and its standard `error` (None for a single set)."""

    mean: float
    error: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`difference` of two variants, paired over sets; `p` of the two-sided paired t-test.

    `p` is None where the test says nothing: one set, or the same difference in every set.
    """

    difference: Estimate
    p: float | None


class Clusterer(Protocol):
    """One clustering from one start. It travels to other processes, so it must pickle."""

    @property
    def stage(self) -> str:
        """What the progress bar calls it."""

    def prepare(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Work that all runs share: (n, D) → (n, any)."""

    def labels(self, prepared: NDArray[np.float32], dim: int, seed: int) -> NDArray[np.int64]:
        """(n,) clusters, −1 for none. `dim` is D of the vectors before `prepare`."""


@dataclass(frozen=True, slots=True)
class KMeansOnce:
    """K-Means from a single k-means++ start, as the paper's protocol asks for."""

    k: int

    @property
    def stage(self) -> str:
        """What the progress bar calls it."""
        return "K-Means"

    def prepare(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Centred, in as few dimensions as are exact; see `compact`."""
        return compact(vectors)

    def labels(self, prepared: NDArray[np.float32], dim: int, seed: int) -> NDArray[np.int64]:
        """(n,) clusters; fewer than `k` where pictures are identical."""
        from sklearn.cluster import KMeans

        # Scikit-learn takes the tolerance relative to the variance of a mean dimension.
        tolerance = _KMEANS_TOLERANCE * prepared.shape[1] / dim
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # identical pictures: fewer clusters, and a lower score
            model = KMeans(self.k, n_init=1, random_state=seed, tol=tolerance)
            return np.asarray(model.fit_predict(prepared), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class RecipeOnce:
    """A recipe of the main command, reduction included; the seed is that of all its steps."""

    options: ClusterOptions

    @property
    def stage(self) -> str:
        """What the progress bar calls it."""
        return str(self.options.algorithm)

    def prepare(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vectors as they are: the reduction depends on the seed."""
        return vectors

    def labels(self, prepared: NDArray[np.float32], dim: int, seed: int) -> NDArray[np.int64]:  # noqa: ARG002
        """(n,) clusters, −1 for noise."""
        return cluster_vectors(prepared, replace(self.options, seed=seed)).labels


@dataclass(frozen=True, slots=True)
class _Run:
    """One run: which variant, from which seed. Arrays reach workers as one memory map each."""

    clusterer: Clusterer
    prepared: NDArray[np.float32]
    dim: int
    truth: NDArray[np.int64]
    seed: int

    def __call__(self) -> Scores:
        return score(self.truth, self.clusterer.labels(self.prepared, self.dim, self.seed))


def run_protocol(
    variants: Mapping[str, NDArray[np.float32]],
    truth: Sequence[str],
    *,
    clusterer: Clusterer,
    repeats: Repeats,
    reporter: Reporter,
    workers: int | None = None,
) -> dict[str, tuple[Scores, ...]]:
    """Cluster every variant `sets` × `runs` times from the same seeds.

    Args:
        variants: name → (n, D) vectors of the same pictures.
        truth: n class names.
        clusterer: what one run does.
        repeats: how often, and from which seed.
        reporter: told of progress, and beforehand of the time it will take.
        workers: processes; None for one a core, where the work is worth them.

    Returns:
        For every variant one `Scores` a set: the means over its runs.
    """
    classes = np.unique(np.asarray(truth), return_inverse=True)[1].astype(np.int64)
    prepared = {name: clusterer.prepare(vectors) for name, vectors in variants.items()}
    seeds = np.random.SeedSequence(repeats.seed).generate_state(repeats.sets * repeats.runs)
    todo = [
        _Run(clusterer, prepared[name], vectors.shape[1], classes, int(start))
        for start in seeds
        for name, vectors in variants.items()
    ]
    scores: list[Scores] = []
    reporter.progress(clusterer.stage, 0, len(todo))
    for result in _results(todo, workers or os.cpu_count() or 1, workers is not None, reporter):
        scores.append(result)
        reporter.progress(clusterer.stage, len(scores), len(todo))
    return {
        name: tuple(_set_means(scores[place :: len(variants)], repeats.runs))
        for place, name in enumerate(variants)
    }


def _set_means(scores: Sequence[Scores], runs: int) -> Iterator[Scores]:
    remaining = iter(scores)
    while members := list(islice(remaining, runs)):
        means = {name: np.mean([getattr(each, name) for each in members]) for name in METRICS}
        yield Scores(**{name: float(mean) for name, mean in means.items()})


def _results(
    todo: Sequence[_Run], workers: int, asked: bool, reporter: Reporter
) -> Iterator[Scores]:
    """Every run's scores in order: the first runs here, timed; the rest where they are quickest."""
    import sklearn.cluster
    import sklearn.metrics  # noqa: F401 - imports must not count as run time
    from threadpoolctl import threadpool_limits

    trials, rest = todo[:_TRIALS], todo[_TRIALS:]
    quickest = float("inf")
    for run in trials:
        with threadpool_limits(1):
            began = time.perf_counter()
            result = run()
            quickest = min(quickest, time.perf_counter() - began)
        yield result
    serial = quickest * len(rest)
    alone = workers == 1 or not (asked or serial > _WORTH_WORKERS)
    _announce(serial if alone else serial / workers, len(todo), reporter)
    yield from _here(rest) if alone else _in_workers(rest, workers)


def _announce(seconds: float, total: int, reporter: Reporter) -> None:
    say = reporter.note if seconds > LONG else reporter.info
    length = f"{seconds / 60:.0f} min" if seconds > 90 else f"{max(1, round(seconds))} s"
    hint = "; --runs 5x5 is a quick look" if total > _QUICK_LOOK else ""
    say(f"the full protocol, {total} runs, will take about {length}{hint}")


def _here(todo: Sequence[_Run]) -> Iterator[Scores]:
    from threadpoolctl import threadpool_limits

    for run in todo:
        with threadpool_limits(1):
            result = run()
        yield result


def _in_workers(todo: Sequence[_Run], workers: int) -> Iterator[Scores]:
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", n_jobs=workers, inner_max_num_threads=1):
        parallel = Parallel(return_as="generator")
        yield from parallel(delayed(_Run.__call__)(run) for run in todo)


def compact(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centred, and rotated into n dimensions where that is less than D.

    K-Means knows distances only, and neither step changes one: n points span fewer than n
    dimensions. (n, D) → (n, min(n, D)) float32.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    if len(centred) < centred.shape[1]:
        centred = np.linalg.qr(centred.T)[1].T
    return np.ascontiguousarray(centred, dtype=np.float32)


def estimate(values: Sequence[float]) -> Estimate:
    """Mean of the values of sets, and its standard error (sample deviation / √sets)."""
    if len(values) < 2:
        return Estimate(float(values[0]), None)
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / sqrt(len(values))))


def compare(before: Sequence[float], after: Sequence[float]) -> Comparison:
    """`after` − `before`, paired over sets, by the paired t-test (Student 1908), two-sided.

    Identical results have p = 1.
    """
    differences = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    found = estimate([float(value) for value in differences])
    if not differences.any():
        return Comparison(found, 1.0)
    if found.error is None or found.error < _NO_SPREAD:
        return Comparison(found, None)
    from scipy.stats import t as student

    statistic = abs(found.mean) / found.error
    return Comparison(found, float(2 * student.sf(statistic, len(differences) - 1)))

"""The grid: every recipe on every set from every seed, and what is counted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering.recipe import cluster_vectors
from itae_cluster.core.options import Algorithm, ClusterOptions, Linkage, Reduction
from itae_cluster.paper.scores import score

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmarks.quality.data import Labelled
    from itae_cluster.core.cache import Cache
    from itae_cluster.core.types import Reporter

__all__ = ["RECIPES", "Run", "named", "numbers", "run", "small_classes"]

_SMALL = 10  # a class of fewer pictures is small


def _recipes() -> Iterator[ClusterOptions]:
    yield ClusterOptions()
    for reduction in Reduction:
        yield ClusterOptions(algorithm=Algorithm.KMEANS, reduce=reduction)
        for linkage in Linkage:
            yield ClusterOptions(
                algorithm=Algorithm.AGGLOMERATIVE, reduce=reduction, linkage=linkage
            )
        yield ClusterOptions(algorithm=Algorithm.SPECTRAL, reduce=reduction)
        yield ClusterOptions(algorithm=Algorithm.HDBSCAN, reduce=reduction)


def named(options: ClusterOptions) -> str:
    """What the tables call a recipe."""
    linkage = f" ({options.linkage})" if options.algorithm is Algorithm.AGGLOMERATIVE else ""
    return f"{options.reduce} · {options.algorithm}{linkage}"


RECIPES = {named(options): options for options in _recipes()}
"""The default, and every reduction with every algorithm, by name."""


def numbers(recipe: str) -> tuple[str, ...]:
    """How k comes about: given, and looked for; found where the algorithm finds it itself."""
    options = RECIPES[recipe]
    if options.algorithm is Algorithm.HDBSCAN:
        return ("found",)
    has_auto = options.algorithm in {Algorithm.AUTO, Algorithm.KMEANS}
    return ("known", "auto") if has_auto else ("known",)


@dataclass(frozen=True)
class Run:
    """One recipe on one set from one seed. Scores are ratios; `k` "known", "auto" or "found"."""

    data: str
    theta: float | None
    recipe: str
    k: str
    seed: int
    pictures: int
    classes: int
    clusters: int
    noise: float
    acc: float
    ari: float
    nmi: float
    small: int
    small_found: int

    def document(self) -> dict[str, Any]:
        """As JSON has it: scores with four digits."""
        values = asdict(self)
        return {
            key: round(value, 4) if isinstance(value, float) else value
            for key, value in values.items()
        }


def run(
    data: Labelled,
    recipe: str,
    k: str,
    number: int | None,
    seed: int,
    cache: Cache,
    reporter: Reporter,
) -> Run:
    """Cluster into `number` clusters, which came about as `k` says, and compare with the truth."""
    classes = len(np.unique(data.truth))
    options = replace(RECIPES[recipe], seed=seed, k=number)
    found = cluster_vectors(data.vectors, options, cache=cache, reporter=reporter)
    small, small_found = small_classes(data.truth, found.labels)
    return Run(
        data=data.name,
        theta=data.theta,
        recipe=recipe,
        k=k,
        seed=seed,
        pictures=len(data.truth),
        classes=classes,
        clusters=len(found.centres),
        noise=float((found.labels < 0).mean()),
        **asdict(score(data.truth.tolist(), found.labels)),
        small=small,
        small_found=small_found,
    )


def small_classes(truth: NDArray[np.str_], labels: NDArray[np.int64]) -> tuple[int, int]:
    """How many classes have fewer than ten pictures, and how many of those a folder of their own.

    A folder is a class's own where more than half of its pictures are of that class and more than
    half of the class lie in it.
    """
    found = 0
    names, counts = np.unique(truth, return_counts=True)
    small = names[counts < _SMALL]
    for name in small:
        homes, members = np.unique(labels[truth == name], return_counts=True)
        home, most = homes[members.argmax()], members.max()
        own = home >= 0 and 2 * most > (labels == home).sum()
        found += bool(own and 2 * most > (truth == name).sum())
    return len(small), found

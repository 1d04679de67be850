"""Embeddings to clusters as the options say: find k where it is not given, reduce, cluster.

Copies and near-duplicates come first: they are one point from there on, see `distinct`. Then k,
because how many neighbours a reduction looks at depends on it.

Whatever space the clusters are found in, their centres and the pictures' distances are those of
the embeddings, so that they mean the same for every recipe.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering import algorithms, choose_k, density
from itae_cluster.clustering.distinct import find_copies, join_similar, mean_places, vote
from itae_cluster.clustering.levels import find_levels
from itae_cluster.clustering.links import fewest_parted
from itae_cluster.clustering.reduce import cached_umap, pca_reduce
from itae_cluster.core.options import Algorithm, Reduction
from itae_cluster.core.text import quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from itae_cluster.clustering.distinct import Distinct
    from itae_cluster.core.cache import Cache
    from itae_cluster.core.options import ClusterOptions
    from itae_cluster.core.types import Choice, Clustering, Reporter

__all__ = ["check_size", "cluster_vectors", "label_points", "reduce_vectors"]

_SPACES = 3  # reductions that HDBSCAN chooses from


def check_size(n: int, dim: int | None, options: ClusterOptions) -> None:
    """Raise where so many pictures are too few, or too many, for the recipe.

    Args:
        n: number of pictures.
        dim: D of their embeddings; None while it is unknown.
        options: the recipe.

    Raises:
        InputError: naming the limit, and what has none.
    """
    algorithms.check_k(options.k or 1, n)
    choose_k.check_range(n, options.k_range)
    if options.k is not None and options.algorithm in {Algorithm.AGGLOMERATIVE, Algorithm.SPECTRAL}:
        algorithms.check_sample(options.k, n)
    if options.algorithm is Algorithm.HDBSCAN:
        unreduced = options.reduce is Reduction.NONE
        density.check_density(n, (dim or 384) if unreduced else options.dim)


def cluster_vectors(
    vectors: NDArray[np.float32],
    options: ClusterOptions,
    *,
    cache: Cache | None = None,
    reporter: Reporter | None = None,
    levels: bool = False,
    on_k: Callable[[int | None], None] | None = None,
) -> Clustering:
    """Clusters of (n, D) embeddings.

    Args:
        vectors: (n, D) embeddings.
        options: the recipe.
        cache: where the reduction may be known from; None for nowhere.
        reporter: told of progress and of clusters that could not be made; None for nobody.
        levels: whether finer and coarser clusters are wanted, too.
        on_k: told of k as soon as it is known; of None where the algorithm finds it.

    Raises:
        InputError: if there are too few or too many pictures for the recipe.
    """
    check_size(len(vectors), vectors.shape[1], options)
    if on_k and (options.k is not None or options.algorithm is Algorithm.HDBSCAN):
        on_k(options.k)
    copies = find_copies(vectors)
    distinct = join_similar(copies, _fewest(options))
    if options.algorithm is Algorithm.HDBSCAN:
        spaces = _dense_spaces(copies.points, options, cache, reporter)
        points = density.clearest([each[copies.of] for each in spaces], options.min_cluster_size)
        found, membership = density.hdbscan(
            points,
            distinct.of,
            min_cluster_size=options.min_cluster_size,
            noise=options.assign_noise,
            reporter=reporter,
        )
        clustering = algorithms.describe(vectors, found, membership)
        clustering = replace(clustering, neighbours=_neighbours(copies, options))
        every = np.arange(len(points))
        return _with_levels(clustering, points, every, distinct, options) if levels else clustering
    options = _possible(options, distinct, reporter)
    choice = None
    if options.k is None:
        choice = choose_k.choose(
            distinct.points, options.k_range, seed=options.seed, reporter=reporter
        )
        options = replace(options, k=choice.k)
        if reporter:
            reporter.note(_reason(choice))
        if on_k:
            on_k(choice.k)
    taken = copies
    points = _reduced(taken.points, options, cache, reporter)
    labels, partition = _label(points, taken, options)
    labels = vote(labels, distinct.of)
    if len(np.unique(labels)) < (options.k or 1):  # near-duplicates alone made up a cluster
        taken, points = distinct, mean_places(points, copies, distinct)
        labels, partition = _label(points, taken, options)
    clustering = replace(
        algorithms.describe(vectors, labels),
        choice=choice,
        neighbours=_neighbours(copies, options),
        partition=partition,
    )
    return _with_levels(clustering, points, taken.of, distinct, options) if levels else clustering


def _label(
    points: NDArray[np.float32], distinct: Distinct, options: ClusterOptions
) -> tuple[NDArray[np.int64], str | None]:
    """A label for every picture, (n,), that of its point; and which partition, of several."""
    k, partition = options.k or 1, None
    if options.algorithm is Algorithm.AUTO and options.reduce is Reduction.UMAP:
        labels, partition = fewest_parted(points, distinct.points, k, options, distinct.weights)
    else:
        labels = label_points(points, k, options, distinct.weights)
    return labels[distinct.of], partition


def _with_levels(
    clustering: Clustering,
    points: NDArray[np.float32],
    of: NDArray[np.int64],
    distinct: Distinct,
    options: ClusterOptions,
) -> Clustering:
    """The clustering and its levels, found in the space that it was found in."""
    found = find_levels(points, of, distinct.of, clustering.labels, seed=options.seed)
    return replace(clustering, levels=found)


def _fewest(options: ClusterOptions) -> int:
    """How many points the recipe needs at least."""
    return options.k or (options.k_range or (1, 1))[0]


def _possible(
    options: ClusterOptions, distinct: Distinct, reporter: Reporter | None
) -> ClusterOptions:
    """The recipe with no more clusters than there are different pictures, which is told."""
    different, wanted = len(distinct.points), _fewest(options)
    if options.k_range is not None and choose_k.is_beyond(different, options.k_range):
        options = replace(options, k=min(wanted, different), k_range=None)
    if wanted <= different:
        return options
    if reporter:
        reporter.warn(
            f"only {different} of {quantity(wanted, 'cluster')}: of "
            f"{quantity(len(distinct.of), 'picture')} no more are different, the others are copies"
        )
    return replace(options, k=different, k_range=None)


def _reduced(
    points: NDArray[np.float32],
    options: ClusterOptions,
    cache: Cache | None,
    reporter: Reporter | None,
) -> NDArray[np.float32]:
    """`reduce_vectors`, and both stages announced."""
    if reporter and options.reduce is not Reduction.NONE:
        reporter.progress("Reducing", 0, None)
    reduced = reduce_vectors(points, options, cache, reporter)
    if reporter:
        reporter.progress("Clustering", 0, None)
    return reduced


def _dense_spaces(
    points: NDArray[np.float32],
    options: ClusterOptions,
    cache: Cache | None,
    reporter: Reporter | None,
) -> list[NDArray[np.float32]]:
    """What HDBSCAN may choose from: several reductions by UMAP, whose seed it hangs on."""
    if options.reduce is not Reduction.UMAP:
        return [_reduced(points, options, cache, reporter)]
    if reporter:
        reporter.progress("Reducing", 0, None)
    spaces = []
    for number in range(_SPACES):
        seed = (_SPACES * options.seed + number) % 2**32
        part = partial(_tell_part, reporter, number) if reporter else None
        spaces.append(_umap(points, replace(options, seed=seed), cache, part))
    if reporter:
        reporter.progress("Clustering", 0, None)
    return spaces


def _tell_part(reporter: Reporter, number: int, done: int, total: int) -> None:
    """How far one reduction of several is, as a part of one bar."""
    reporter.progress("Reducing", number * total + done, _SPACES * total)


def _neighbours(distinct: Distinct, options: ClusterOptions) -> int | None:
    """How many each picture had in the graph; None where there was none."""
    return options.graph(len(distinct.points)) if options.has_graph else None


def reduce_vectors(
    vectors: NDArray[np.float32],
    options: ClusterOptions,
    cache: Cache | None = None,
    reporter: Reporter | None = None,
) -> NDArray[np.float32]:
    """The space that is clustered: (n, D) → (n, any)."""
    if options.reduce is Reduction.NONE:
        return vectors
    if options.reduce is Reduction.PCA:
        return pca_reduce(vectors, options.dim)
    told = partial(reporter.progress, "Reducing") if reporter else None
    return _umap(vectors, options, cache, told)


def _umap(
    vectors: NDArray[np.float32],
    options: ClusterOptions,
    cache: Cache | None,
    told: Callable[[int, int], None] | None,
) -> NDArray[np.float32]:
    return cached_umap(
        vectors,
        options.dim,
        seed=options.seed,
        neighbours=options.graph(len(vectors)),
        cache=cache,
        progress=told,
    )


def label_points(
    points: NDArray[np.float32],
    k: int,
    options: ClusterOptions,
    weights: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """(n,) labels by the algorithm, which is any but HDBSCAN; K-Means looks at the weights."""
    if options.algorithm is Algorithm.AGGLOMERATIVE:
        return algorithms.agglomerative(points, k, seed=options.seed, linkage=options.linkage)
    if options.algorithm is Algorithm.SPECTRAL:
        neighbours = options.graph(len(points))
        return algorithms.spectral(points, k, seed=options.seed, neighbours=neighbours)
    return algorithms.kmeans(
        points, k, seed=options.seed, restarts=options.restarts, weights=weights
    )


def _reason(choice: Choice) -> str:
    """One line on a k that was found out: why this one, and how sure it is."""
    looked = f"{choice.criterion} on {quantity(choice.sample, 'different picture')}"
    if not choice.scores:
        return f"k {choice.k}: nothing else to try with {looked}; --k N asks for another number"
    one, *more = dict.fromkeys(choice.found)
    alone = ", ".join(map(str, (one, *more))) if more else f"all {one}"
    others = {"coarser": choice.coarser, "finer": choice.finer}
    told = ", ".join(f"{name} {k}" for name, k in others.items() if k)
    another = f"; {told}" if told else ""
    taken = f", but {choice.k} keep clearly different pictures apart" if choice.apart else ""
    return (
        f"k {choice.k - choice.apart} scores highest ({looked}){taken}; "
        f"{len(choice.found)} searches alone say {alone}"
        f"{another}; --k N asks for another number"
    )

"""Embeddings to clusters as the options say: find k where it is not given, reduce, cluster.

k comes first, because how many neighbours a reduction looks at depends on it.

Whatever space the clusters are found in, their centres and the pictures' distances are those of
the embeddings, so that they mean the same for every recipe.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from itae_cluster.clustering import algorithms, choose_k, density
from itae_cluster.clustering.reduce import cached_umap, pca_reduce
from itae_cluster.core.options import Algorithm, Reduction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.options import ClusterOptions
    from itae_cluster.core.types import Choice, Clustering, Reporter

__all__ = ["check_size", "cluster_vectors", "label_points", "reduce_vectors"]


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
) -> Clustering:
    """Clusters of (n, D) embeddings.

    Args:
        vectors: (n, D) embeddings.
        options: the recipe.
        cache: where the reduction may be known from; None for nowhere.
        reporter: told of progress and of clusters that could not be made; None for nobody.

    Raises:
        InputError: if there are too few or too many pictures for the recipe.
    """
    check_size(len(vectors), vectors.shape[1], options)
    choice = None
    if options.k is None and options.algorithm is not Algorithm.HDBSCAN:
        choice = choose_k.choose(vectors, options.k_range, seed=options.seed, reporter=reporter)
        options = replace(options, k=choice.k)
        if reporter:
            reporter.note(_reason(choice))
    if reporter and options.reduce is not Reduction.NONE:
        reporter.progress("Reducing", 0, None)
    points = reduce_vectors(vectors, options, cache, reporter)
    neighbours = options.graph(len(vectors)) if options.has_graph else None
    if reporter:
        reporter.progress("Clustering", 0, None)
    if options.algorithm is Algorithm.HDBSCAN:
        labels, membership = density.hdbscan(
            points,
            min_cluster_size=options.min_cluster_size,
            noise=options.assign_noise,
            reporter=reporter,
        )
        clustering = algorithms.describe(vectors, labels, membership)
        return replace(clustering, neighbours=neighbours)
    k = options.k or 1
    clustering = algorithms.describe(vectors, label_points(points, k, options))
    if reporter and len(clustering.centres) < k:
        reporter.warn(
            f"only {len(clustering.centres)} of {k} clusters have pictures: the others "
            "are identical to one another"
        )
    return replace(clustering, choice=choice, neighbours=neighbours)


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
    return cached_umap(
        vectors,
        options.dim,
        seed=options.seed,
        neighbours=options.graph(len(vectors)),
        cache=cache,
        progress=partial(reporter.progress, "Reducing") if reporter else None,
    )


def label_points(points: NDArray[np.float32], k: int, options: ClusterOptions) -> NDArray[np.int64]:
    """(n,) labels by the algorithm, which is any but HDBSCAN."""
    if options.algorithm is Algorithm.AGGLOMERATIVE:
        return algorithms.agglomerative(points, k, seed=options.seed, linkage=options.linkage)
    if options.algorithm is Algorithm.SPECTRAL:
        neighbours = options.graph(len(points))
        return algorithms.spectral(points, k, seed=options.seed, neighbours=neighbours)
    return algorithms.kmeans(points, k, seed=options.seed, restarts=options.restarts)


def _reason(choice: Choice) -> str:
    """One line on a k that was found out."""
    low, high = choice.found[0], choice.found[-1]
    spread = f" ({len(choice.found)} searches: {low} to {high})" if low < high else ""
    another = f", or else {choice.runner_up}" if choice.runner_up else ""
    return (
        f"k {choice.k} fits best{spread}{another}; {choice.criterion} on {choice.sample} pictures; "
        "--k N asks for another number"
    )

"""HDBSCAN (Campello et al. 2013): dense groups, how many there are, and how surely one belongs.

Soft membership is that of McInnes et al. (the `hdbscan` package): the probability of each cluster,
from the distance to its densest points and from the density at which the picture would leave it.
"""

from __future__ import annotations

import warnings
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.errors import InputError
from itae_cluster.core.options import NoiseRule
from itae_cluster.core.types import NOISE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.types import Reporter

__all__ = ["check_density", "clearest", "default_min_cluster_size", "hdbscan"]

_MOST_DIM = 50  # HDBSCAN's trees are no quicker than all pairs above
_MOST_IN_MANY_DIMENSIONS = 10_000
_MIN_SAMPLES = 3  # low, so that few pictures are called noise
_MOST_NOISE = 0.2


def default_min_cluster_size(n: int) -> int:
    """The smallest group of pictures that HDBSCAN calls a cluster: 0.4·√n, kept in 5 to 50."""
    return min(50, max(5, round(0.4 * sqrt(n))))


def check_density(n: int, dim: int) -> None:
    """Raise `InputError` where HDBSCAN would take hours."""
    if n > _MOST_IN_MANY_DIMENSIONS and dim > _MOST_DIM:
        raise InputError(
            f"hdbscan in more than {_MOST_DIM} dimensions stops at {_MOST_IN_MANY_DIMENSIONS} "
            f"pictures, and these are {n}; use --reduce umap, or --reduce pca --reduce-dim "
            f"{_MOST_DIM}"
        )


def hdbscan(
    points: NDArray[np.float32],
    of: NDArray[np.int64] | None = None,
    *,
    min_cluster_size: int | None,
    noise: NoiseRule | None,
    reporter: Reporter | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Dense groups of points; the number of clusters is found.

    Args:
        points: (n, any) embeddings or their reduction, best in no more than 50 dimensions.
        of: (n,) the group of copies and near-duplicates that each picture is in, which stay
            together; None for one each.
        min_cluster_size: smallest cluster, at least 2; None for `default_min_cluster_size`.
        noise: where points outside every group go: to the cluster of the `NEAREST` point that has
            one, to the one of highest `SOFT` membership, or nowhere (`KEEP`). None: nowhere, but
            no more than a fifth of all; the surest of the rest go by soft membership.
        reporter: told where no cluster could be found; None for nobody.

    Returns:
        Labels (n,), `NOISE` for none, and membership (n,): the probability, 0 to 1, of the cluster
        that the point is in, of noise the highest of any.
    """
    of = np.arange(len(points)) if of is None else of
    smallest = min_cluster_size or default_min_cluster_size(len(points))
    found, soft = _kept_together(*_fitted(points, smallest), of, smallest)
    if not soft.shape[1]:
        if reporter:
            reporter.warn(
                f"HDBSCAN found no group of {smallest} or more pictures among {len(points)}; "
                "lower --min-cluster-size or use --algorithm kmeans"
            )
        return found, np.zeros(len(points), dtype=np.float32)
    lost = np.flatnonzero(found == NOISE)
    if noise is NoiseRule.NEAREST:
        found[lost] = _of_nearest(points, found, lost)
    elif noise is NoiseRule.SOFT:
        found[lost] = soft[lost].argmax(axis=1)
    elif noise is None:
        many = len(lost) - int(_MOST_NOISE * len(points))
        surest = lost[np.argsort(-soft[lost].max(axis=1), kind="stable")[: max(0, many)]]
        surest = lost[np.isin(of[lost], of[surest])]  # no group is parted
        found[surest] = soft[surest].argmax(axis=1)
    own = soft[np.arange(len(points)), np.maximum(found, 0)]
    membership = np.where(found == NOISE, soft.max(axis=1), own)
    return found, membership.clip(0, 1).astype(np.float32)


def clearest(
    spaces: Sequence[NDArray[np.float32]], min_cluster_size: int | None
) -> NDArray[np.float32]:
    """Of several reductions of the same points the middle one by its number of dense groups.

    Where HDBSCAN fails, it does so to one side: two groups at the edge of a reduction are so far
    from the rest that all the others count as one. So a reduction with less than half the groups of
    another is left out first.

    Args:
        spaces: one or more, (n, any) each.
        min_cluster_size: as for `hdbscan`.
    """
    n = len(spaces[0])
    smallest = min_cluster_size or default_min_cluster_size(n)
    if len(spaces) == 1 or n < max(2, smallest):
        return spaces[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [_model(each, smallest, prediction_data=False) for each in spaces]
    groups = [int(model.labels_.max()) + 1 for model in models]
    whole = [i for i, number in enumerate(groups) if 2 * number >= max(groups)]
    return spaces[sorted(whole, key=groups.__getitem__)[(len(whole) - 1) // 2]]


def _fitted(
    points: NDArray[np.float32], smallest: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels (n,), and soft membership (n, K) of every point in every cluster."""
    nothing = np.full(len(points), NOISE, dtype=np.int64), np.zeros((len(points), 0))
    if len(points) < smallest or len(points) < 2:
        return nothing
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes and renamed arguments inside the library
        from hdbscan import all_points_membership_vectors

        model = _model(points, smallest, prediction_data=True)
        labels = np.asarray(model.labels_, dtype=np.int64)
        if (labels == NOISE).all():
            return nothing
        soft = np.asarray(all_points_membership_vectors(model), dtype=np.float64)
    return labels, np.nan_to_num(soft.reshape(len(points), -1))


def _model(points: NDArray[np.float32], smallest: int, *, prediction_data: bool) -> Any:
    """A fitted `hdbscan.HDBSCAN`."""
    from hdbscan import HDBSCAN

    model = HDBSCAN(
        min_cluster_size=smallest,
        min_samples=min(_MIN_SAMPLES, smallest, len(points) - 1),
        core_dist_n_jobs=1,
        prediction_data=prediction_data,
    )
    return model.fit(points.astype(np.float64))


def _kept_together(
    found: NDArray[np.int64], soft: NDArray[np.float64], of: NDArray[np.int64], smallest: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All pictures of a group where most of it is; in noise, a group of its own if large enough.

    HDBSCAN divides by distances, which are 0 between copies: it can part them, knows no soft
    membership of theirs, and finds no group where there is nothing else.
    """
    order = np.argsort(of, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(of[order])) + 1):
        if len(rows) < 2:
            continue
        labels, votes = np.unique(found[rows], return_counts=True)
        label = labels[::-1][votes[::-1].argmax()]  # as many for noise: not noise
        soft[rows] = soft[rows].mean(axis=0)
        if label == NOISE and len(rows) >= smallest:
            label = soft.shape[1]
            soft = np.column_stack([soft, np.isin(np.arange(len(of)), rows)])
        found[rows] = label
    sure = np.flatnonzero((found != NOISE) & ~soft.any(axis=1))
    soft[sure, found[sure]] = 1
    return found, soft


def _of_nearest(
    points: NDArray[np.float32], labels: NDArray[np.int64], lost: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The label of the nearest point that has one."""
    from sklearn.metrics import pairwise_distances_argmin

    kept = np.flatnonzero(labels != NOISE)
    if not len(lost):
        return labels[lost]
    nearest = kept[pairwise_distances_argmin(points[lost], points[kept])]
    return np.asarray(labels[nearest])

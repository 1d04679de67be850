"""The clustering as a tree: finer levels take its clusters apart, coarser ones put them together.

Each cluster is taken apart by K-Means in the space that was clustered, into leaves in proportion to
its size. Ward's linkage (1963), sizes weighted, then joins leaves: first only those of one cluster,
until the clusters are whole again; then the clusters. So every number of clusters from one to that
of the leaves is a cut through one tree, and the clusters that were found are the cut at their own
number.

There are four times as many leaves as clusters: where the number of clusters was found out, the
next best answer is seldom farther off than that, and much finer parts are no kinds of pictures any
more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering import algorithms
from itae_cluster.clustering.distinct import vote
from itae_cluster.core.types import NOISE, Levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cut", "find_levels"]

MOST_CLUSTERS = 1000
"""Above, no levels are kept: the tree would take longer than the clustering."""

_LEAVES_A_CLUSTER = 4
_MOST_LEAVES = 400
_SMALLEST_LEAF = 3  # pictures


def find_levels(
    points: NDArray[np.float32],
    of: NDArray[np.int64],
    groups: NDArray[np.int64],
    labels: NDArray[np.int64],
    *,
    seed: int,
) -> Levels | None:
    """The tree of a clustering; None where there are no clusters, or more than 1,000.

    Args:
        points: (m, any) the space that was clustered.
        of: (n,) the point of each picture.
        groups: (n,) pictures that stay together: copies and near-duplicates.
        labels: (n,) clusters, 0 to K − 1, and `NOISE`.
        seed: of the starts of K-Means.
    """
    k = int(labels.max(initial=NOISE)) + 1
    if not 1 <= k <= MOST_CLUSTERS:
        return None
    share = min(_LEAVES_A_CLUSTER * k, _MOST_LEAVES) / max(1, int((labels != NOISE).sum()))
    leaves = np.full(len(labels), NOISE, dtype=np.int64)
    centres: list[NDArray[np.float64]] = []
    owners: list[int] = []
    for label in range(k):
        rows = np.flatnonzero(labels == label)
        own = points[of[rows]]
        parts = _take_apart(own, groups[rows], round(share * len(rows)), seed)
        leaves[rows] = parts + len(centres)
        means = [
            own[parts == part].mean(axis=0, dtype=np.float64) for part in range(parts.max() + 1)
        ]
        centres += means
        owners += [label] * len(means)
    weights = np.bincount(leaves[leaves != NOISE]).astype(np.float64)
    return Levels(leaves, _join(np.stack(centres), weights, np.array(owners)))


def _take_apart(
    points: NDArray[np.float32], groups: NDArray[np.int64], wanted: int, seed: int
) -> NDArray[np.int64]:
    """Leaves of one cluster, 0, 1, …: `wanted` or fewer, none of fewer than three pictures."""
    count = min(wanted, len(points) // _SMALLEST_LEAF)
    if count < 2:
        return np.zeros(len(points), dtype=np.int64)
    parts = algorithms.kmeans(points, count, seed=seed, restarts=1)
    parts = vote(parts, np.unique(groups, return_inverse=True)[1].ravel())
    while True:
        parts = np.unique(parts, return_inverse=True)[1].ravel()
        sizes = np.bincount(parts)
        least = int(sizes.argmin())
        if len(sizes) == 1 or sizes[least] >= _SMALLEST_LEAF:
            return np.asarray(parts, dtype=np.int64)
        means = np.stack([points[parts == part].mean(axis=0) for part in range(len(sizes))])
        apart = np.square(means - means[least]).sum(axis=1)
        apart[least] = np.inf
        parts[parts == least] = apart.argmin()


def _join(
    centres: NDArray[np.float64], weights: NDArray[np.float64], owners: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Merges of the leaves, (L − 1, 2): all within an owner first, then across.

    What a merge costs is by how much it adds to the squared distances of all pictures to their
    means: w₁w₂/(w₁ + w₂) · ‖c₁ − c₂‖² (Ward 1963).
    """
    centres, weights, n = centres.copy(), weights.copy(), len(centres)
    node = np.arange(n)  # the number that each row has in the tree by now
    merges: list[tuple[int, int]] = []
    for allowed in (owners, np.zeros_like(owners)):
        costs = np.stack([_costs(row, centres, weights) for row in range(n)])
        costs[allowed[:, None] != allowed] = np.inf
        np.fill_diagonal(costs, np.inf)
        gone = weights == 0
        costs[gone], costs[:, gone] = np.inf, np.inf
        while np.isfinite(costs.flat[lowest := int(costs.argmin())]):
            first, second = divmod(lowest, n)
            merges.append((int(node[first]), int(node[second])))
            both = weights[first] + weights[second]
            centres[first] += (centres[second] - centres[first]) * (weights[second] / both)
            weights[first], weights[second] = both, 0
            node[first] = n + len(merges) - 1
            costs[second], costs[:, second] = np.inf, np.inf
            alive = np.isfinite(costs[first])
            row = np.where(alive, _costs(first, centres, weights), np.inf)
            costs[first], costs[:, first] = row, row
    return np.array(merges, dtype=np.int64).reshape(-1, 2)


def _costs(
    row: int, centres: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of merging one row with each."""
    apart = np.square(centres - centres[row]).sum(axis=1)
    both = np.maximum(weights + weights[row], 1)
    return np.asarray(weights * weights[row] / both * apart, dtype=np.float64)


def cut(merges: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The cluster of each leaf, (L,), where the tree is cut at `k`: any numbers, 0 and above.

    Args:
        merges: (L − 1, 2) as `Levels` has them.
        k: 1 to L.
    """
    leaves = len(merges) + 1
    parents = np.arange(2 * leaves - 1)
    for number, pair in enumerate(merges[: leaves - k]):
        parents[pair] = leaves + number
    for node in range(len(parents) - 1, -1, -1):
        parents[node] = parents[parents[node]]
    return parents[:leaves]

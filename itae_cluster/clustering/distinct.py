"""Pictures that are the same, or nearly, as one point, so that no algorithm takes them apart.

Copies are found by the bytes of their embeddings, near-duplicates as the page shows them: every two
of a group reach its threshold. What is clustered is one point for each picture that is different,
as heavy as it has copies; then the near-duplicates of a group all go where most of them are. Where
a cluster would be lost by that, each group is clustered as one point instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering.similarity import find_similar

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Distinct", "find_copies", "join_similar", "mean_places", "vote"]

_MOST_COMPARED = 50_000  # every two of them; the page does not draw more either
_SMALLEST_LENGTH = 1e-12


@dataclass(frozen=True, slots=True)
class Distinct:
    """`points` (m, D), rows of length 1 · `of` (n,) the point of each picture · `weights` (m,).

    Points are in the order of their first pictures; a weight is a number of pictures.
    """

    points: NDArray[np.float32]
    of: NDArray[np.int64]
    weights: NDArray[np.int64]


def find_copies(vectors: NDArray[np.float32]) -> Distinct:
    """Rows of the same bytes as one point; the vectors themselves where there are none."""
    rows = np.ascontiguousarray(vectors)
    whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, of = np.unique(whole, return_index=True, return_inverse=True)
    if len(first) == len(rows):
        return Distinct(vectors, np.arange(len(rows)), np.ones(len(rows), dtype=np.int64))
    of = _numbered(of.ravel())
    return Distinct(rows[np.sort(first)], of, np.bincount(of))


def join_similar(copies: Distinct, fewest: int = 1) -> Distinct:
    """Near-duplicates as one point, too.

    They stay apart where fewer than `fewest` points would be left: somebody who asks for more
    clusters than that wants to see how they differ. Above 50,000 different pictures they stay apart
    as well, since comparing every two takes too long.

    Args:
        copies: the different pictures.
        fewest: how many points are needed.
    """
    if not fewest <= len(copies.points) <= _MOST_COMPARED:
        return copies
    groups = find_similar(copies.points).duplicates
    left = len(copies.points) - sum(len(group) - 1 for group in groups)
    return _together(copies, groups) if groups and left >= fewest else copies


def vote(labels: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.int64]:
    """The label that most pictures of a point have, for all of them: (n,)."""
    clusters = int(labels.max(initial=0)) + 1
    found, counts = np.unique(of * clusters + labels, return_counts=True)
    points, label = np.divmod(found, clusters)
    order = np.lexsort((label, -counts, points))  # as many for two: the lower number
    first = order[np.unique(points[order], return_index=True)[1]]
    return np.asarray(label[first][of], dtype=np.int64)


def mean_places(
    places: NDArray[np.float32], copies: Distinct, joined: Distinct
) -> NDArray[np.float32]:
    """Where the points of `joined` lie, if those of `copies` lie at (m, any) `places`: means."""
    of = joined.of[np.unique(copies.of, return_index=True)[1]]
    sums = np.zeros((len(joined.points), places.shape[1]))
    np.add.at(sums, of, places * copies.weights[:, None])
    weights = np.bincount(of, weights=copies.weights)
    return np.asarray(sums / weights[:, None], dtype=np.float32)


def _together(copies: Distinct, groups: tuple[tuple[int, ...], ...]) -> Distinct:
    """Each group as one point: the mean of its pictures, at length 1."""
    joined = np.arange(len(copies.points))
    for group in groups:
        joined[list(group)] = min(group)
    kept, joined = np.unique(joined), _numbered(joined)
    points = copies.points[kept].copy()
    for group in groups:
        members = list(group)
        mean = copies.weights[members] @ copies.points[members].astype(np.float64)
        points[joined[members[0]]] = mean / max(float(np.linalg.norm(mean)), _SMALLEST_LENGTH)
    of = joined[copies.of]
    return Distinct(points, of, np.bincount(of))


def _numbered(names: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same groups as 0, 1, …, in the order of their first rows."""
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]

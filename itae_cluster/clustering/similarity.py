"""Embeddings → which pictures are like which: neighbours, near-duplicates, diverse examples.

Similarity is the cosine, which for rows of length 1 is their product: 1 for equal directions.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.batches import slices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "ALIKE",
    "NEAR_DUPLICATE",
    "Points",
    "Similarity",
    "diverse",
    "find_similar",
    "group_linked",
    "nearest_among",
    "nearest_rows",
]

NEAR_DUPLICATE = 0.97
"""The cosine from which two pictures count as near-duplicates."""
ALIKE = 0.90
"""The cosine from which a pair is kept, for a reader who sets the limit lower."""

_MOST_NEIGHBOURS = 15  # what anybody asks for
_MOST_PAIRS = 30_000
_ROWS_AT_ONCE = 4096
_CELLS_AT_ONCE = 1 << 24  # similarities held at once, 64 MB
_COLUMNS = 64
_MOST_LINKED = 4096  # pictures whose every pair is compared when duplicates are grouped
_TYPICAL_SHARE = 0.9  # of a cluster; the rest is odd rather than diverse

_lock = threading.Lock()  # who asks for what another thread is about to find waits for it


@dataclass(frozen=True, slots=True)
class Similarity:
    """What every picture is like.

    `neighbours` (n, m) int64 rows, most similar first, never the row itself · `cosines` (n, m)
    float32 · `duplicates` groups of rows, largest first, in which every two are near-duplicates ·
    `pairs` (p, 2) int64, pairs of rows, the lower first, whose cosine is at least `alike_from`, and
    `pair_cosines` (p,) float32, falling.
    """

    neighbours: NDArray[np.int64]
    cosines: NDArray[np.float32]
    duplicates: tuple[tuple[int, ...], ...]
    pairs: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    pair_cosines: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    alike_from: float = ALIKE


def find_similar(
    vectors: NDArray[np.float32], *, neighbours: int = 8, threshold: float = NEAR_DUPLICATE
) -> Similarity:
    """Compare every two pictures, exactly, in blocks.

    Groups of near-duplicates are complete-link: any two members reach the threshold, so no chain
    of similar pictures joins unlike ones. Of alike pairs the 30,000 that are most alike are kept.
    Where more than 4,096 pictures hang together in such chains they are grouped in parts, which may
    split a group and never joins one. What was found of the last two sets of vectors is remembered:
    clusters and page ask for the same.

    Args:
        vectors: (n, D), rows of length 1.
        neighbours: m, how many are kept for a picture; fewer where there are fewer pictures. With
            0 no pairs are kept either.
        threshold: the cosine of near-duplicates.
    """
    most = max(neighbours, _MOST_NEIGHBOURS) if neighbours else 0  # none: groups are all there is
    with _lock:
        found = _compare(Points(vectors), most, threshold)
    return replace(
        found, neighbours=found.neighbours[:, :neighbours], cosines=found.cosines[:, :neighbours]
    )


def nearest_rows(
    vectors: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each row and those nearest to it, nearest first, and Euclidean distances: (n, count) each.

    They come from what `find_similar` remembers.

    Args:
        vectors: (n, D), rows of length 1.
        count: 1 to n, the row itself among them.
    """
    found = find_similar(vectors, neighbours=count - 1).neighbours
    nearest = np.concatenate([np.arange(len(vectors))[:, None], found], axis=1)
    return nearest, _distances(vectors, vectors, nearest)


class Points:
    """Vectors as a key: they are looked up by their content.

    Args:
        vectors: (n, D).
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.vectors = vectors
        self._digest = hashlib.sha256(np.ascontiguousarray(vectors).data).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Points) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)


@functools.lru_cache(maxsize=2)
def _compare(points: Points, neighbours: int, threshold: float) -> Similarity:
    vectors = points.vectors
    n = len(vectors)
    kept = min(neighbours, max(n - 1, 0))
    nearest = np.empty((n, kept), dtype=np.int64)
    cosines = np.empty((n, kept), dtype=np.float32)
    chains = np.arange(n)
    alike = _AlikePairs(_MOST_PAIRS if kept else 0)
    for start, block in _blocks(vectors, vectors):
        here = np.arange(len(block.cosines))
        block.exclude(here, here + start)
        if kept:
            rows = slice(start, start + len(here))
            nearest[rows], cosines[rows] = block.largest(kept)
        one, other, _ = block.at_least(threshold)
        chains = _linked(chains, one + start, other)
        alike.add(start, block)
    groups = tuple(_groups(vectors, chains, threshold))
    return Similarity(nearest, cosines, groups, alike.pairs, alike.cosines, alike.least)


def nearest_among(
    vectors: NDArray[np.float32], sample: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest rows of a sample, nearest first, and their Euclidean distances: (n, count) each.

    What was found last is remembered: a space and the map ask for the same.

    Args:
        vectors: (n, D), rows of length 1.
        sample: (m, D), rows of length 1.
        count: 1 to m.
    """
    with _lock:
        return _find_among(Points(vectors), Points(sample), count)


@functools.lru_cache(maxsize=1)
def _find_among(
    points: Points, sample: Points, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    vectors, others = points.vectors, sample.vectors
    nearest = np.empty((len(vectors), count), dtype=np.int64)
    for start, block in _blocks(vectors, others):
        nearest[start : start + len(block.cosines)], _ = block.largest(count)
    return nearest, _distances(vectors, others, nearest)


def _distances(
    vectors: NDArray[np.float32], others: NDArray[np.float32], nearest: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Of every row to those `others`, (n, m), from differences: a cosine hides short ones."""
    distances = np.empty(nearest.shape, dtype=np.float32)
    for rows in slices(len(vectors), _ROWS_AT_ONCE):
        for place in range(nearest.shape[1]):
            apart = others[nearest[rows, place]] - vectors[rows]
            distances[rows, place] = np.sqrt(np.einsum("bd,bd->b", apart, apart))
    return distances


def _blocks(
    vectors: NDArray[np.float32], others: NDArray[np.float32]
) -> Iterator[tuple[int, _Block]]:
    """The cosines of all rows with all others, some rows at a time, and where those begin."""
    n = len(others)
    width = -(-n // _COLUMNS) * _COLUMNS
    padded = np.concatenate([others, np.zeros((width - n, others.shape[1]), dtype=others.dtype)])
    for rows in slices(len(vectors), max(1, _CELLS_AT_ONCE // max(width, 1))):
        cosines = vectors[rows] @ padded.T
        cosines[:, n:] = -np.inf
        yield rows.start, _Block(cosines)


class _Block:
    """(B, n) cosines. The largest of every 64 columns tell where it is worth looking."""

    def __init__(self, cosines: NDArray[np.float32]) -> None:
        self.cosines = cosines
        self._parts = cosines.reshape(len(cosines), -1, _COLUMNS)
        self._tops = self._parts.max(axis=2)

    def exclude(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
        """Take these cells out."""
        self.cosines[rows, columns] = -np.inf
        parts = columns // _COLUMNS
        self._tops[rows, parts] = self._parts[rows, parts].max(axis=1)

    def at_least(
        self, least: float | NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Rows, columns and cosines of the cells that reach it, row by row; `least` may be (B,)."""
        bounds = np.broadcast_to(np.asarray(least, dtype=np.float32), len(self.cosines))
        rows, parts = np.nonzero(self._tops >= bounds[:, None])
        cells = self._parts[rows, parts]  # (m, 64)
        at, within = np.nonzero(cells >= bounds[rows, None])
        return rows[at], parts[at] * _COLUMNS + within, cells[at, within]

    def largest(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `count` largest of each row, largest first, ties by column: (B, count) each.

        The `count`-th largest is no less than the `count`-th largest top, so only the few that
        reach that are sorted; a partition of whole rows takes several times as long.
        """
        height = len(self.cosines)
        tops = self._tops if self._tops.shape[1] >= count else self.cosines
        least = np.partition(tops, tops.shape[1] - count, axis=1)[:, tops.shape[1] - count]
        rows, columns, values = self.at_least(least)
        if len(rows) > _COLUMNS * height:  # many equal ones: the first columns of each will do
            keep = np.arange(len(rows)) - np.searchsorted(rows, rows) < _COLUMNS
            keep |= values > least[rows]
            rows, columns, values = rows[keep], columns[keep], values[keep]
        order = np.lexsort((columns, -values, rows))
        starts = np.searchsorted(rows, np.arange(height))  # rows are in order before and after
        chosen = order[starts[:, None] + np.arange(count)]  # (B, count)
        return columns[chosen], values[chosen]


class _AlikePairs:
    """The most alike pairs of the blocks seen so far, and the cosine that a pair needs by now."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.least = ALIKE
        self.pairs = np.empty((0, 2), dtype=np.int64)
        self.cosines = np.empty(0, dtype=np.float32)

    def add(self, start: int, block: _Block) -> None:
        """Take those of a block of rows from `start` on, each pair once."""
        if not self._most:
            return
        rows, columns, values = block.at_least(self.least)
        once = columns > rows + start
        rows, columns, values = rows[once], columns[once], values[once]
        pairs = np.concatenate([self.pairs, np.stack([rows + start, columns], axis=1)])
        cosines = np.concatenate([self.cosines, values])
        order = np.lexsort((pairs[:, 1], pairs[:, 0], -cosines))
        if len(order) > self._most:
            order = order[: self._most]
            self.least = float(cosines[order[-1]])
        self.pairs, self.cosines = pairs[order], cosines[order]


def group_linked(
    vectors: NDArray[np.float32],
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    threshold: float = NEAR_DUPLICATE,
) -> tuple[tuple[int, ...], ...]:
    """Groups of near-duplicates, as `find_similar` has them, where the similar pairs are known.

    Args:
        vectors: (n, D), rows of length 1.
        one: (m,) rows.
        other: (m,) what each of them is like.
        threshold: the cosine of near-duplicates.
    """
    chains = _linked(np.arange(len(vectors)), one, other)
    return tuple(_groups(vectors, chains, threshold))


def diverse(
    vectors: NDArray[np.float32], typical_first: NDArray[np.intp], most: int
) -> tuple[int, ...]:
    """Rows of one cluster that show how far it reaches: the most typical, then the least alike.

    Each next one is least like those before it (farthest-first traversal), among the nine tenths
    that are most typical: beyond them lie the odd ones.

    Args:
        vectors: (n, D), rows of length 1.
        typical_first: rows of the cluster, the medoid first.
        most: how many to choose.
    """
    members = typical_first[: max(most, int(len(typical_first) * _TYPICAL_SHARE))]
    if not len(members):
        return ()
    chosen = [0]
    closest = vectors[members] @ vectors[members[0]]
    while len(chosen) < min(most, len(members)):
        closest[chosen[-1]] = np.inf
        chosen.append(int(closest.argmin()))
        closest = np.maximum(closest, vectors[members] @ vectors[members[chosen[-1]]])
    return tuple(int(members[place]) for place in chosen)


def _linked(
    chains: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.int64]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(one):
        return chains
    n = len(chains)
    # Every row keeps one link to its chain so far, in place of all the links that made it.
    rows, columns = np.concatenate([one, np.arange(n)]), np.concatenate([other, chains])
    links = coo_array((np.ones(len(rows), dtype=np.bool_), (rows, columns)), shape=(n, n))
    found = connected_components(links, directed=False)[1]
    first = np.full(n, n)
    np.minimum.at(first, found, np.arange(n))
    return np.asarray(first[found], dtype=np.int64)


def _groups(
    vectors: NDArray[np.float32], chains: NDArray[np.int64], threshold: float
) -> list[tuple[int, ...]]:
    order = np.argsort(chains, kind="stable")
    cuts = np.flatnonzero(np.diff(chains[order])) + 1
    groups: list[tuple[int, ...]] = []
    for chain in np.split(order, cuts):
        for part in slices(len(chain), _MOST_LINKED):
            if len(chain[part]) > 1:
                groups += _complete_link(vectors, chain[part], threshold)
    return sorted(groups, key=lambda group: (-len(group), group))


def _complete_link(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], threshold: float
) -> list[tuple[int, ...]]:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    apart = np.clip(1 - vectors[rows].astype(np.float64) @ vectors[rows].T, 0, None)
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), "complete")
    found = fcluster(tree, 1 - threshold, "distance")
    members = (rows[found == label] for label in np.unique(found))
    return [tuple(group.tolist()) for group in members if len(group) > 1]

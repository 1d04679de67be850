"""Which pictures are shown where there are too many for one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["MOST_SHOWN", "rows_to_show"]

MOST_SHOWN = 50_000


def rows_to_show(
    labels: NDArray[np.int64],
    always: Iterable[int],
    preferred: NDArray[np.bool_],
    *,
    seed: int,
    most: int = MOST_SHOWN,
) -> NDArray[np.intp]:
    """A sample in which every cluster keeps its share, and at least one picture.

    Args:
        labels: (n,) of the whole collection.
        always: rows that are shown in any case.
        preferred: (n,) rows taken before others of their cluster, such as those with a thumbnail.
        seed: of the sample.
        most: no more rows than this, but for one a cluster and those of `always`.

    Returns:
        Rows in rising order; all of them where there are no more than `most`.
    """
    n = len(labels)
    if n <= most:
        return np.arange(n)
    rank = np.random.default_rng(seed).random(n) - preferred
    rank[np.fromiter(always, dtype=np.intp)] = -np.inf
    fixed = np.isneginf(rank)
    order = np.lexsort((rank, labels))
    chosen = []
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        share = max(1, most * len(members) // n, int(fixed[members].sum()))
        chosen.append(members[:share])
    return np.sort(np.concatenate(chosen))

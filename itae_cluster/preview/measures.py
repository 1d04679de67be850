"""How large near-duplicates are, by which the best of them is told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from itae_cluster.core.batches import batches
from itae_cluster.pictures.decode import read_size
from itae_cluster.pictures.decoders import Decoders
from itae_cluster.preview.data import Measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.clustering.similarity import Similarity
    from itae_cluster.core.types import Reporter

__all__ = ["measure_alike"]

_AT_ONCE = 500


def measure_alike(
    similarity: Similarity,
    paths: Sequence[str],
    reporter: Reporter,
    known: Mapping[int, Measure] | None = None,
) -> dict[int, Measure]:
    """What is known of each picture that is in a pair of alike ones, by row.

    Only the heads of files are read. One that cannot be read is left out.

    Args:
        similarity: of the pictures.
        paths: where they lie, in their order.
        reporter: told of what a decoder says.
        known: what need not be read again.
    """
    measures = dict(known or {})
    rows = sorted({*similarity.pairs.ravel().tolist()} - measures.keys())
    with Decoders(reporter) as decoders:
        for part in batches(rows, _AT_ONCE):
            found = decoders.map(read_size, [paths[row] for row in part])
            for row, size in zip(part, found, strict=True):
                if isinstance(size, tuple):
                    measures[row] = Measure(*size, os.path.getsize(paths[row]))
    return measures

"""A sorted collection, as the previews of a whole result need it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering import algorithms
from itae_cluster.core.types import NOISE
from itae_cluster.results.centres import measure_centres

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.core.types import Clustering, Embeddings, Placement, Suggestion
    from itae_cluster.results.centres import Centres

__all__ = ["Collection", "collect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Pictures with their vectors, their clusters and their places in the result.

    `numbers` (K) are those that the clusters have in the result: a person may have taken some away
    · `placements` may lack pictures that have gone since they were embedded · `paths` the inputs of
    the run, for the title · `seed` of the map, and of the sample where there are too many pictures
    for a page · `thumbnails` JPEG bytes by path, as far as they were kept ·
    `suggested` number → what the cluster may be called.
    """

    embeddings: Embeddings
    clustering: Clustering
    numbers: Sequence[int]
    placements: Sequence[Placement]
    paths: Sequence[str]
    seed: int
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    suggested: Mapping[int, Suggestion] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name of the folder that was sorted, where it was one."""
        name = os.path.basename(os.path.abspath(self.paths[0])) if len(self.paths) == 1 else ""
        return name or "itae-cluster"

    def centres(self) -> Centres:
        """What later pictures are sorted by."""
        found = measure_centres(self.embeddings, self.clustering)
        return replace(found, labels=np.array(self.numbers, dtype=np.int64))


def collect(
    embeddings: Embeddings, placements: Sequence[Placement], options: Mapping[str, Any]
) -> Collection:
    """The collection of a result or plan whose clusters are known.

    Args:
        embeddings: of the pictures.
        placements: where they go and in which cluster they are, in the order of `embeddings`.
        options: those of the manifest or plan, which a person may have edited.
    """
    given = np.array([item.cluster for item in placements], dtype=np.int64)
    numbers = np.unique(given[given != NOISE])
    labels = np.where(given == NOISE, NOISE, np.searchsorted(numbers, given))
    paths, clustering = options.get("paths"), options.get("clustering")
    seed = clustering.get("seed") if isinstance(clustering, dict) else None
    return Collection(
        embeddings=embeddings,
        clustering=algorithms.measure(embeddings.vectors, labels),
        numbers=numbers.tolist(),
        placements=placements,
        paths=[str(path) for path in paths] if isinstance(paths, list) else [],
        seed=seed if type(seed) is int and 0 <= seed < 2**32 else 0,
    )

"""A sorted collection, as the previews of a whole result need it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering import algorithms
from itae_cluster.clustering.levels import find_levels
from itae_cluster.core.types import NOISE, Levels
from itae_cluster.results.centres import measure_centres
from itae_cluster.results.inventory import digest_places
from itae_cluster.results.levels import measure_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.clustering.reduce import UmapThread
    from itae_cluster.core.types import Clustering, Embeddings, Placement, Suggestion
    from itae_cluster.results.centres import Centres
    from itae_cluster.results.levels import Tree

__all__ = ["Collection", "collect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Pictures with their vectors, their clusters and their places in the result.

    `numbers` (K) are those that the clusters have in the result: a person may have taken some away
    · `placements` may lack pictures that have gone since they were embedded · `paths` the inputs of
    the run, for the title · `seed` of the map, and of the sample where there are too many pictures
    for a page · `thumbnails` JPEG bytes by path, as far as they were kept ·
    `suggested` number → what the cluster may be called · `rejected` places of pictures that are not
    shown · `examples` paths of those that a person calls typical · `moved` paths of those that a
    person moved, which no level moves · `map_thread` where `begin_map` began the map.
    """

    embeddings: Embeddings
    clustering: Clustering
    numbers: Sequence[int]
    placements: Sequence[Placement]
    paths: Sequence[str]
    seed: int
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    suggested: Mapping[int, Suggestion] = field(default_factory=dict)
    rejected: Sequence[str] = ()
    examples: frozenset[str] = frozenset()
    moved: frozenset[str] = frozenset()
    map_thread: UmapThread | None = None

    @property
    def title(self) -> str:
        """The name of the folder that was sorted, where it was one."""
        name = os.path.basename(os.path.abspath(self.paths[0])) if len(self.paths) == 1 else ""
        return name or "itae-cluster"

    @property
    def digest(self) -> str:
        """Of the places of all pictures."""
        return digest_places([*(item.destination for item in self.placements), *self.rejected])

    def labels(self) -> NDArray[np.int64]:
        """The number in the result of the cluster of each picture, (n,)."""
        number = np.array([*self.numbers, NOISE], dtype=np.int64)
        return number[self.clustering.labels]

    def tree(self, model: Centres) -> Tree | None:
        """Finer and coarser clusters, where they are known; `model` is that of `centres`."""
        levels = self.clustering.levels
        if levels is None:
            return None
        return measure_tree(self.embeddings.vectors, self.labels(), levels, model)

    def with_levels(self) -> Collection:
        """Itself with levels, made in the space of the embeddings."""
        rows = np.arange(len(self.clustering.labels))
        found = find_levels(
            self.embeddings.vectors, rows, rows, self.clustering.labels, seed=self.seed
        )
        return replace(self, clustering=replace(self.clustering, levels=found))

    def centres(self) -> Centres:
        """What later pictures are sorted by."""
        found = measure_centres(self.embeddings, self.clustering)
        return replace(found, labels=np.array(self.numbers, dtype=np.int64))


def collect(
    embeddings: Embeddings,
    placements: Sequence[Placement],
    options: Mapping[str, Any],
    merges: Sequence[Sequence[int]] | None = None,
) -> Collection:
    """The collection of a result or plan whose clusters are known.

    Args:
        embeddings: of the pictures.
        placements: where they go and in which cluster they are, in the order of `embeddings`.
        options: those of the manifest or plan, which a person may have edited.
        merges: of the leaves that the placements name; None where there are none.
    """
    given = np.array([item.cluster for item in placements], dtype=np.int64)
    numbers = np.unique(given[given != NOISE])
    labels = np.where(given == NOISE, NOISE, np.searchsorted(numbers, given))
    levels = None
    if merges is not None:
        leaves = [NOISE if item.leaf is None else item.leaf for item in placements]
        levels = Levels(np.array(leaves), np.array(merges, dtype=np.int64).reshape(-1, 2))
    paths, clustering = options.get("paths"), options.get("clustering")
    seed = clustering.get("seed") if isinstance(clustering, dict) else None
    return Collection(
        embeddings=embeddings,
        clustering=replace(algorithms.measure(embeddings.vectors, labels), levels=levels),
        numbers=numbers.tolist(),
        placements=placements,
        paths=[str(path) for path in paths] if isinstance(paths, list) else [],
        seed=seed if type(seed) is int and 0 <= seed < 2**32 else 0,
    )

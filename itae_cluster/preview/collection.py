"""A sorted collection, as the previews of a whole result need it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.core.types import Clustering, Embeddings, Placement

__all__ = ["Collection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Pictures with their vectors, their clusters and their places in the result.

    `placements` may lack pictures that have gone since they were embedded · `thumbnails` JPEG bytes
    by path, as far as they were kept · `paths` the inputs of the run, for the title · `seed` of the
    map, and of the sample where there are too many pictures for a page.
    """

    embeddings: Embeddings
    clustering: Clustering
    placements: Sequence[Placement]
    paths: Sequence[str]
    seed: int
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name of the folder that was sorted, where it was one."""
        name = os.path.basename(os.path.abspath(self.paths[0])) if len(self.paths) == 1 else ""
        return name or "itae-cluster"

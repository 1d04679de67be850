"""What the previews are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from itae_cluster.clustering.similarity import Similarity
    from itae_cluster.core.types import Facts, Levels, Suggestion

__all__ = ["Measure", "PreviewData"]


@dataclass(frozen=True, slots=True)
class Measure:
    """`width` and `height` of a picture in pixels, upright, and `size` of its file in bytes."""

    width: int
    height: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewData:
    """A clustered collection on a map.

    `coordinates` (n, 2) float32, any scale · `labels` (n,) int64, 0 the largest cluster, −1 noise ·
    `names` (n) where each picture lies, relative to the preview, any bytes as in `types` ·
    `distances` (n,) float32 to the own centre, may be NaN · `representatives` cluster → picture
    indices, most typical first · `folders` label → folder name · `thumbnails` picture index → JPEG,
    long side ≤ 160 px, may lack entries · `title` and `subtitle` head both previews · `diverse`
    cluster → picture indices that show how far it reaches · `similarity` of the n pictures ·
    `measures` picture index → how large it is, of pictures that have near-duplicates ·
    `sizes` label → pictures in the whole collection, where the n are a sample of it · `suggested`
    label → what the cluster may be called · `digest` of the places of all pictures of the result,
    see `inventory.digest_places` · `levels` finer and coarser clusters, where they are known,
    with no leaf for a picture that a person put where it is ·
    `examples` picture indices that a person calls typical · `facts` (n) what is known of each
    picture, or none.
    """

    coordinates: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    distances: NDArray[np.float32]
    representatives: Mapping[int, tuple[int, ...]]
    folders: Mapping[int, str]
    thumbnails: Mapping[int, bytes]
    title: str
    subtitle: str
    diverse: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    similarity: Similarity | None = None
    measures: Mapping[int, Measure] = field(default_factory=dict)
    sizes: Mapping[int, int] = field(default_factory=dict)
    suggested: Mapping[int, Suggestion] = field(default_factory=dict)
    digest: str = ""
    levels: Levels | None = None
    examples: tuple[int, ...] = ()
    facts: tuple[Facts, ...] = ()

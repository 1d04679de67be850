"""One record per cluster, as the picture's and the page's legends list them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE
from itae_cluster.drawing.palette import colour
from itae_cluster.results.placements import is_unnamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL import Image

    from itae_cluster.preview.data import PreviewData

__all__ = ["Group", "list_groups", "read_image", "typical_images"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A cluster, or noise.

    `anchor` is the picture nearest to the median of the group's coordinates: a place that is
    surely inside the group. `typical` are the representatives that have a thumbnail.
    `suggested` is a name for it, where nobody has named its folder.
    """

    label: int
    folder: str
    count: int
    colour: str
    anchor: int
    typical: tuple[int, ...]
    suggested: str | None = None

    @property
    def number(self) -> str:
        """What stands on its badge: the cluster's number, nothing for noise."""
        return "" if self.is_noise else str(self.label)

    @property
    def is_noise(self) -> bool:
        """Whether this is a group of pictures that belong to no cluster."""
        return self.label <= NOISE


def list_groups(data: PreviewData) -> tuple[Group, ...]:
    """The groups that hold a picture, by label; noise last, and then what a person rejected."""
    labels = sorted(set(data.labels.tolist()), key=lambda label: (label <= NOISE, abs(label)))
    return tuple(_group(data, label) for label in labels)


def _group(data: PreviewData, label: int) -> Group:
    members = np.flatnonzero(data.labels == label)
    found = data.suggested.get(label)
    folder = data.folders.get(label, str(label))
    representatives = data.representatives.get(label, ())
    return Group(
        label=label,
        folder=printable(folder),
        count=data.sizes.get(label, len(members)),
        colour=colour(label),
        anchor=_nearest_to_median(data.coordinates, members),
        typical=tuple(index for index in representatives if index in data.thumbnails),
        suggested=found.name if found and is_unnamed(os.path.basename(folder)) else None,
    )


def _nearest_to_median(coordinates: NDArray[np.float32], members: NDArray[np.intp]) -> int:
    own = np.nan_to_num(coordinates[members].astype(np.float64))
    away = np.square(own - np.median(own, axis=0)).sum(axis=1)
    return int(members[int(away.argmin())])


def typical_images(data: PreviewData, group: Group) -> Iterator[Image.Image]:
    """RGB images of the group's representatives, most typical first."""
    for index in group.typical:
        image = read_image(data.thumbnails[index])
        if image is not None:
            yield image


def read_image(jpeg: bytes) -> Image.Image | None:
    """The RGB image, None where the JPEG is damaged."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None

"""The left-hand side of `preview.png`: the points, and a mark beside each cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.drawing.layout import Box, fit, place
from itae_cluster.drawing.sheet import DPI, PANEL, PAPER
from itae_cluster.preview.groups import typical_images
from itae_cluster.preview.legend import MOST_LISTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from PIL import Image

    from itae_cluster.drawing.sheet import Sheet
    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.groups import Group

__all__ = ["MAP", "draw_map"]

MAP = Box(40, 136, 1364, 1210)
_MARGIN = 70  # px between the edge of the map and its outermost point
_ROUND = 14
_MOST_WITH_THUMBNAIL = 24
_EDGED = 3000  # points; more would be all edge


def draw_map(sheet: Sheet, data: PreviewData, groups: tuple[Group, ...]) -> None:
    """Points, and beside each large cluster its most typical picture."""
    sheet.panel(MAP, PANEL, rounding=_ROUND)
    points = fit(data.coordinates, MAP.inset(_MARGIN))
    diameter = float(np.clip(56 / max(len(points), 1) ** 0.28, 2.2, 22))
    _draw_points(sheet.axes, points, diameter, data.labels, groups)
    numbered = [group for group in groups if not group.is_noise][:MOST_LISTED]
    side = 104 if len(numbered) <= 12 else 84
    marks = [
        _Mark(group, _image(data, group, side) if rank < _MOST_WITH_THUMBNAIL else None)
        for rank, group in enumerate(numbered)
    ]
    anchors = points[[mark.group.anchor for mark in marks]]
    sizes, gap = [mark.size for mark in marks], 6 + diameter / 2
    centres = place(anchors, sizes, points, MAP.inset(10), gap=gap)
    for mark, anchor, centre in zip(marks, anchors, centres, strict=True):
        start = (float(anchor[0]), float(anchor[1]))
        _draw_leader(sheet.axes, mark.group.colour, diameter, start, centre)
        _draw_mark(sheet, mark, centre)


def _draw_points(
    axes: Axes,
    points: NDArray[np.float64],
    diameter: float,
    labels: NDArray[np.int64],
    groups: tuple[Group, ...],
) -> None:
    """Noise first, then the largest cluster, so that small clusters lie on top."""
    colours = {group.label: group.colour for group in groups}
    order = np.argsort(labels, kind="stable")
    few = len(points) <= _EDGED
    axes.scatter(
        points[order, 0],
        points[order, 1],
        s=(diameter * 72 / DPI) ** 2,
        c=[colours[label] for label in labels[order].tolist()],
        marker="o",
        alpha=1.0 if few else 0.6,
        linewidths=0.5 if few else 0.0,
        edgecolors=PAPER if few else "none",
        zorder=1,
    )


@dataclass(frozen=True, slots=True)
class _Mark:
    """What stands for a cluster on the map: its framed thumbnail, or its number alone."""

    group: Group
    image: Image.Image | None

    _FRAME = 4
    _BADGE = 30

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels, frame included."""
        if self.image is None:
            return self._BADGE, self._BADGE
        return self.image.width + 2 * self._FRAME, self.image.height + 2 * self._FRAME


def _draw_leader(
    axes: Axes,
    colour: str,
    diameter: float,
    start: tuple[float, float],
    end: tuple[float, float],
) -> None:
    """A thin line from the cluster's middle to its mark, cased in white."""
    across, down = zip(start, end, strict=True)
    for ink, width in ((PAPER, 3.4), (colour, 1.7)):
        axes.plot(across, down, color=ink, linewidth=width, solid_capstyle="round", zorder=2)
    ring = max(diameter, 7) * 72 / DPI
    axes.plot(*start, "o", color=colour, markersize=ring, markeredgecolor=PAPER, zorder=2)


def _draw_mark(sheet: Sheet, mark: _Mark, centre: tuple[float, float]) -> None:
    if mark.image is None:
        sheet.badge(mark.group.colour, mark.group.number, *centre, mark._BADGE, level=3)
        return
    width, height = mark.size
    left, top = round(centre[0] - width / 2), round(centre[1] - height / 2)
    frame = Box(left, top, left + width, top + height)
    sheet.panel(frame, mark.group.colour, rounding=3, level=3)
    sheet.image(mark.image, left + mark._FRAME, top + mark._FRAME, level=4)
    corner = mark._BADGE / 2
    sheet.badge(
        mark.group.colour, mark.group.number, left + corner, top + corner, mark._BADGE, level=5
    )


def _image(data: PreviewData, group: Group, side: int) -> Image.Image | None:
    """The most typical picture that has a thumbnail, no longer than `side`."""
    from PIL import ImageOps

    image = next(typical_images(data, group), None)
    return None if image is None else ImageOps.contain(image, (side, side))

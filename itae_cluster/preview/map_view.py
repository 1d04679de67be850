"""The left-hand side of `preview.png`: the points, and a mark beside each cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.drawing.layout import Box, Room, fit
from itae_cluster.drawing.sheet import DPI, PANEL, PAPER
from itae_cluster.preview.groups import typical_images
from itae_cluster.preview.legend import list_shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from PIL import Image

    from itae_cluster.drawing.sheet import Sheet
    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.groups import Group

__all__ = ["draw_map"]

_MARGIN = 70  # px between the edge of the map and its outermost point
_ROUND = 14
_MOST_WITH_THUMBNAIL = 24  # clusters; of more the pictures are in the legend alone
_REACH = 90.0  # px from a cluster's middle to its thumbnail: no line goes across the map
_BADGE_REACH = 30.0
_EDGED = 3000  # points; more would be all edge


def draw_map(sheet: Sheet, data: PreviewData, groups: tuple[Group, ...], area: Box) -> None:
    """Points, and beside each cluster its most typical picture, its number, or nothing.

    Args:
        sheet: where to draw.
        data: what to draw.
        groups: the clusters in it; those that the legend lists get a mark where there is room.
        area: the part of the sheet.
    """
    sheet.panel(area, PANEL, rounding=_ROUND)
    points = fit(data.coordinates, area.inset(_MARGIN))
    diameter = float(np.clip(56 / max(len(points), 1) ** 0.28, 2.2, 22))
    _draw_points(sheet.axes, points, diameter, data.labels, groups)
    numbered = list_shown(groups)
    side = 104 if len(numbered) <= 12 else 84
    room = Room(points, area.inset(10), gap=6 + diameter / 2, clusters=len(numbered))
    pictured = len(numbered) <= _MOST_WITH_THUMBNAIL
    for group in numbered:
        anchor = (float(points[group.anchor, 0]), float(points[group.anchor, 1]))
        image = _image(data, group, side) if pictured else None
        mark = _Mark(group, image)
        centre = room.take(anchor, mark.size, _BADGE_REACH if image is None else _REACH)
        if centre is None and image is not None:
            mark = _Mark(group, None)
            centre = room.take(anchor, mark.size, _BADGE_REACH)
        if centre is not None:
            _draw_leader(sheet.axes, group.colour, diameter, anchor, centre)
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
    _BADGE = 28

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
    from matplotlib.lines import Line2D

    across, down = zip(start, end, strict=True)
    for ink, width in ((PAPER, 3.4), (colour, 1.7)):
        line = Line2D(across, down, color=ink, linewidth=width, solid_capstyle="round", zorder=2)
        axes.add_artist(line)
    ring = max(diameter, 7) * 72 / DPI
    x, y = ([value] for value in start)
    point = Line2D(x, y, color=colour, marker="o", ms=ring, mec=PAPER, linestyle="", zorder=2)
    axes.add_artist(point)


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

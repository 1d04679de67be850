"""Coordinates → the drawing surface, and boxes beside what they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Box", "Room", "fit", "to_unit_square"]

_CELL = 8  # px; boxes are tried on a grid this fine
_COVER_COST = 700.0  # px a box would rather go than hide an average cluster's worth of points


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, `top` above `bottom`, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels down."""
        return self.bottom - self.top

    def inset(self, margin: float) -> Box:
        """The box that is smaller by `margin` on each side."""
        return Box(self.left + margin, self.top + margin, self.right - margin, self.bottom - margin)


def to_unit_square(coordinates: NDArray[np.float32]) -> NDArray[np.float64]:
    """Centre a map in the square [0, 1]², with one scale for both axes.

    Args:
        coordinates: (n, 2), any scale; what is not finite goes to the origin.

    Returns:
        (n, 2) float64. One point, or points that all coincide, lie at (0.5, 0.5).
    """
    if not len(coordinates):
        return np.zeros((0, 2))
    finite = np.nan_to_num(coordinates.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = finite.min(axis=0), finite.max(axis=0)
    side = float((high - low).max()) or 1.0
    unit: NDArray[np.float64] = (finite - (low + high) / 2) / side + 0.5
    return unit


def fit(coordinates: NDArray[np.float32], box: Box) -> NDArray[np.float64]:
    """The map as large as it goes into the box, upright (y turned downwards), in pixels.

    Args:
        coordinates: (n, 2), any scale.
        box: where to put it.

    Returns:
        (n, 2) float64 pixels.
    """
    unit = to_unit_square(coordinates) - 0.5
    spread = np.abs(unit).max(axis=0, initial=1e-9) * 2
    scale = min(box.width / spread[0], box.height / spread[1])
    # A lone point has no spread; without a bound its rounding error would be blown up.
    scale = min(scale, 1e6)
    middle = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    return np.asarray(unit * scale * (1, -1) + middle, dtype=np.float64)


class Room:
    """Where boxes can go: near what they belong to, over few points, over no other box."""

    def __init__(self, points: NDArray[np.float64], box: Box, *, gap: float, clusters: int) -> None:
        """Nothing is taken yet.

        Args:
            points: (n, 2) pixels, what should stay visible.
            box: where boxes may lie.
            gap: pixels between two boxes, and from a box to a point.
            clusters: how many the points are in; hiding one's worth of them costs most.
        """
        self._box, self._gap = box, gap
        self._x = np.arange(box.left, box.right, _CELL)
        self._y = np.arange(box.top, box.bottom, _CELL)
        self._hidden = _Coverage(points, box)
        self._weight = _COVER_COST * clusters / max(len(points), 1)
        self._taken: list[tuple[tuple[float, float], tuple[float, float]]] = []

    def take(
        self, anchor: tuple[float, float], size: tuple[float, float], reach: float = np.inf
    ) -> tuple[float, float] | None:
        """Take the place where distance and hidden points cost least.

        Args:
            anchor: what the box belongs to, in pixels.
            size: width and height of the box in pixels.
            reach: pixels from the anchor to the edge of the box at most.

        Returns:
            Its centre in pixels, the same for the same input; None where there is no room.
        """
        x, y, gap = self._x, self._y, self._gap
        across, down = np.abs(x - anchor[0]), np.abs(y - anchor[1])
        away = np.hypot(
            np.maximum(down - size[1] / 2, 0)[:, None], np.maximum(across - size[0] / 2, 0)[None, :]
        )
        allowed = _inside(x, y, size, self._box) & (away <= reach)
        for other, centre in self._taken:
            allowed &= ~_touches(x, y, size, other, centre, gap)
        if not allowed.any():
            return None
        covered = self._hidden.by_boxes_at(x, y, (size[0] + 2 * gap, size[1] + 2 * gap))
        middle = np.hypot(down[:, None], across[None, :])
        cost = np.where(allowed, middle + self._weight * covered, np.inf)
        row, column = np.unravel_index(int(cost.argmin()), cost.shape)
        found = (float(x[column]), float(y[row]))
        self._taken.append((size, found))
        return found


def _inside(
    x: NDArray[np.float64], y: NDArray[np.float64], size: tuple[float, float], box: Box
) -> NDArray[np.bool_]:
    across = (x - size[0] / 2 >= box.left) & (x + size[0] / 2 <= box.right)
    down = (y - size[1] / 2 >= box.top) & (y + size[1] / 2 <= box.bottom)
    return np.asarray(down[:, None] & across[None, :], dtype=np.bool_)


def _touches(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    size: tuple[float, float],
    other: tuple[float, float],
    centre: tuple[float, float],
    gap: float,
) -> NDArray[np.bool_]:
    across = np.abs(x - centre[0]) < (size[0] + other[0]) / 2 + gap
    down = np.abs(y - centre[1]) < (size[1] + other[1]) / 2 + gap
    return np.asarray(down[:, None] & across[None, :], dtype=np.bool_)


class _Coverage:
    """How many points a box hides, from a table of running sums over grid cells."""

    def __init__(self, points: NDArray[np.float64], box: Box) -> None:
        self._origin = (box.left, box.top)
        columns, rows = int(box.width // _CELL) + 1, int(box.height // _CELL) + 1
        column = np.clip((points[:, 0] - box.left) // _CELL, 0, columns - 1).astype(np.intp)
        row = np.clip((points[:, 1] - box.top) // _CELL, 0, rows - 1).astype(np.intp)
        counts = np.zeros((rows + 1, columns + 1))
        np.add.at(counts, (row + 1, column + 1), 1)
        self._sums = counts.cumsum(axis=0).cumsum(axis=1)

    def by_boxes_at(
        self, x: NDArray[np.float64], y: NDArray[np.float64], size: tuple[float, float]
    ) -> NDArray[np.float64]:
        """(len(y), len(x)) float64: the points below a box of this size at each centre."""
        left, right = self._cells(x, size[0], 0)
        top, bottom = self._cells(y, size[1], 1)
        sums = self._sums
        inside = (
            sums[np.ix_(bottom, right)]
            - sums[np.ix_(top, right)]
            - sums[np.ix_(bottom, left)]
            + sums[np.ix_(top, left)]
        )
        return np.asarray(inside, dtype=np.float64)

    def _cells(
        self, centres: NDArray[np.float64], length: float, axis: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        last = self._sums.shape[1 - axis] - 1
        start = np.floor((centres - length / 2 - self._origin[axis]) / _CELL)
        end = np.ceil((centres + length / 2 - self._origin[axis]) / _CELL)
        return (
            np.clip(start, 0, last).astype(np.intp),
            np.clip(end, 0, last).astype(np.intp),
        )

"""The right-hand side of `preview.png`: what each colour and number means."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from itae_cluster.drawing.layout import Box
from itae_cluster.drawing.sheet import QUIET
from itae_cluster.drawing.typeface import Typeface
from itae_cluster.preview.groups import typical_images

if TYPE_CHECKING:
    from itae_cluster.drawing.sheet import Sheet
    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.groups import Group

__all__ = ["LEGEND", "MOST_LISTED", "draw_legend"]

LEGEND = Box(1400, 136, 1960, 1210)
MOST_LISTED = 60  # clusters with a line of their own, and with a number on the map
_MOST_WIDE_ROWS = 24  # rows of one column with thumbnails; more go to two columns without
_THUMBNAILS = 3
_TWO_LINES = 44.0  # height of a row from which on a suggested name has its folder below it


def draw_legend(sheet: Sheet, data: PreviewData, groups: tuple[Group, ...]) -> None:
    """One line per cluster, then noise, then how many clusters there was no room for."""
    clusters = [group for group in groups if not group.is_noise]
    noise = [group for group in groups if group.is_noise]
    rows = clusters[:MOST_LISTED] + noise
    hidden = len(clusters) - len(clusters[:MOST_LISTED])
    columns = 1 if len(rows) <= _MOST_WIDE_ROWS else 2
    deep = -(-len(rows) // columns)
    height = min(100.0, LEGEND.height / (deep + bool(hidden)))
    gap = 28.0
    width = (LEGEND.width - gap * (columns - 1)) / columns
    for position, group in enumerate(rows):
        column, row = divmod(position, deep)
        left, top = LEGEND.left + column * (width + gap), LEGEND.top + row * height
        _draw_row(sheet, data, group, Box(left, top, left + width, top + height), columns == 1)
    if hidden:
        middle = LEGEND.top + (deep + 0.5) * height
        face = Typeface(min(20.0, height * 0.56))
        text = f"… and {hidden:,} more"
        sheet.text(LEGEND.left, middle, text, face, width=LEGEND.width, ink=QUIET)


def _draw_row(sheet: Sheet, data: PreviewData, group: Group, row: Box, roomy: bool) -> None:
    """Swatch, folder, count and, where there is room, thumbnails, on one line."""
    middle = (row.top + row.bottom) / 2
    side = min(40.0, row.height * 0.78)
    sheet.badge(group.colour, group.number, row.left + side / 2, middle, side, level=3)
    right = row.right
    if roomy:
        cell = min(80, int(row.height) - 6)
        right -= _THUMBNAILS * (cell + 6) + 12
        _draw_row_thumbnails(sheet, data, group, right + 18, middle - cell / 2, cell)
    face = Typeface(min(22.0, row.height * 0.55))
    count = f"{group.count:,}"
    left = row.left + side + 12
    sheet.text(right, middle, count, face, width=row.width, ink=QUIET, align="right")
    width = right - left - face.width(count) - 12
    if group.suggested is None or row.height < _TWO_LINES:
        sheet.text(left, middle, group.suggested or group.folder, face, width=width)
        return
    sheet.text(left, middle - face.pixels * 0.62, group.suggested, face, width=width)
    small = Typeface(face.pixels * 0.75)
    sheet.text(left, middle + face.pixels * 0.62, group.folder, small, width=width, ink=QUIET)


def _draw_row_thumbnails(
    sheet: Sheet, data: PreviewData, group: Group, left: float, top: float, cell: int
) -> None:
    from PIL import ImageOps

    images = itertools.islice(typical_images(data, group), _THUMBNAILS)
    for position, image in enumerate(images):
        square = ImageOps.fit(image, (cell, cell))
        sheet.image(square, left + position * (cell + 6), top, level=4)

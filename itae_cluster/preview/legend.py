"""The right-hand side of `preview.png`: what each colour and number means."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from itae_cluster.drawing.layout import Box
from itae_cluster.drawing.sheet import QUIET
from itae_cluster.drawing.typeface import Typeface
from itae_cluster.preview.groups import typical_images

if TYPE_CHECKING:
    from PIL import Image

    from itae_cluster.drawing.sheet import Sheet
    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.groups import Group

__all__ = ["draw_legend", "legend_width", "list_shown"]

_MOST = 100  # clusters with a place in the legend, and with a mark on the map
_MOST_ROWS = 24  # of one column with several thumbnails each; more are cells with one
_THUMBNAILS = 3
_TWO_LINES = 44.0  # height of a row from which on a suggested name has its folder below it
_NARROW, _WIDE = 560, 900  # px
_COLUMNS, _MANY_COLUMNS = 4, 5
_MOST_ROOMY = 60  # cells of four columns
_GAP = 16.0  # px between cells
_FOOT = 32.0  # px for the line that says what is left out


def list_shown(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """The clusters that have a place in the legend: the largest."""
    clusters = [group for group in groups if not group.is_noise]
    return tuple(sorted(clusters, key=lambda group: (-group.count, group.label))[:_MOST])


def legend_width(groups: tuple[Group, ...]) -> float:
    """Pixels across: many clusters need more."""
    return _NARROW if len(groups) <= _MOST_ROWS else _WIDE


def draw_legend(sheet: Sheet, data: PreviewData, groups: tuple[Group, ...], area: Box) -> None:
    """What stands for each cluster, then for noise, then what there was no room for.

    Args:
        sheet: where to draw.
        data: what to draw.
        groups: the clusters in it.
        area: the part of the sheet, as wide as `legend_width` says.
    """
    shown = list_shown(groups)
    rest = [group for group in groups if not group.is_noise and group not in shown]
    entries = [*shown, *(group for group in groups if group.is_noise)]
    roomy = len(groups) <= _MOST_ROWS
    columns = 1 if roomy else _COLUMNS if len(entries) <= _MOST_ROOMY else _MANY_COLUMNS
    deep = max(1, -(-len(entries) // columns))
    height = min(100.0, (area.height - _FOOT * bool(rest)) / deep)
    width = (area.width - _GAP * (columns - 1)) / columns
    draw = _draw_row if roomy else _draw_cell
    for position, group in enumerate(entries):
        column, row = divmod(position, deep)
        left, top = area.left + column * (width + _GAP), area.top + row * height
        draw(sheet, data, group, Box(left, top, left + width, top + height))
    if rest:
        pictures = sum(group.count for group in rest)
        text = f"… and {len(rest):,} smaller clusters, of {pictures:,} pictures"
        face = Typeface(20.0)
        sheet.text(area.left, area.bottom - 8, text, face, width=area.width, ink=QUIET)


def _draw_row(sheet: Sheet, data: PreviewData, group: Group, row: Box) -> None:
    """Swatch, name, count and thumbnails, on one line."""
    middle = (row.top + row.bottom) / 2
    side = min(40.0, row.height * 0.78)
    sheet.badge(group.colour, group.number, row.left + side / 2, middle, side, level=3)
    cell = min(80, int(row.height) - 6)
    right = row.right - _THUMBNAILS * (cell + 6) - 12
    images = itertools.islice(typical_images(data, group), _THUMBNAILS)
    for position, image in enumerate(images):
        _draw_square(sheet, image, right + 18 + position * (cell + 6), middle - cell / 2, cell)
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


def _draw_cell(sheet: Sheet, data: PreviewData, group: Group, cell: Box) -> None:
    """The most typical picture with the badge in its corner, and beside it name and count."""
    middle = (cell.top + cell.bottom) / 2
    side = min(64, int(cell.height) - 5)
    image = next(typical_images(data, group), None)
    badge = min(24.0, side * 0.42)
    if image is None:
        badge = min(40.0, side * 0.8)
        sheet.badge(group.colour, group.number, cell.left + side / 2, middle, badge, level=5)
    else:
        frame = Box(cell.left, middle - side / 2, cell.left + side, middle + side / 2)
        sheet.panel(frame, group.colour, level=3)
        _draw_square(sheet, image, frame.left + 3, frame.top + 3, side - 6)
        corner = badge / 2
        sheet.badge(
            group.colour, group.number, frame.left + corner, frame.top + corner, badge, level=5
        )
    face = Typeface(min(19.0, cell.height * 0.32))
    left, width = cell.left + side + 10, cell.width - side - 10
    name, count = group.suggested or group.folder, f"{group.count:,}"
    sheet.text(left, middle - face.pixels * 0.64, name, face, width=width)
    sheet.text(left, middle + face.pixels * 0.64, count, face, width=width, ink=QUIET)


def _draw_square(sheet: Sheet, image: Image.Image, left: float, top: float, side: int) -> None:
    from PIL import ImageOps

    sheet.image(ImageOps.fit(image, (side, side)), left, top, level=4)

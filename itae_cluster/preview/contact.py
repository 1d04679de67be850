"""`contact/cluster-007.jpg`: a cluster's pictures on one sheet, most typical first."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.errors import OutputError
from itae_cluster.core.files import write_file
from itae_cluster.core.text import printable
from itae_cluster.drawing.sheet import INK, PAPER, QUIET
from itae_cluster.drawing.typeface import Typeface
from itae_cluster.preview.groups import list_groups, read_image

if TYPE_CHECKING:
    from PIL import Image

    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.groups import Group

__all__ = ["render_contact_sheet", "sheet_name", "write_contact_sheets"]

_COLUMNS, _MOST_ROWS = 8, 12
_TILE, _GAP, _MARGIN = 160, 16, 40
_CAPTION, _HEAD = 26, 84
_QUALITY = 88


def write_contact_sheets(data: PreviewData, folder: str) -> None:
    """Write one JPEG for each group. The same data give the same bytes.

    Up to 96 pictures stand on a sheet; its heading counts all.

    Args:
        data: what to draw. A picture without a thumbnail is an empty frame with its name.
        folder: made where it does not exist.

    Raises:
        OutputError: a file cannot be written.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make {printable(folder)}: {error.strerror}; choose a folder you may write to"
        ) from error
    for group in list_groups(data):
        write_file(render_contact_sheet(data, group), os.path.join(folder, sheet_name(group)))


def sheet_name(group: Group) -> str:
    """The file name of a group's sheet, such as `cluster-007.jpg`."""
    return f"{group.folder.replace('/', '-')}.jpg"


def render_contact_sheet(data: PreviewData, group: Group) -> bytes:
    """One sheet as JPEG bytes; the same data, the same bytes."""
    stream = io.BytesIO()
    _draw(data, group).save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    return stream.getvalue()


def _draw(data: PreviewData, group: Group) -> Image.Image:
    from PIL import Image, ImageDraw

    rows = _sort_by_typicality(data, group)[: _COLUMNS * _MOST_ROWS]
    across, down = min(_COLUMNS, max(4, len(rows))), -(-len(rows) // _COLUMNS)
    width = 2 * _MARGIN + across * (_TILE + _GAP) - _GAP
    height = _MARGIN + _HEAD + down * (_TILE + _CAPTION + _GAP) - _GAP + _MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    _draw_heading(pen, group, len(rows), width)
    for place, row in enumerate(rows):
        left = _MARGIN + place % _COLUMNS * (_TILE + _GAP)
        top = _MARGIN + _HEAD + place // _COLUMNS * (_TILE + _CAPTION + _GAP)
        _draw_tile(sheet, data, row, left, top)
        face = Typeface(13)
        name = face.fit(os.path.basename(data.names[row]), _TILE)
        middle = (left + _TILE / 2, top + _TILE + _CAPTION / 2)
        pen.text(middle, name, fill=QUIET, font=face.font(), anchor="mm")
    return sheet


def _draw_heading(pen: object, group: Group, shown: int, width: int) -> None:
    from PIL import ImageDraw

    assert isinstance(pen, ImageDraw.ImageDraw)
    face, small = Typeface(32, bold=True), Typeface(18)
    pen.rounded_rectangle((_MARGIN, _MARGIN + 4, _MARGIN + 28, _MARGIN + 32), 6, fill=group.colour)
    title = face.fit(group.folder, width - 2 * _MARGIN - 40)
    pen.text((_MARGIN + 42, _MARGIN + 18), title, fill=INK, font=face.font(), anchor="lm")
    counted = f"{group.count:,} picture{'' if group.count == 1 else 's'}"
    text = counted if shown == group.count else f"{counted}, the {shown} most typical"
    pen.text((_MARGIN, _MARGIN + 56), text, fill=QUIET, font=small.font(), anchor="lm")


def _draw_tile(sheet: Image.Image, data: PreviewData, row: int, left: int, top: int) -> None:
    from PIL import Image, ImageDraw, ImageOps

    image = read_image(data.thumbnails[row]) if row in data.thumbnails else None
    if image is None:
        box = (left, top, left + _TILE - 1, top + _TILE - 1)
        ImageDraw.Draw(sheet).rounded_rectangle(box, 4, outline=QUIET)
        return
    shown = ImageOps.contain(image, (_TILE, _TILE), Image.Resampling.LANCZOS)
    sheet.paste(shown, (left + (_TILE - shown.width) // 2, top + (_TILE - shown.height) // 2))


def _sort_by_typicality(data: PreviewData, group: Group) -> list[int]:
    members = np.flatnonzero(data.labels == group.label)
    order = np.argsort(np.nan_to_num(data.distances[members], nan=9.0), kind="stable")
    return [int(row) for row in members[order]]

"""`preview.png`: heading, map and legend."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from itae_cluster.core.files import write_file
from itae_cluster.drawing.layout import Box
from itae_cluster.drawing.sheet import DPI, HEIGHT, PAPER, QUIET, WIDTH, Sheet
from itae_cluster.drawing.typeface import Typeface
from itae_cluster.preview.groups import list_groups
from itae_cluster.preview.legend import draw_legend, legend_width
from itae_cluster.preview.map_view import draw_map

if TYPE_CHECKING:
    from itae_cluster.preview.data import PreviewData

__all__ = ["render_picture", "write_picture"]

_AREA = Box(40, 136, 1960, 1210)  # of map and legend
_GAP = 36  # px between the two
_SHOWN_DPI = 144  # two pixels for each of the 1000×625 points it takes in a document


def write_picture(data: PreviewData, path: str) -> None:
    """Draw `preview.png`, 2000×1250 pixels that documents show at half that size.

    The same data give the same bytes.

    Args:
        data: what to draw. A thumbnail that is missing or damaged is left out.
        path: the file to write.

    Raises:
        OutputError: the file cannot be written.
    """
    write_file(render_picture(data), path)


def render_picture(data: PreviewData) -> bytes:
    """`preview.png` as bytes; the same data, the same bytes."""
    # Figure and canvas by hand: pyplot would pick a backend and keep global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor=PAPER)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, 0)
    axes.set_autoscale_on(False)
    sheet = Sheet(axes)
    _draw_heading(sheet, data)
    groups = list_groups(data)
    width = legend_width(groups)
    legend = Box(_AREA.right - width, _AREA.top, _AREA.right, _AREA.bottom)
    draw_map(sheet, data, groups, Box(_AREA.left, _AREA.top, legend.left - _GAP, _AREA.bottom))
    draw_legend(sheet, data, groups, legend)
    buffer = io.BytesIO()
    canvas.print_png(  # type: ignore[no-untyped-call]
        buffer, metadata={"Software": None}, pil_kwargs={"dpi": (_SHOWN_DPI, _SHOWN_DPI)}
    )
    return buffer.getvalue()


def _draw_heading(sheet: Sheet, data: PreviewData) -> None:
    width = _AREA.width
    sheet.text(_AREA.left, 54, data.title, Typeface(38, bold=True), width=width)
    sheet.text(_AREA.left, 102, data.subtitle, Typeface(23), width=width, ink=QUIET)

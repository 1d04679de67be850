"""`preview.png`: heading, map and legend."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from itae_cluster.core.files import write_file
from itae_cluster.drawing.sheet import DPI, HEIGHT, PAPER, QUIET, WIDTH, Sheet
from itae_cluster.drawing.typeface import Typeface
from itae_cluster.preview.groups import list_groups
from itae_cluster.preview.legend import LEGEND, draw_legend
from itae_cluster.preview.map_view import MAP, draw_map

if TYPE_CHECKING:
    from itae_cluster.preview.data import PreviewData

__all__ = ["render_picture", "write_picture"]

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
    draw_map(sheet, data, groups)
    draw_legend(sheet, data, groups)
    buffer = io.BytesIO()
    canvas.print_png(  # type: ignore[no-untyped-call]
        buffer, metadata={"Software": None}, pil_kwargs={"dpi": (_SHOWN_DPI, _SHOWN_DPI)}
    )
    return buffer.getvalue()


def _draw_heading(sheet: Sheet, data: PreviewData) -> None:
    width = LEGEND.right - MAP.left
    sheet.text(MAP.left, 54, data.title, Typeface(38, bold=True), width=width)
    sheet.text(MAP.left, 102, data.subtitle, Typeface(23), width=width, ink=QUIET)

"""A blank figure, and a finished one → bytes.

Figures and canvases are made by hand: pyplot would pick a backend and keep global state, and a
user's matplotlibrc is not to change a figure. The same drawing gives the same bytes.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from itae_cluster.drawing.matplotlib_folder import prepare_matplotlib
from itae_cluster.drawing.sheet import DPI, PAPER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["blank", "to_bytes"]

_IDENTIFIER = re.compile(rb'\bid="([a-z]*[0-9a-f]{10})"')


def blank(width: int, height: int) -> Figure:
    """A figure of that many pixels."""
    prepare_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER)


def to_bytes(figure: Figure, suffix: str) -> bytes:
    """The figure as a file of that kind, `.png` or `.svg`, without date or version."""
    buffer = io.BytesIO()
    if suffix == ".png":
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        png = FigureCanvasAgg(figure)
        png.print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
        return buffer.getvalue()
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    nothing = {"Creator": None, "Date": None}
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)  # type: ignore[no-untyped-call]
    return _number_identifiers(buffer.getvalue())


def _number_identifiers(svg: bytes) -> bytes:
    """Matplotlib's identifiers are salted at random; number them in their order instead."""
    found = dict.fromkeys(_IDENTIFIER.findall(svg))
    numbers = {old: b"n%d" % number for number, old in enumerate(found)}
    return re.sub(
        rb'(\bid="|#)([a-z]*[0-9a-f]{10})\b',
        lambda match: match[1] + numbers.get(match[2], match[2]),
        svg,
    )

"""Axes in the figures' common look: one typeface, few lines, ticks that are plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from itae_cluster.drawing.palette import colour
from itae_cluster.drawing.sheet import DPI, INK, QUIET
from itae_cluster.drawing.typeface import Typeface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from itae_cluster.drawing.layout import Box

__all__ = [
    "ARTIFACTS",
    "GRID",
    "PATCHES",
    "REGISTERS",
    "THETA",
    "add_axes",
    "heading",
    "legend",
    "note",
    "ticks",
]

PATCHES, ARTIFACTS, REGISTERS, THETA = (colour(label) for label in range(4))
"""Blue, orange, bluish green and vermilion: told apart by colour-blind readers too."""

GRID = "#e4e7ea"

_SMALL, _LABEL, _TITLE, _HEADING = Typeface(21), Typeface(23), Typeface(26, bold=True), 34.0


def heading(figure: Figure, text: str, left: float, right: float, top: float) -> None:
    """The figure's own title, on one line that begins at (left, top) in pixels."""
    width, height = figure.get_size_inches() * DPI
    face = Typeface(_HEADING, bold=True)
    figure.text(
        left / width,
        1 - top / height,
        face.fit(text, right - left),
        fontproperties=face.properties(DPI),
        color=INK,
        verticalalignment="top",
        parse_math=False,
        usetex=False,
    )


def add_axes(figure: Figure, box: Box, *, title: str, x: str, y: str) -> Axes:
    """Empty axes that fill `box` (pixels, y downwards); labels stand outside it."""
    width, height = figure.get_size_inches() * DPI
    axes = figure.add_axes(
        (box.left / width, 1 - box.bottom / height, box.width / width, box.height / height)
    )
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.grid(visible=False, which="both")
    axes.grid(visible=True, axis="y", color=GRID, linewidth=1, linestyle="-")
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set(color=QUIET, linewidth=1)
    axes.tick_params(color=QUIET, length=5, width=1, direction="out", top=False, right=False)
    title = _TITLE.fit(title, box.width)
    font = _TITLE.properties(DPI)
    axes.set_title(title, fontproperties=font, color=INK, loc="left", pad=12, parse_math=False)
    font = _LABEL.properties(DPI)
    axes.set_xlabel(x, fontproperties=font, color=INK, labelpad=8, parse_math=False)
    axes.set_ylabel(y, fontproperties=font, color=INK, labelpad=10, parse_math=False)
    return axes


def ticks(axes: Axes, which: str, at: Sequence[float], text: Sequence[str]) -> None:
    """Ticks at these places, in this text and no other."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks(
        list(at),
        labels=list(text),
        fontproperties=_SMALL.properties(DPI),
        color=INK,
        parse_math=False,
        usetex=False,
    )
    axis.set_ticks([], minor=True)


def legend(
    axes: Axes,
    place: Literal["upper left", "lower right"],
    anchor: tuple[float, float],
    columns: int = 1,
) -> None:
    """What the colours and lines mean; its corner `place` lies at `anchor`, 0 to 1 of the axes."""
    handles, labels = axes.get_legend_handles_labels()
    box = axes.legend(
        handles,
        labels,
        loc=place,
        bbox_to_anchor=anchor,
        prop=_SMALL.properties(DPI),
        labelcolor=INK,
        ncols=columns,
        frameon=False,
        handlelength=1.6,
        borderaxespad=0.2,
        columnspacing=1.6,
    )
    box.set_zorder(8)


def note(axes: Axes, text: str) -> None:
    """Words high up in the axes, about what is not there to be shown."""
    axes.text(
        0.98,
        0.9,
        text,
        transform=axes.transAxes,
        fontproperties=_LABEL.properties(DPI),
        color=QUIET,
        horizontalalignment="right",
        verticalalignment="center",
        parse_math=False,
        usetex=False,
        bbox={"facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.85},
        zorder=7,
    )

"""The surface to draw on: axes whose units are the picture's pixels, y downwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.drawing.layout import Box
from itae_cluster.drawing.palette import ink_on
from itae_cluster.drawing.typeface import Typeface

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL import Image

__all__ = ["DPI", "HEIGHT", "INK", "PANEL", "PAPER", "QUIET", "WIDTH", "Sheet"]

WIDTH, HEIGHT, DPI = 2000, 1250, 100
INK, QUIET, PAPER, PANEL = "#1b1f24", "#5d6670", "#ffffff", "#f6f7f9"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pen strokes on the axes; later ones of the same `level` lie on top."""

    axes: Axes

    def text(
        self,
        x: float,
        y: float,
        text: str,
        face: Typeface,
        *,
        width: float,
        ink: str = INK,
        align: str = "left",
        level: float = 6,
    ) -> None:
        """One line, centred vertically on y; `$` and all else stand for themselves."""
        self.axes.text(
            x,
            y,
            face.fit(text, width),
            fontproperties=face.properties(DPI),
            color=ink,
            horizontalalignment=align,
            verticalalignment="center_baseline",
            parse_math=False,
            usetex=False,
            zorder=level,
        )

    def panel(self, box: Box, fill: str, *, rounding: float = 0, level: float = 0) -> None:
        """A filled rectangle without an outline, its corners rounded by so many pixels."""
        from matplotlib.patches import FancyBboxPatch

        style = f"round,pad=0,rounding_size={rounding}" if rounding else "square,pad=0"
        corner = (box.left, box.top)
        patch = FancyBboxPatch(
            corner, box.width, box.height, boxstyle=style, facecolor=fill, linewidth=0
        )
        patch.set_zorder(level)
        self.axes.add_artist(patch)  # unlike add_patch it measures nothing: the axes are fixed

    def image(self, image: Image.Image, left: float, top: float, level: float) -> None:
        """A picture pixel for pixel."""
        left, top = round(left), round(top)
        self.axes.imshow(
            np.asarray(image),
            extent=(left, left + image.width, top + image.height, top),
            aspect="auto",
            origin="upper",
            interpolation="nearest",
            zorder=level,
        )

    def badge(
        self, ground: str, text: str, x: float, y: float, side: float, *, level: float
    ) -> None:
        """A small square of colour `ground` with a short text in it, centred on (x, y)."""
        box = Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
        self.panel(box, ground, rounding=side * 0.22, level=level)
        if text:
            face = Typeface(side * 0.56, bold=True)
            ink = ink_on(ground)
            self.text(x, y, text, face, width=2 * side, ink=ink, align="center", level=level)

"""Any text → text the picture's font can show, and how wide it is.

DejaVu Sans comes with matplotlib, so the picture looks the same on every machine.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster.core.text import printable
from itae_cluster.drawing.matplotlib_folder import prepare_matplotlib

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties
    from PIL import ImageFont

__all__ = ["Typeface"]

_ELLIPSIS = "…"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Typeface:
    """DejaVu Sans, regular or bold, at a size in pixels."""

    pixels: float
    bold: bool = False

    def properties(self, dpi: float) -> FontProperties:
        """The font as matplotlib takes it, for a figure of this resolution."""
        prepare_matplotlib()
        from matplotlib.font_manager import FontProperties

        return FontProperties(fname=_file(self.bold), size=self.pixels * 72 / dpi)

    def font(self) -> ImageFont.FreeTypeFont:
        """The font as Pillow takes it."""
        from PIL import ImageFont

        # Pillow's basic layout is the same whether or not it was built with Raqm.
        basic = ImageFont.Layout.BASIC
        return ImageFont.truetype(_file(self.bold), self.pixels, layout_engine=basic)

    def fit(self, text: str, width: float) -> str:
        """The text, printable and in this font's characters, cut with `…` to `width` pixels."""
        known = _characters(self.bold)
        # The longest text that is ever shown; a file name of 64 KiB need not be measured.
        shown = "".join(c if ord(c) in known else _REPLACEMENT for c in printable(text[:400]))
        if self.width(shown) <= width:
            return shown
        while shown and self.width(shown + _ELLIPSIS) > width:
            shown = shown[:-1]
        return shown + _ELLIPSIS

    def width(self, text: str) -> float:
        """Pixels across."""
        if not text:
            return 0.0
        prepare_matplotlib()
        from matplotlib.textpath import text_to_path

        font = self.properties(72)
        return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def _file(bold: bool) -> str:
    prepare_matplotlib()
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return os.path.join(matplotlib.get_data_path(), "fonts", "ttf", name)


@functools.cache
def _characters(bold: bool) -> frozenset[int]:
    prepare_matplotlib()
    from matplotlib.font_manager import get_font

    return frozenset(get_font(_file(bold)).get_charmap())

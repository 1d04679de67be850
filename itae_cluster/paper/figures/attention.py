"""Fig. 4 of the paper: what CLS looks at, before and after ITAE, one row a picture."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.drawing.layout import Box
from itae_cluster.drawing.sheet import DPI, INK, PANEL, QUIET, Sheet
from itae_cluster.drawing.typeface import Typeface
from itae_cluster.paper.figures.canvas import blank, to_bytes
from itae_cluster.paper.figures.maps import outline
from itae_cluster.paper.figures.target import check_target, suffix_of, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from PIL import Image

    from itae_cluster.paper.figures.maps import TokenMap

__all__ = ["OUTLINE", "draw_attention"]

OUTLINE = "#ff3b6b"
"""Around artifacts: a hue and a lightness that viridis passes nowhere at once."""

_MARGIN, _GAP, _GUTTER = 48, 22, 64
_TOP, _CAPTION, _BELOW = 172, 72, 34
_SCALE = 112  # the colour scale beside a row: bar and numbers
_BAR = 16
_FLATTEST = 1 / 3  # of a picture's sides; anything longer is squeezed to that
_LIMIT_ONE_COLUMN = 4
_TITLE = "CLS attention of the last block, mean over heads"
_NAME, _FACTS, _HEAD, _NUMBER = Typeface(23, bold=True), Typeface(21), Typeface(21), Typeface(18)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the sheet is divided, in pixels."""

    columns: int
    side: int  # the square that a picture or a map fits into
    strip: int  # width of the registers' strip with its gap, 0 without registers
    rows: tuple[int, ...]  # height of the pictures in each row

    @property
    def block(self) -> int:
        """Width of one picture's row: picture, two maps with their strips, colour scale."""
        return 3 * self.side + 2 * (self.strip + _GAP) + _SCALE

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        width = 2 * _MARGIN + self.columns * self.block + (self.columns - 1) * _GUTTER
        return width, _TOP + sum(_CAPTION + row + _BELOW for row in self.rows)

    def left(self, column: int) -> int:
        """Where a block of that column begins."""
        return _MARGIN + column * (self.block + _GUTTER)


def draw_attention(
    path: str, panels: Sequence[TokenMap], theta: float | None, *, subtitle: str = ""
) -> None:
    """A sheet with one row a picture: the picture, its map before ITAE, its map after.

    Both maps of a row share one colour scale (viridis over the square root of the attention, so
    that what artifacts leave to the others can be seen). The same data give the same bytes.

    Args:
        path: the file to write, `.png` or `.svg`.
        panels: at least one picture with its tokens; two columns from five pictures on.
        theta: the threshold, None where ITAE is off.
        subtitle: what else is to be known, such as the model, on one line.

    Raises:
        UsageError: if the suffix is another one.
        OutputError: if the file exists or cannot be written.
    """
    check_target(path)
    plan = _plan(panels)
    figure = blank(*plan.size)
    sheet = Sheet(_pixel_axes(figure.add_axes((0.0, 0.0, 1.0, 1.0)), plan))
    _draw_heading(sheet, plan, theta, subtitle)
    top = _TOP
    for row, height in enumerate(plan.rows):
        for column in range(plan.columns):
            number = row * plan.columns + column
            if number < len(panels):
                _draw_row(sheet, plan, panels[number], theta, plan.left(column), top)
        top += _CAPTION + height + _BELOW
    write(to_bytes(figure, suffix_of(path)), path)


def _plan(panels: Sequence[TokenMap]) -> _Plan:
    columns = 1 if len(panels) <= _LIMIT_ONE_COLUMN else 2
    side = 480 if len(panels) == 1 else 400 if columns == 1 else 300
    strip = side // 12 + _GAP // 2 if any(panel.registers for panel in panels) else 0
    heights = [_fit(panel, side)[1] for panel in panels]
    rows = [max(heights[i : i + columns]) for i in range(0, len(heights), columns)]
    return _Plan(columns, side, strip, tuple(rows))


def _fit(panel: TokenMap, side: int) -> tuple[int, int]:
    """The picture's own shape within a square."""
    aspect = min(max(panel.width / max(panel.height, 1), _FLATTEST), 1 / _FLATTEST)
    return (side, round(side / aspect)) if aspect >= 1 else (round(side * aspect), side)


def _pixel_axes(axes: Axes, plan: _Plan) -> Axes:
    width, height = plan.size
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_autoscale_on(False)
    return axes


def _draw_heading(sheet: Sheet, plan: _Plan, theta: float | None, subtitle: str) -> None:
    width = plan.size[0] - 2 * _MARGIN
    sheet.text(_MARGIN, 44, _TITLE, Typeface(32, bold=True), width=width)
    shown = "θ off" if theta is None else f"θ = {theta:g}"
    legend = "artifact tokens are outlined"
    face = Typeface(21)
    room = face.width(legend) + 48
    text = f"{shown} · {subtitle}" if subtitle else shown
    sheet.text(_MARGIN, 88, text, face, width=width - room - _GAP, ink=QUIET)
    right = plan.size[0] - _MARGIN
    sheet.text(right, 88, legend, face, width=room, ink=QUIET, align="right")
    swatch = Box(right - room, 77, right - room + 22, 99)
    _draw_outline(sheet, np.ones((1, 1), dtype=bool), swatch)
    for column in range(plan.columns):
        left = plan.left(column)
        for text, at in zip(("picture", "before ITAE", "after ITAE"), _slots(plan), strict=True):
            middle = left + at + plan.side / 2
            sheet.text(middle, 142, text, _HEAD, width=plan.side, align="center")


def _slots(plan: _Plan) -> tuple[int, int, int]:
    """Where picture and maps begin within a block."""
    step = plan.side + _GAP
    return 0, step, 2 * step + plan.strip


def _draw_row(
    sheet: Sheet, plan: _Plan, panel: TokenMap, theta: float | None, left: int, top: int
) -> None:
    width, height = _fit(panel, plan.side)
    sheet.text(left, top + 18, _name(panel.path, plan.block), _NAME, width=plan.block)
    sheet.text(left, top + 48, _facts(panel, theta), _FACTS, width=plan.block, ink=QUIET)
    top += _CAPTION
    lefts = [round(left + slot + (plan.side - width) / 2) for slot in _slots(plan)]
    boxes = [Box(x, top, x + width, top + height) for x in lefts]
    sheet.image(_resize(panel.pixels, boxes[0], smooth=True), boxes[0].left, top, level=2)
    # CLS's attention to itself is no part of a map, and may be far larger.
    shown = np.concatenate([panel.attention[1:], panel.attenuated[1:]])
    highest = float(shown.max()) or 1.0
    for box, values in zip(boxes[1:], (panel.attention, panel.attenuated), strict=True):
        _draw_map(sheet, panel.grid(values), panel.grid(panel.artifacts), box, highest)
        if panel.registers:
            strip = _strip_box(panel, plan, box)
            _draw_map(sheet, panel.strip(values), panel.strip(panel.artifacts), strip, highest)
            middle = (strip.left + strip.right) / 2
            sheet.text(middle, strip.bottom + 14, "reg", _NUMBER, width=60, align="center")
    right = left + plan.block - _SCALE + _GAP
    _draw_scale(sheet, Box(right, top, right + _BAR, top + height), highest)


def _name(path: str, width: float) -> str:
    """The path; its last part alone where there is no room for all of it."""
    return path if _NAME.width(_NAME.fit(path, 1e9)) <= width else os.path.basename(path)


def _facts(panel: TokenMap, theta: float | None) -> str:
    if theta is None:
        return "θ is off: no token is marked"
    if not panel.count:
        return f"0 artifacts: every token lies on one side of θ = {theta:g} (Eq. 3)"
    noun = "artifact" if panel.count == 1 else "artifacts"
    return (
        f"θ = {theta:g} · {panel.count} {noun} of {panel.tokens} tokens · share of attention "
        f"{panel.share_before:.2%} before, {panel.share_after:.2%} after"
    )


def _strip_box(panel: TokenMap, plan: _Plan, box: Box) -> Box:
    left = box.right + _GAP // 2
    cell = min(plan.strip - _GAP // 2, int((box.height - 24) / panel.registers))
    return Box(left, box.top, left + cell, box.top + cell * panel.registers)


def _draw_map(
    sheet: Sheet, values: NDArray[np.generic], mask: NDArray[np.generic], box: Box, highest: float
) -> None:
    image = _resize(_apply_colours(values, highest), box, smooth=False)
    sheet.image(image, box.left, box.top, level=2)
    _draw_outline(sheet, mask, box)


def _draw_outline(sheet: Sheet, mask: NDArray[np.generic], box: Box) -> None:
    from matplotlib.collections import LineCollection

    segments = outline(mask)
    if not len(segments):
        return
    cell = (box.width / mask.shape[1], box.height / mask.shape[0])
    places = segments * cell + (box.left, box.top)
    thick = min(max(0.14 * min(cell), 1.6), 3.0)
    for ink, pixels, level in (("#ffffff", thick + 1.8, 3), (OUTLINE, thick, 4)):
        lines = LineCollection(
            list(places), colors=ink, linewidths=pixels * 72 / DPI, capstyle="round"
        )
        lines.set_zorder(level)
        sheet.axes.add_collection(lines, autolim=False)


def _apply_colours(values: NDArray[np.generic], highest: float) -> NDArray[np.uint8]:
    """(h, w) attention → (h, w, 3) uint8 RGB."""
    import matplotlib

    scaled = np.sqrt(np.clip(np.asarray(values, dtype=np.float64) / highest, 0.0, 1.0))
    colours: NDArray[np.uint8] = matplotlib.colormaps["viridis"](scaled, bytes=True)
    return colours[..., :3]


def _resize(pixels: NDArray[np.uint8], box: Box, *, smooth: bool) -> Image.Image:
    """An RGB image that fills the box."""
    from PIL import Image

    way = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image.resize((round(box.width), round(box.height)), way)


def _draw_scale(sheet: Sheet, box: Box, highest: float) -> None:
    """The colour bar: shares of the attention, in per cent."""
    levels = np.linspace(1.0, 0.0, round(box.height))[:, None] ** 2 * highest
    sheet.panel(box.inset(-1), PANEL, level=1)
    sheet.image(
        _resize(_apply_colours(levels, highest), box, smooth=False), box.left, box.top, level=2
    )
    for share in (0.0, 0.0625, 0.25, 0.5625, 1.0):
        y = box.bottom - box.height * share**0.5
        y = min(max(y, box.top + 8), box.bottom - 8)
        text = f"{share * highest:.2%}"
        room = _SCALE - _GAP - _BAR
        sheet.text(box.right + 8, y, text, _NUMBER, width=room, ink=INK)

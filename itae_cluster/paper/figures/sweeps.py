"""Fig. 5 of the paper: how clusters change as θ goes up."""

from __future__ import annotations

from math import floor, isfinite, nan
from typing import TYPE_CHECKING, Any

from itae_cluster.drawing.layout import Box
from itae_cluster.drawing.palette import colour
from itae_cluster.drawing.sheet import QUIET
from itae_cluster.paper.figures.canvas import blank, to_bytes
from itae_cluster.paper.figures.chart import add_axes, heading, legend, note, ticks
from itae_cluster.paper.figures.target import check_target, suffix_of, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from itae_cluster.paper.sweep import SweepPoint

__all__ = ["draw_sweep"]

_WIDTH, _HEIGHT = 2000, 1100
_AXES = Box(130, 130, 1600, 970)
_MOST_TICKS = 18
_LINES: dict[str, tuple[str, str, str, object]] = {
    "share": ("tokens attenuated", QUIET, "s", (0, (5, 2))),
    "silhouette": ("silhouette", colour(3), "v", (0, (1, 1.2))),
    "stability": ("stability", colour(1), "^", (0, (1, 1.2))),
    "acc": ("ACC", colour(0), "o", "-"),
    "ari": ("ARI", colour(4), "D", "-"),
    "nmi": ("NMI", colour(2), "P", "-"),
}


def draw_sweep(path: str, points: Sequence[SweepPoint], title: str) -> None:
    """One line a score over θ; a ring marks the best θ of each score.

    The same data give the same bytes.

    Args:
        path: the file to write, `.png` or `.svg`.
        points: in any order; ITAE switched off stands alone at the left.
        title: what the figure is about, on one line.

    Raises:
        UsageError: if the suffix is another one.
        OutputError: if the file exists or cannot be written.
    """
    check_target(path)
    figure = blank(_WIDTH, _HEIGHT)
    heading(figure, title, _AXES.left, _WIDTH - 60, 36)
    axes = add_axes(figure, _AXES, title="", x="θ", y="score, or share of tokens")
    swept = sorted(
        ((point.theta, point) for point in points if point.theta is not None),
        key=lambda pair: pair[0],
    )
    off = next((point for point in points if point.theta is None), None)
    numbers = [theta for theta, _ in swept]
    off_at = None if off is None else _place_of_off(numbers)
    known: list[float] = []
    for name, line in _LINES.items():
        scores = [(theta, _value(point, name)) for theta, point in swept]
        if off is not None and off_at is not None:
            scores = [(off_at, _value(off, name)), (nan, nan), *scores]  # a gap parts it
        scored = [score for _, score in scores if isfinite(score)]
        if scored:
            _draw_line(axes, line, scores, ring=name != "share")
        known += scored
    _scale(axes, numbers, off_at, min([0.0, *known]))
    if known:
        look: dict[str, Any] = {"marker": "o", "markersize": 15, "markeredgewidth": 2}
        axes.plot(
            [], [], "", color="none", markeredgecolor=QUIET, label="best θ of a score", **look
        )
        legend(axes, "upper left", (1.02, 1.0))
    else:
        note(axes, "nothing was swept")
    write(to_bytes(figure, suffix_of(path)), path)


def _value(point: SweepPoint, name: str) -> float:
    """A score; NaN, which is not drawn, where it is not known."""
    score: float | None = getattr(point, name)
    return nan if score is None else score


def _draw_line(
    axes: Axes, line: tuple[str, str, str, object], scores: list[tuple[float, float]], *, ring: bool
) -> None:
    label, ink, marker, dashes = line
    look: dict[str, Any] = {"marker": marker, "markersize": 7, "linewidth": 2.2, "zorder": 4}
    across, up = [x for x, _ in scores], [y for _, y in scores]
    axes.plot(across, up, color=ink, label=label, linestyle=dashes, **look)
    known = [score for score in scores if isfinite(score[1])]
    if ring and len(known) > 1:
        x, y = max(known, key=lambda score: score[1])
        look = {"marker": "o", "markersize": 17, "markeredgewidth": 2, "zorder": 5}
        axes.plot([x], [y], markerfacecolor="none", markeredgecolor=ink, **look)


def _place_of_off(numbers: list[float]) -> float:
    if not numbers:
        return 0.0
    step = (numbers[-1] - numbers[0]) / max(len(numbers) - 1, 1) or 1.0
    return numbers[0] - 1.5 * step


def _scale(axes: Axes, numbers: list[float], off_at: float | None, lowest: float) -> None:
    every = -(-len(numbers) // _MOST_TICKS) if numbers else 1
    at, text = numbers[::every], [f"{value:g}" for value in numbers[::every]]
    if off_at is not None:
        at, text = [off_at, *at], ["off", *text]
    ticks(axes, "x", at, text)
    if at:
        margin = 0.03 * (max(at + numbers) - min(at)) or 0.5
        axes.set_xlim(min(at) - margin, max(at + numbers) + margin)
    bottom = floor(lowest / 0.2) * 0.2
    levels = [round(bottom + 0.2 * i, 1) for i in range(round((1 - bottom) / 0.2) + 1)]
    ticks(axes, "y", levels, [f"{level:.1f}".replace("-", "−") for level in levels])
    axes.set_ylim(bottom - 0.02, 1.03)

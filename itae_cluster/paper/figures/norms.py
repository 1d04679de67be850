"""Fig. 2 and 3 of the paper: where artifacts are seen, and how much attention they draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.drawing.layout import Box
from itae_cluster.drawing.sheet import INK
from itae_cluster.paper.figures.canvas import blank, to_bytes
from itae_cluster.paper.figures.chart import (
    ARTIFACTS,
    PATCHES,
    REGISTERS,
    THETA,
    add_axes,
    heading,
    legend,
    note,
    ticks,
)
from itae_cluster.paper.figures.target import check_target, suffix_of, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["TokenSample", "draw_norms"]

_WIDTH, _HEIGHT = 2000, 1440
_BINS = 96
_QUERY = Box(150, 190, 960, 660)
_OUTPUT = Box(1150, 190, 1960, 660)
_ATTENTION = Box(150, 870, 1960, 1340)

_Groups = dict[str, tuple["NDArray[np.float64]", str]]  # name → values, colour


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSample:
    """Norms of (P,) patches and (Q,) registers; CLS attention, 0 to 1, of (A,) and (M,) tokens.

    Query norms are Eq. 4, output norms those of the last block's output. There may be no registers
    and no artifacts.
    """

    query_norms: NDArray[np.float32]
    output_norms: NDArray[np.float32]
    register_query_norms: NDArray[np.float32]
    register_output_norms: NDArray[np.float32]
    attention_artifacts: NDArray[np.float32]
    attention_normal: NDArray[np.float32]


def draw_norms(
    path: str, tokens: TokenSample, *, theta: float | None, valley: float | None, title: str
) -> None:
    """Fig. 2 and, below it, Fig. 3. The same data give the same bytes.

    Counts of norms are drawn on a square-root scale: a small second mode, and registers, of which
    there are few, can be seen beside thousands of patches, and an empty bin stays empty.

    Args:
        path: the file to write, `.png` or `.svg`.
        tokens: what is counted.
        theta: the threshold, None where ITAE is off.
        valley: the lowest point between two modes, None where there is none.
        title: what the figure is about, on one line.

    Raises:
        UsageError: if the suffix is another one.
        OutputError: if the file exists or cannot be written.
    """
    check_target(path)
    figure = blank(_WIDTH, _HEIGHT)
    heading(figure, title, _QUERY.left, _OUTPUT.right, 36)
    # Fig. 2; θ and the valley are about query norms alone.
    y = "tokens (square-root scale)"
    axes = add_axes(figure, _QUERY, title="Query norms", x="‖q‖ / √d (Eq. 4)", y=y)
    _draw_norms(axes, _kinds(tokens.query_norms, tokens.register_query_norms), theta, valley)
    axes = add_axes(figure, _OUTPUT, title="Output norms", x="‖x‖ of the last block", y=y)
    _draw_norms(axes, _kinds(tokens.output_norms, tokens.register_output_norms), None, None)
    # Fig. 3
    axes = add_axes(
        figure,
        _ATTENTION,
        title="CLS attention of artifact and normal tokens, before ITAE",
        x="share of the attention (mean over heads)",
        y="tokens (log scale)",
    )
    artifacts, normal = _finite(tokens.attention_artifacts), _finite(tokens.attention_normal)
    _draw_attention(axes, artifacts, normal, theta)
    write(to_bytes(figure, suffix_of(path)), path)


def _kinds(patches: NDArray[np.float32], registers: NDArray[np.float32]) -> _Groups:
    return {
        "patches": (_finite(patches), PATCHES),
        "registers": (_finite(registers), REGISTERS),
    }


def _finite(values: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = np.asarray(values, dtype=np.float64).ravel()
    return wide[np.isfinite(wide)]


def _draw_norms(axes: Axes, groups: _Groups, theta: float | None, valley: float | None) -> None:
    lines = {"θ": theta, "valley": valley}
    at = [value for value in lines.values() if value is not None]
    edges = _edges(np.concatenate([values for values, _ in groups.values()]), at)
    highest = _draw_counts(axes, groups, edges, np.sqrt)
    for name, value in lines.items():
        if value is not None:
            _draw_line(axes, name, value, edges)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(highest, 1.0) * 1.12)
    _plain_x(axes, edges)
    counts = [v for v in _steps(0, max(highest, 1.0) ** 2, 5) if v == int(v)]
    if len(counts) > 2:
        counts.insert(1, _round_down(counts[1] / 8))
    counts = sorted({count for count in counts if count == 0 or count >= 1})
    ticks(axes, "y", [v**0.5 for v in counts], [f"{v:,.0f}" for v in counts])
    if highest:
        legend(axes, "lower right", (1.0, 1.0), columns=2)
    else:
        note(axes, "no tokens")


def _draw_attention(
    axes: Axes,
    artifacts: NDArray[np.float64],
    normal: NDArray[np.float64],
    theta: float | None,
) -> None:
    groups: _Groups = {
        "normal tokens": (normal, PATCHES),
        "artifact tokens": (artifacts, ARTIFACTS),
    }
    edges = _edges(np.concatenate([normal, artifacts, [0.0]]), [])
    edges = np.linspace(0.0, max(edges[-1], 0.0) or 1.0, _BINS + 1)
    floor = 0.5
    highest = _draw_counts(axes, groups, edges, lambda counts: np.maximum(counts, floor), floor)
    axes.set_yscale("log")
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(floor, max(highest, 10.0) * 2)
    powers = range(int(np.log10(max(highest, 10.0))) + 1)
    ticks(axes, "y", [10.0**p for p in powers], [f"{10**p:,}" for p in powers])
    _plain_x(axes, edges)
    if not len(artifacts):
        why = "θ is off" if theta is None else f"all tokens lie on one side of θ = {theta:g}"
        note(axes, f"no artifact tokens: {why}")
    if highest > floor:
        legend(axes, "lower right", (1.0, 1.0), columns=2)


def _draw_counts(
    axes: Axes,
    groups: _Groups,
    edges: NDArray[np.float64],
    scale: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    floor: float = 0.0,
) -> float:
    """A histogram of each group over the same bins; the highest value drawn."""
    highest = 0.0
    for level, (name, (values, ink)) in enumerate(groups.items(), start=2):
        if not len(values):
            continue
        heights = scale(np.histogram(values, edges)[0].astype(np.float64))
        highest = max(highest, float(heights.max()))
        look: dict[str, Any] = {"baseline": floor, "zorder": level, "color": ink}
        axes.stairs(heights, edges, fill=True, alpha=0.35, linewidth=0, **look)
        label = f"{name} ({len(values):,})"
        axes.stairs(heights, edges, linewidth=2, label=label, **look)
    return highest


def _draw_line(axes: Axes, name: str, value: float, edges: NDArray[np.float64]) -> None:
    look: dict[str, Any] = (
        {"color": THETA, "linestyle": "-", "linewidth": 2.4, "zorder": 5}
        if name == "θ"
        else {"color": INK, "linestyle": (0, (2, 2)), "linewidth": 1.8, "zorder": 6}
    )
    label = f"{name} = {value:.4g}"
    if not edges[0] <= value <= edges[-1]:
        label += " (outside)"
    axes.axvline(value, label=label, **look)


def _edges(values: NDArray[np.float64], also: list[float]) -> NDArray[np.float64]:
    """Bins over all values, and over what else shall be seen if it lies not too far off."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    span = (high - low) or max(abs(high), 1.0) * 0.1
    near = [value for value in also if low - span <= value <= high + span]
    low, high = min([low, *near]), max([high, *near])
    return np.linspace(low - 0.02 * span, high + 0.02 * span, _BINS + 1)


def _plain_x(axes: Axes, edges: NDArray[np.float64]) -> None:
    low, high = float(edges[0]), float(edges[-1])
    at = [value for value in _steps(low, high, 8) if low <= value <= high]
    ticks(axes, "x", at, [f"{value:.6g}" for value in at])


def _steps(low: float, high: float, most: int) -> list[float]:
    """Round numbers over a range, at most about `most`."""
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(value) for value in np.round(found, 12)]


def _round_down(value: float) -> float:
    """The next power of ten below, times 1, 2 or 5."""
    if value < 1:
        return 0.0
    power = 10.0 ** int(np.log10(value))
    return float(max(factor * power for factor in (1, 2, 5) if factor * power <= value))

"""Time against the number of pictures for clustering and the map, on a log-log plot."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure
from benchmarks.timing import child

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.context import Context

__all__ = ["PLOT", "ROW", "measure"]

ROW = "Scale"
PLOT = Path(__file__).parents[3] / "docs" / "performance-scale.png"
_SIZES = {
    "kmeans": (10_000, 100_000, 1_000_000),
    "default": (5_000, 20_000, 1_000_000),
    "hdbscan": (5_000, 20_000, 200_000),
    "map": (5_000, 20_000, 1_000_000),
}
_NAMES = {
    "kmeans": "K-Means, k = 100, of embeddings as they are",
    "default": "K-Means, k = 100, after UMAP (the default)",
    "hdbscan": "HDBSCAN after reduction",
    "map": "the 2-D map",
}
_NOTE = (
    "Synthetic embeddings, 384 dimensions. The exponent is the steepest slope between neighbouring "
    "sizes on the log-log plot below: 1 is linear, 2 quadratic."
)


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """The steepest slope of each stage, and how well the largest one was clustered."""
    figures = []
    curves: dict[str, dict[int, float]] = {}
    for job, sizes in _SIZES.items():
        found: dict[int, dict[str, Any]] = {}
        for n in sizes[:2] if context.quick else sizes:
            found[n] = child("benchmarks.scaling", job, n)
        curves[job] = {n: result["seconds"] for n, result in found.items()}
        largest = max(found)
        text = f"{_NAMES[job]}, up to {largest:,}: exponent of time"
        figures.append(
            Figure(
                ROW,
                text,
                _steepest(curves[job]),
                unit="",
                target=1.3,
                at_least=False,
                remark=_NOTE,
            )
        )
        if found[largest]["ari"] is not None:
            text = f"{_NAMES[job]}, {largest:,}: agreement with the groups planted"
            figures.append(Figure(ROW, text, found[largest]["ari"], unit="ARI"))
    if not context.quick:
        _draw(curves)
    return figures, []


def _steepest(curve: Mapping[int, float]) -> float:
    points = sorted(curve.items())
    return max(
        math.log(later / earlier) / math.log(large / small)
        for (small, earlier), (large, later) in itertools.pairwise(points)
    )


def _draw(curves: Mapping[str, Mapping[int, float]]) -> None:
    """Time relative to that of the smallest size, so that no machine's seconds are quoted."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for job, curve in curves.items():
        first = next(iter(curve.values()))
        axes.loglog(list(curve), [time / first for time in curve.values()], "o-", label=_NAMES[job])
    sizes = (5_000, 1_000_000)
    axes.loglog(sizes, [size / sizes[0] for size in sizes], ":", color="grey", label="linear")
    axes.set_xlabel("pictures")
    axes.set_ylabel("time, smallest size = 1")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(PLOT, dpi=110)
    plt.close(figure)

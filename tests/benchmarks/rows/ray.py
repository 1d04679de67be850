"""`embed --ray` with one worker and with two, against no Ray at all."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.pictures import small_photos
from benchmarks.timing import Ratio, child

if TYPE_CHECKING:
    from benchmarks.context import Context

__all__ = ["ROW", "measure"]

ROW = "Ray"
_NOTE = (
    "Pictures a second on this machine, without the start of Ray and of the model. A worker is a "
    "process that decodes and one that embeds, which share a processor."
)


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """Rates of one processor, of two, and of the run without Ray, in turn."""
    count = context.size(1200, 200)
    folder = small_photos(context.sources, count, os.path.join(context.scratch, f"small{count}"))
    twice, alone = [], []
    for _ in range(context.size(3, 1)):
        rate = [_rate(context, folder, processors) for processors in (0, 1, 2)]
        twice.append(rate[2] / rate[1])
        alone.append(rate[2] / rate[0])
    two, none = Ratio.of(twice).fields(), Ratio.of(alone).fields()
    return [
        Figure(ROW, "two workers against one", **two, target=1.6, remark=_NOTE),
        Figure(ROW, "two workers against a run without Ray", **none, target=0.8, remark=_NOTE),
    ], []


def _rate(context: Context, folder: str, processors: int) -> float:
    target = os.path.join(context.scratch, "parts")
    shutil.rmtree(target, ignore_errors=True)
    rate: float = child("benchmarks.spread", folder, target, processors)["rate"]
    return rate

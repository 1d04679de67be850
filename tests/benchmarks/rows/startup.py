"""How long it takes before anything happens."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.pictures import small_photos
from benchmarks.timing import Ratio, cpu_seconds

if TYPE_CHECKING:
    from benchmarks.context import Context

__all__ = ["ROW", "measure"]

ROW = "Start-up"
_HELP_BUDGET = 0.3  # seconds of processor time
_CACHED_BUDGET = 1.5  # seconds beyond the import of torch
_NOTE = "Processor time as a share of what is allowed: 0.3 s."
_CACHED_NOTE = "Processor time as a share of what is allowed: that of importing torch plus 1.5 s."


def measure(context: Context) -> tuple[list[Figure], list[str]]:
    """Processor time of `--help`, `--version` and a run on ten known pictures."""
    tool = [sys.executable, "-m", "itae_cluster"]
    times = context.size(7, 2)
    figures = []
    for option in ("--help", "--version"):
        used = [cpu_seconds([*tool, option]) / _HELP_BUDGET for _ in range(1 + times)][1:]
        fields = Ratio.of(used).fields()
        figures.append(Figure(ROW, f"`{option}`", **fields, target=1, at_least=False, remark=_NOTE))
    folder = small_photos(context.sources, 10, os.path.join(context.scratch, "small10"))
    cache = os.path.join(context.scratch, "cache-startup")
    job = [*tool, folder, "--k", "3", "--model", "mini", "--cache", cache, "--quiet"]
    cpu_seconds(job)
    shares = []
    for _ in range(times):
        torch = cpu_seconds([sys.executable, "-c", "import torch"])
        shares.append(cpu_seconds(job) / (torch + _CACHED_BUDGET))
    text = "`cluster` on 10 cached pictures"
    figures.append(
        Figure(
            ROW, text, **Ratio.of(shares).fields(), target=1, at_least=False, remark=_CACHED_NOTE
        )
    )
    return figures, []

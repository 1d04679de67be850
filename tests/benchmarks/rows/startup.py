"""How long it takes before anything happens."""

from __future__ import annotations

import os
import sys
import time
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
_NEW_BUDGET = 1.0  # seconds beyond the import of torch
_NEW_CPU_BUDGET = 1.5  # seconds of processor time
_NOTE = "Processor time as a share of what is allowed: 0.3 s."
_CACHED_NOTE = "Processor time as a share of what is allowed: that of importing torch plus 1.5 s."
_NEW_NOTE = (
    "Wall time of `--k 3 --model mini --no-cache` by OpenVINO, whose network is kept, as a share "
    "of what is allowed: that of importing torch plus 1 s."
)
_NEW_CPU_NOTE = (
    "The same run's processor time, that of decoder processes left out, as a share of what is "
    "allowed: 1.5 s."
)


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
    figures += _on_new_pictures([*tool, folder, "--k", "3", "--model", "mini"], times)
    return figures, []


def _on_new_pictures(job: list[str], times: int) -> list[Figure]:
    job = [*job, "--no-cache", "--quiet", "--engine", "openvino"]
    cpu_seconds(job)  # keeps the network, too
    shares, cpu_shares = [], []
    for _ in range(times):
        torch, _ = _wall_and_cpu([sys.executable, "-c", "import torch"])
        wall, used = _wall_and_cpu(job)
        shares.append(wall / (torch + _NEW_BUDGET))
        cpu_shares.append(used / _NEW_CPU_BUDGET)
    return [
        Figure(ROW, text, **Ratio.of(values).fields(), target=1, at_least=False, remark=note)
        for text, values, note in (
            ("`cluster` on 10 new pictures: time", shares, _NEW_NOTE),
            ("`cluster` on 10 new pictures: processor time", cpu_shares, _NEW_CPU_NOTE),
        )
    ]


def _wall_and_cpu(command: list[str]) -> tuple[float, float]:
    start = time.perf_counter()
    used = cpu_seconds(command)
    return time.perf_counter() - start, used

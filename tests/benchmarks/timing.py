"""Pairs of measurements: what is compared runs in turn, so that a drifting machine hits both."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Ratio", "child", "cpu_seconds", "paired", "seconds"]


@dataclass(frozen=True)
class Ratio:
    """Several ratios of one pair each: `value` is their median."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Ratio:
        """Median, lowest and highest."""
        return cls(statistics.median(ratios), min(ratios), max(ratios))

    def fields(self) -> dict[str, float]:
        """As arguments of a `Figure`."""
        return {"value": self.value, "low": self.low, "high": self.high}


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def paired(other: Callable[[], object], ours: Callable[[], object], pairs: int) -> Ratio:
    """How many times faster `ours` is; both are called once before, and change places."""
    other()
    ours()
    ratios = []
    for number in range(pairs):
        if number % 2:
            mine, theirs = seconds(ours), seconds(other)
        else:
            theirs, mine = seconds(other), seconds(ours)
        ratios.append(theirs / mine)
    return Ratio.of(ratios)


def cpu_seconds(command: Sequence[str]) -> float:
    """Processor time of a whole process and its children, user and system.

    Raises:
        RuntimeError: if it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def child(module: str, *arguments: object, python: str = sys.executable) -> dict[str, Any]:
    """Run a module or script of ours in a process of its own; the JSON on its last line.

    Raises:
        RuntimeError: if it fails, with the last line it said.
    """
    target = [module] if module.endswith(".py") else ["-m", module]
    lines = _run([python, *target, *map(str, arguments)]).strip().splitlines()
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def _run(command: Sequence[str]) -> str:
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise RuntimeError(f"{' '.join(command[:4])} … ended with {done.returncode}: {said[-1]}")
    return done.stdout

"""How many processor cores this process may use: those it is bound to, and no more than its share.

A container limits by time, not by core: a quota of two seconds a second is two cores of any number.
"""

from __future__ import annotations

import contextlib
import math
import os

__all__ = ["usable_cores"]

_CGROUPS = "/sys/fs/cgroup"


def usable_cores() -> int:
    """Cores that computing may keep busy; at least 1."""
    cores = _bound_cores()
    quota = _quota()
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def _bound_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota() -> float | None:
    """Cores' worth of time that Linux's control group allows; None where it sets no limit."""
    with contextlib.suppress(OSError, ValueError):
        limit, period = _read("cpu.max").split()  # version 2; `max` where there is none
        return float(limit) / float(period)
    with contextlib.suppress(OSError, ValueError):
        limit, period = _read("cpu/cpu.cfs_quota_us"), _read("cpu/cpu.cfs_period_us")
        return float(limit) / float(period) if float(limit) > 0 else None
    return None


def _read(name: str) -> str:
    with open(os.path.join(_CGROUPS, name), encoding="ascii") as file:
        return file.read()

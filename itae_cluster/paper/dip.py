"""The dip test of unimodality (Hartigan & Hartigan, Annals of Statistics 13, 1985).

The dip is the largest distance between a sample's distribution function and the nearest unimodal
one; its algorithm is Applied Statistics AS 217 (P. M. Hartigan 1985).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["dip_statistic", "dip_test"]

_MOST_EVIDENCE = 1000  # values

# Upper quantiles of √n · dip of uniform samples, the least favourable unimodal ones: simulated,
# 60,000 samples of n = 1000. Smaller samples have smaller quantiles, so their p is never too low.
_TAIL = (1.0, 0.9, 0.5, 0.1, 0.05, 0.01, 0.001, 0.0001)
_ROOT_N_DIP = (0.190, 0.288, 0.371, 0.495, 0.535, 0.618, 0.721, 0.817)


def dip_test(ordered: NDArray[np.float64], design_effect: float = 1.0) -> tuple[float, float]:
    """Hartigan's dip and its p-value (no less than 0.0001), from at most 1000 order statistics.

    Args:
        ordered: (n,) values in rising order.
        design_effect: how many values count as one.
    """
    evidence = min(len(ordered) / design_effect, _MOST_EVIDENCE)
    if len(ordered) > _MOST_EVIDENCE:
        picked = np.linspace(0, len(ordered) - 1, _MOST_EVIDENCE).round().astype(np.int64)
        ordered = ordered[picked]
    dip = dip_statistic(ordered)
    log_p = np.interp(math.sqrt(evidence) * dip, _ROOT_N_DIP, np.log(_TAIL))
    return dip, float(np.exp(log_p))


def dip_statistic(ordered: NDArray[np.float64]) -> float:
    """Largest distance between the empirical and the closest unimodal distribution, 0 to 0.25.

    Hartigan & Hartigan's algorithm: between `low` and `high`, a convex minorant and a concave
    majorant; where they are farthest apart is the next, narrower modal interval.

    Args:
        ordered: (n,) values in rising order.
    """
    x = np.asarray(ordered, dtype=np.float64)
    n = len(x)
    before, after = np.arange(n, dtype=np.float64), np.arange(1.0, n + 1.0)
    low, high, dip = 0, n - 1, 1.0
    while high > low:
        part = slice(low, high + 1)
        under = _hull(x[part], before[part]) + low
        over = _hull(x[part], -after[part]) + low
        minorant = np.interp(x[part], x[under], before[under])
        majorant = np.interp(x[part], x[over], after[over])
        gap_under = (majorant - minorant)[under - low]
        gap_over = (majorant - minorant)[over - low]
        if gap_under.max() > gap_over.max():
            left = under[gap_under.argmax()]
            right = over[np.searchsorted(over, left)]
        else:
            right = over[gap_over.argmax()]
            left = under[np.searchsorted(under, right, side="right") - 1]
        if max(gap_under.max(), gap_over.max()) <= dip:
            break
        dip = max(
            dip,
            (after[part] - minorant)[: left - low + 1].max(),
            (majorant - before[part])[right - low :].max(),
        )
        if (left, right) == (low, high):
            break
        low, high = left, right
    return float(dip) / (2 * n)


def _hull(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the corners of the lower convex hull of points in the order of x."""
    kept: list[int] = []
    xs, ys = x.tolist(), y.tolist()
    for i in range(len(xs)):
        while len(kept) > 1:
            a, b = kept[-2], kept[-1]
            if (ys[b] - ys[a]) * (xs[i] - xs[a]) < (ys[i] - ys[a]) * (xs[b] - xs[a]):
                break
            kept.pop()
        kept.append(i)
    return np.array(kept, dtype=np.int64)

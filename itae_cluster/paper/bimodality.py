"""Are query norms bimodal, and where is the valley between the two groups?

Three questions, all of which must be answered with yes:

1. Is there a valley worth the name? A Gaussian kernel density estimate (bandwidth: Silverman
   1986, Eq. 3.31) must fall, between two peaks, by a third of the smaller peak, and each side must
   hold 0.2 % of the values (one register in 261 tokens is 0.4 %). A share of depth does not grow
   with the sample, so a ripple stays a ripple however many tokens are measured.
2. Is it more than chance? Hartigan & Hartigan's dip test (Annals of Statistics 13, 1985). The dip
   of a whole sample hardly sees a group of 1 %. But a piece cut out of a unimodal density is
   unimodal too, so the test is put to a piece around the valley in which the small group is half:
   all of it, and as many values of the other side, nearest first. A skewed or heavy tail, cut
   anywhere, falls only, and passes for what it is.
3. Do enough pictures say so? Tokens of one picture are alike, so they count for less than as many
   independent values: their number is divided by the design effect (Kish, Survey Sampling, 1965)
   of belonging to the small group, with the picture as the sampling unit. One odd picture is
   never enough. Besides, never more than 1000 values count as evidence.

Mixtures of Gaussians compared by BIC are not used: they split every skewed sample in two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.errors import InputError
from itae_cluster.paper.dip import dip_test

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Finding", "find_threshold"]

_FEWEST = 50  # values, below which nothing is decided
_FEWEST_IN_GROUP = 10
_LEAST_SHARE = 0.002
_LEAST_DEPTH = 1 / 3
_SIGNIFICANCE = 0.01  # shared among the valleys tried
_MOST_CANDIDATES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What `find_threshold` says of a sample.

    `n` values · `valley` position of the valley, None where not bimodal · `modes` positions of the
    peaks beside it and `weights` shares of the values on its two sides, low side first · `dip` and
    `p_value` of Hartigan's test around the deepest valley (of the whole sample, where there is
    none) · `separation` depth of that valley as a share of its smaller peak, 0 to 1 · `reason` one
    line for humans.
    """

    n: int
    bimodal: bool
    valley: float | None = None
    modes: tuple[float, float] | None = None
    weights: tuple[float, float] | None = None
    dip: float
    p_value: float
    separation: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Valley:
    position: float
    modes: tuple[float, float]
    below: int  # values at or below `position`
    small_group: int  # values on the side that holds fewer
    depth: float


def find_threshold(norms: NDArray[np.float32], groups: NDArray[np.int64] | None = None) -> Finding:
    """Decide whether a sample is bimodal; the same sample always gives the same answer.

    Args:
        norms: query norms (Eq. 4) in any shape; of n values.
        groups: the picture each value comes from, in the same shape; None where all values are
            independent of each other.

    Raises:
        InputError: if a value is NaN or infinite, or `groups` has another shape than `norms`.
    """
    values = np.asarray(norms, dtype=np.float64).ravel()
    if not np.isfinite(values).all():
        raise InputError("some query norms are NaN or infinite; the weights may be damaged")
    if groups is not None and groups.size != values.size:
        raise InputError(
            f"{groups.size} picture numbers for {values.size} query norms; give one each"
        )
    order = np.argsort(values, kind="stable")
    values = _spread_steps(values[order])
    pictures = None if groups is None else np.unique(groups.ravel()[order], return_inverse=True)[1]
    n = len(values)
    if n < _FEWEST:
        return _unimodal(n, f"too few values to decide: {n}, of at least {_FEWEST}")
    if values[0] == values[-1]:
        return _unimodal(n, f"all values are equal: {values[0]:.2f}")
    valleys = _valleys(values)
    if not valleys:
        dip, p_value = dip_test(values)
        return _unimodal(n, "one peak only", dip, p_value)
    deep = [valley for valley in valleys[:_MOST_CANDIDATES] if valley.depth >= _LEAST_DEPTH]
    tests = [_test_around(values, valley, pictures) for valley in deep or valleys[:1]]
    for valley, (dip, p_value) in zip(deep, tests, strict=False):
        if p_value * len(deep) < _SIGNIFICANCE:
            return _bimodal(n, valley, dip, p_value)
    best, (dip, p_value) = valleys[0], tests[0]
    why = "may be chance" if deep else "is too shallow"
    reason = f"the valley at {best.position:.2f} {why} ({_describe(best, p_value)})"
    return _unimodal(n, reason, dip, p_value, best.depth)


def _bimodal(n: int, valley: _Valley, dip: float, p_value: float) -> Finding:
    low = valley.below / n
    reason = (
        f"two groups, {low:.1%} about {valley.modes[0]:.2f} and {1 - low:.1%} about "
        f"{valley.modes[1]:.2f}, with a valley at {valley.position:.2f} "
        f"({_describe(valley, p_value)})"
    )
    return Finding(
        n=n,
        bimodal=True,
        valley=valley.position,
        modes=valley.modes,
        weights=(low, 1 - low),
        dip=dip,
        p_value=p_value,
        separation=valley.depth,
        reason=reason,
    )


def _unimodal(
    n: int, reason: str, dip: float = 0.0, p_value: float = 1.0, depth: float = 0.0
) -> Finding:
    return Finding(n=n, bimodal=False, dip=dip, p_value=p_value, separation=depth, reason=reason)


def _describe(valley: _Valley, p_value: float) -> str:
    return f"{valley.depth:.0%} below the smaller peak, dip test p {_round(p_value)}"


def _round(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.2g}"


def _spread_steps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sorted values that were rounded, spread evenly over their rounding steps again."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < 2 or 2 * len(distinct) > len(values):
        return values
    step = float(np.median(np.diff(distinct)))
    rank = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    return values + step * ((rank + 0.5) / np.repeat(counts, counts) - 0.5)


def _valleys(values: NDArray[np.float64]) -> list[_Valley]:
    """Every valley of the density with enough values on both sides, the deepest first.

    Where some are about as deep, the one with the larger small group comes first.
    """
    grid, density = _density(values)
    middle = density[1:-1]
    lowest = np.flatnonzero((middle <= density[:-2]) & (middle < density[2:])) + 1
    peaks = {(int(density[:i].argmax()), int(i + density[i:].argmax())) for i in lowest}
    valleys = []
    for left, right in sorted(peaks):
        smaller = min(density[left], density[right])
        if density[left:right].min() < 0.95 * smaller:  # else a ripple of the estimate
            lowest_between, position = _floor(grid, density, left, right)
            below = int(np.searchsorted(values, position, side="right"))
            modes = (float(grid[left]), float(grid[right]))
            small_group = min(below, len(values) - below)
            depth = float(1 - lowest_between / smaller)
            valleys.append(_Valley(position, modes, below, small_group, depth))
    least = max(_FEWEST_IN_GROUP, _LEAST_SHARE * len(values))
    large_enough = [valley for valley in valleys if valley.small_group >= least]
    return sorted(large_enough, key=lambda v: (round(v.depth, 1), v.small_group), reverse=True)


def _floor(
    grid: NDArray[np.float64], density: NDArray[np.float64], left: int, right: int
) -> tuple[float, float]:
    """Lowest density between two peaks, and where: the middle, where the floor is flat."""
    bottom = left + int(density[left:right].argmin())
    tolerated = density[bottom] + 0.01 * min(density[left], density[right])
    higher = left + np.flatnonzero(density[left : right + 1] > tolerated)
    first, last = higher[higher < bottom][-1] + 1, higher[higher > bottom][0] - 1
    return float(density[bottom]), float((grid[first] + grid[last]) / 2)


def _density(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions and kernel density estimate there, without the outermost 0.05 % on each side."""
    from scipy.ndimage import gaussian_filter1d

    low, quarter, three_quarters, high = np.quantile(values, [0.0005, 0.25, 0.75, 0.9995])
    inner = values[(values >= low) & (values <= high)]
    spread = min(float(inner.std()), (three_quarters - quarter) / 1.34) or float(inner.std())
    bandwidth = 0.9 * spread * min(len(values), 5000) ** -0.2
    bandwidth = max(bandwidth, (high - low) / 2000)
    step = bandwidth / 8
    bins = math.ceil((high - low) / step) + 80  # five bandwidths of margin on each side
    edges = low + step * (np.arange(bins + 1) - 40)
    counts = np.histogram(inner, edges)[0].astype(np.float64)
    density = gaussian_filter1d(counts, 8.0, mode="constant", truncate=5.0)
    return (edges[:-1] + edges[1:]) / 2, density


def _test_around(
    values: NDArray[np.float64], valley: _Valley, pictures: NDArray[np.int64] | None
) -> tuple[float, float]:
    """Dip and p of the small group and as many values of the other side, nearest first."""
    below, size = valley.below, valley.small_group
    effect = 1.0
    if pictures is not None:
        group = slice(0, below) if size == below else slice(below, None)
        effect = _design_effect(pictures, group)
    return dip_test(values[below - size : below + size], effect)


def _design_effect(pictures: NDArray[np.int64], group: slice) -> float:
    """How much more a share varies between pictures than between independent values; ≥ 1."""
    tokens = np.bincount(pictures)
    members = np.bincount(pictures[group], minlength=len(tokens))
    share = members.sum() / tokens.sum()
    observed = np.square(members - share * tokens).sum() * len(tokens) / max(1, len(tokens) - 1)
    return max(1.0, float(observed / (share * (1 - share) * tokens.sum())))

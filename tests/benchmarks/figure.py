"""One measured figure, and how it is written down."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Figure"]


@dataclass(frozen=True)
class Figure:
    """What was measured. Times are given as ratios only: the machine's speed drifts, they do not.

    Attributes:
        row: the group it belongs to.
        text: what was measured against what.
        value: the figure, a median where it was measured several times.
        unit: `x` for a ratio, else a word such as `cosine`, `ARI`, `GB`.
        low: the lowest measurement.
        high: the highest measurement.
        target: what is aimed at, None where there is nothing to reach.
        at_least: whether the target is a lower bound.
        remark: what a reader must know of it.
    """

    row: str
    text: str
    value: float
    unit: str = "x"
    low: float | None = None
    high: float | None = None
    target: float | None = None
    at_least: bool = True
    remark: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

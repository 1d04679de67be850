"""A histogram of query norms in the terminal (the paper's Fig. 2, one row a bin).

A bar is as long as its count, in eighths of a character, and one eighth at least, so that a group
of 1 % is seen beside the rest. Colour only repeats what the characters say, so nothing is lost
without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from rich.console import Console
    from rich.text import Text

__all__ = ["print_histogram"]

_MOST_BINS = 23
_WIDEST = 80
_SHORTEST_BAR = 4
_NICE_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class _Signs:
    """`parts` are growing parts of a whole character, the whole one last."""

    parts: str
    register: str
    mark: str

    @property
    def patch(self) -> str:
        """Stands for patches where a bar fills the character."""
        return self.parts[-1]


_BLOCKS = _Signs("▏▎▍▌▋▊▉█", "░", "◄")
_ASCII = _Signs("#", "o", "<")


@dataclass(frozen=True, slots=True)
class _Bins:
    """Counts of each bin; bin i begins at `(first + i) * step`."""

    first: int
    step: float
    counts: NDArray[np.int64]
    registers: NDArray[np.int64]

    def label(self, index: int) -> str:
        decimals = next(d for d in range(9) if math.isclose(self.step, round(self.step, d)))
        return f"{(self.first + index) * self.step:.{decimals}f}"

    def marks(self, index: int, lines: Mapping[str, float]) -> list[str]:
        here = self.first + index
        return [name for name, value in lines.items() if _bin_of(value, self.step) == here]


def print_histogram(
    norms: NDArray[np.float32],
    *,
    registers: NDArray[np.bool_] | None,
    lines: Mapping[str, float],
    console: Console,
) -> None:
    """Print at most 24 rows, low norms first, 80 columns or narrower; nothing for no norm.

    The rows span every line and the middle 99.9 % of the norms; the first and the last row count
    what lies beyond them too.

    Args:
        norms: finite query norms, in any shape.
        registers: which of them are of register tokens, in the same shape; None where the model
            has none.
        lines: name → norm, such as θ and the valley; the row that holds one names it.
        console: where to print. Its width, its encoding and NO_COLOR are respected.
    """
    from rich.text import Text

    if norms.size == 0:
        return
    signs, lines = _encodable(console, lines)
    bins = _count(norms, registers, lines)
    width = min(console.width, _WIDEST)
    rows = _rows(bins, lines, signs, width)
    if registers is not None:
        rows.append(Text(f"{signs.patch} patches  {signs.register} registers", style="dim"))
    for row in rows:
        row.truncate(width)
        console.print(row, soft_wrap=True)


def _encodable(console: Console, lines: Mapping[str, float]) -> tuple[_Signs, Mapping[str, float]]:
    """Signs and names that the console's encoding can show."""
    try:
        "".join([_BLOCKS.parts, _BLOCKS.register, _BLOCKS.mark, *lines]).encode(console.encoding)
    except UnicodeEncodeError:
        plain = {name.replace("θ", "theta"): value for name, value in lines.items()}
        names = (name.encode("ascii", "replace").decode("ascii") for name in plain)
        return _ASCII, dict(zip(names, plain.values(), strict=True))
    return _BLOCKS, lines


def _count(
    norms: NDArray[np.float32], registers: NDArray[np.bool_] | None, lines: Mapping[str, float]
) -> _Bins:
    values = norms.ravel().astype(np.float64)
    inner = np.quantile(values, [0.0005, 0.9995])
    low, high = min([inner[0], *lines.values()]), max([inner[1], *lines.values()])
    step = _step(low, high)
    first, last = _bin_of(low, step), _bin_of(high, step)
    places = np.clip(np.floor(values / step + 1e-6), first, last).astype(np.int64) - first
    marked = places[:0] if registers is None else places[registers.ravel().astype(bool)]
    bins = last - first + 1
    return _Bins(
        first, step, np.bincount(places, minlength=bins), np.bincount(marked, minlength=bins)
    )


def _step(low: float, high: float) -> float:
    """The smallest round width of bins that needs no more than `_MOST_BINS`."""
    rough = (high - low) / _MOST_BINS or 0.1
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (power * factor * nice for factor in (1.0, 10.0) for nice in _NICE_STEPS)
    return next(s for s in steps if _bin_of(high, s) - _bin_of(low, s) < _MOST_BINS)


def _bin_of(value: float, step: float) -> int:
    return math.floor(value / step + 1e-6)  # 0.3 / 0.1 is 2.999…


def _rows(bins: _Bins, lines: Mapping[str, float], signs: _Signs, width: int) -> list[Text]:
    from rich.text import Text

    count = len(bins.counts)
    labels = [bins.label(index) for index in range(count)]
    marks = [bins.marks(index, lines) for index in range(count)]
    tails = [f" {signs.mark} {', '.join(names)}" if names else "" for names in marks]
    label_width, number_width = max(map(len, labels)), len(str(bins.counts.max()))
    taken = label_width + number_width + max(map(len, tails)) + 2
    bar_width = max(_SHORTEST_BAR, width - taken)
    rows = []
    for index in range(count):
        patches, registers = _bar(bins, index, bar_width, signs)
        rest = " " * (bar_width - len(patches) - len(registers))
        row = Text(f"{labels[index]:>{label_width}} ")
        row.append(patches, style="cyan")
        row.append(registers, style="magenta")
        row.append(f"{rest} {bins.counts[index]:>{number_width}}")
        row.append(tails[index], style="bold yellow")
        rows.append(row)
    return rows


def _bar(bins: _Bins, index: int, width: int, signs: _Signs) -> tuple[str, str]:
    """The characters for patches and for registers; registers take whole ones, one at least."""
    total, registers = int(bins.counts[index]), int(bins.registers[index])
    if total == 0:
        return "", ""
    steps = len(signs.parts)
    length = max(1, round(width * steps * total / int(bins.counts.max())))  # in parts
    if registers == 0:
        whole, part = divmod(length, steps)
        return signs.patch * whole + (signs.parts[part - 1] if part else ""), ""
    cells = math.ceil(length / steps)
    if registers == total:
        return "", signs.register * cells
    cells = max(2, cells)
    marked = min(cells - 1, max(1, round(cells * registers / total)))
    return signs.patch * (cells - marked), signs.register * marked
